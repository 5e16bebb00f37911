package manifests

import (
	"context"
	"fmt"
	"slices"
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

// Unavailable lists the Deployments and StatefulSets of a namespace that do not have all their pods available; it also says which of
// those that are named are not there, or that there are none at all when none are named. Others than those named do not count then.
func (c *Client) Unavailable(ctx context.Context, namespace string, names ...string) ([]string, error) {
	var missing []string
	seen := map[string]bool{}
	for _, resource := range []schema.GroupVersionResource{deployments, statefulSets} {
		list, err := c.dynamic.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing %s of %s: %w", resource.Resource, namespace, err)
		}
		for _, w := range list.Items {
			if len(names) > 0 && !slices.Contains(names, w.GetName()) {
				continue
			}
			seen[w.GetName()] = true
			if available, want, all := availability(&w); !all {
				missing = append(missing, fmt.Sprintf("%s/%s %d/%d", namespace, w.GetName(), available, want))
			}
		}
	}
	for _, name := range names {
		if !seen[name] {
			missing = append(missing, fmt.Sprintf("%s/%s is not there", namespace, name))
		}
	}
	if len(seen) == 0 && len(names) == 0 {
		missing = []string{"namespace " + namespace + " has no Deployments"}
	}
	return missing, nil
}

// availability tells how many pods of a workload are available, how many should be, and whether all are, of its latest version.
func availability(o *Object) (available, want int64, all bool) {
	want, found, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if !found {
		want = 1
	}
	available, _, _ = unstructured.NestedInt64(o.Object, "status", "availableReplicas")
	updated, _, _ := unstructured.NestedInt64(o.Object, "status", "updatedReplicas")
	total, _, _ := unstructured.NestedInt64(o.Object, "status", "replicas")
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	return available, want, observed >= o.GetGeneration() && available >= want && updated >= want && total <= updated
}

// WithoutAuthority says which webhooks of a configuration do not know yet by which authority to know their server.
func (c *Client) WithoutAuthority(ctx context.Context, gvr schema.GroupVersionResource, name string) (string, error) {
	o, err := c.dynamic.Resource(gvr).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return withoutAuthority(o), nil
}

func withoutAuthority(o *Object) string {
	webhooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
	for _, w := range webhooks {
		w, _ := w.(map[string]any)
		if bundle, _, _ := unstructured.NestedString(w, "clientConfig", "caBundle"); bundle == "" {
			return fmt.Sprintf("webhook %v of %s has no authority yet", w["name"], o.GetName())
		}
	}
	return ""
}

// MissingCondition returns why a condition of an object is not true, or nothing if it is.
func (c *Client) MissingCondition(ctx context.Context, gvr schema.GroupVersionResource, namespace, name, condition string) (string, error) {
	o, err := c.dynamic.Resource(gvr).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return missingCondition(o, condition), nil
}

// NodeNotReady returns why a node is not ready, or nothing if it is. What its kubelet said before a time does not count.
func (c *Client) NodeNotReady(ctx context.Context, name string, since time.Time) (string, error) {
	o, err := c.dynamic.Resource(nodes).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, condition := range conditions {
		if condition, ok := condition.(map[string]any); ok && condition["type"] == "Ready" {
			if beat, _ := condition["lastHeartbeatTime"].(string); before(beat, since) {
				return "the kubelet has not reported yet", nil
			}
		}
	}
	return missingCondition(o, "Ready"), nil
}

// PodsFromBefore lists the pods of a namespace that are said to run since before a time.
func (c *Client) PodsFromBefore(ctx context.Context, namespace string, since time.Time) ([]string, error) {
	list, err := c.dynamic.Resource(pods).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing pods of %s: %w", namespace, err)
	}
	var stale []string
	for _, pod := range list.Items {
		statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
		for _, status := range statuses {
			status, _ := status.(map[string]any)
			if started, found, _ := unstructured.NestedString(status, "state", "running", "startedAt"); found && before(started, since) {
				stale = append(stale, namespace+"/"+pod.GetName())
				break
			}
		}
	}
	return stale, nil
}

// before tells whether a time of the API, which has whole seconds, is before another.
func before(text string, since time.Time) bool {
	t, err := time.Parse(time.RFC3339, text)
	return err == nil && t.Before(since.Truncate(time.Second))
}

// DeleteLeases removes the leases of a namespace, whose holders must be known to be gone.
func (c *Client) DeleteLeases(ctx context.Context, namespace string) error {
	err := c.dynamic.Resource(leases).Namespace(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("removing leases of %s: %w", namespace, err)
	}
	return nil
}
