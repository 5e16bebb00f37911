package manifests

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// poll is how often something that is waited for is looked at.
const poll = 500 * time.Millisecond

// Until polls a check until it says nothing is missing.
func Until(ctx context.Context, limit time.Duration, check func(context.Context) (missing string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		missing, err := check(ctx)
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("waited %s: %w", limit, err)
			}
			return fmt.Errorf("waited %s: %s", limit, missing)
		case <-time.After(poll):
		}
	}
}

func (c *Client) awaitDefinitions(ctx context.Context, names []string) error {
	for _, name := range names {
		err := Until(ctx, time.Minute, func(ctx context.Context) (string, error) {
			o, err := c.dynamic.Resource(crds).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return "", err
			}
			return missingCondition(o, "Established"), nil
		})
		if err != nil {
			return fmt.Errorf("waiting for CustomResourceDefinition %s: %w", name, err)
		}
	}
	return nil
}

// missingCondition returns why a condition is not true, or nothing if it is.
func missingCondition(o *Object, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			if c["status"] == "True" {
				return ""
			}
			return fmt.Sprintf("%s %s is not %s: %v %v", o.GetKind(), o.GetName(), kind, c["reason"], c["message"])
		}
	}
	return fmt.Sprintf("%s %s has no condition %s yet", o.GetKind(), o.GetName(), kind)
}

// UnavailableDeployments lists the Deployments of a namespace that do not have all their pods available; it also says so
// if there are none at all.
func (c *Client) UnavailableDeployments(ctx context.Context, namespace string) ([]string, error) {
	list, err := c.dynamic.Resource(deployments).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing Deployments of %s: %w", namespace, err)
	}
	if len(list.Items) == 0 {
		return []string{"namespace " + namespace + " has no Deployments"}, nil
	}
	var missing []string
	for _, d := range list.Items {
		want, found, _ := unstructured.NestedInt64(d.Object, "spec", "replicas")
		if !found {
			want = 1
		}
		available, _, _ := unstructured.NestedInt64(d.Object, "status", "availableReplicas")
		updated, _, _ := unstructured.NestedInt64(d.Object, "status", "updatedReplicas")
		observed, _, _ := unstructured.NestedInt64(d.Object, "status", "observedGeneration")
		if observed < d.GetGeneration() || available < want || updated < want {
			missing = append(missing, fmt.Sprintf("%s/%s %d/%d", namespace, d.GetName(), available, want))
		}
	}
	return missing, nil
}

// AwaitCondition waits until a condition of an object is true.
func (c *Client) AwaitCondition(ctx context.Context, gvr schema.GroupVersionResource, namespace, name, condition string, limit time.Duration) error {
	err := Until(ctx, limit, func(ctx context.Context) (string, error) {
		return c.MissingCondition(ctx, gvr, namespace, name, condition)
	})
	if err != nil {
		return fmt.Errorf("waiting for %s of %s %s: %w", condition, gvr.Resource, name, err)
	}
	return nil
}

// MissingCondition returns why a condition of an object is not true, or nothing if it is.
func (c *Client) MissingCondition(ctx context.Context, gvr schema.GroupVersionResource, namespace, name, condition string) (string, error) {
	o, err := c.dynamic.Resource(gvr).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return missingCondition(o, condition), nil
}
