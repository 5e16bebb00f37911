// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shortestSecret is how many bytes a value must have to be looked for; a shorter one may stand anywhere by chance.
const shortestSecret = 8

// CheckSecrets returns every place in which the value of a Secret of this world stands: another object, an Event, the log of the
// managers of this process.
func (w *World) CheckSecrets(ctx context.Context) error {
	var broken []error
	texts := map[string]string{"the log": logged.String()}
	var events eventsv1.EventList
	if err := w.Client.List(ctx, &events, client.InNamespace(w.Namespace)); err != nil {
		return fmt.Errorf("listing the Events: %w", err)
	}
	for i := range events.Items {
		texts["an Event"] += events.Items[i].Note + "\n"
	}
	var secrets []*unstructured.Unstructured
	for _, o := range w.mirror.objects(w.Namespace) {
		if o.GetKind() == "Secret" {
			secrets = append(secrets, o)
			continue
		}
		data, err := json.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", id(o), err)
		}
		texts[id(o)] = string(data)
	}
	for _, o := range secrets {
		secret, err := typed[corev1.Secret](o)
		if err != nil {
			return err
		}
		for key, value := range secret.Data {
			if len(value) < shortestSecret {
				continue
			}
			for place, text := range texts {
				if strings.Contains(text, string(value)) || strings.Contains(text, base64.StdEncoding.EncodeToString(value)) {
					broken = append(broken, fmt.Errorf("law of secrets: the value of key %s of %s stands in %s", key, id(o), place))
				}
			}
		}
	}
	return errors.Join(broken...)
}
