package manifests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	manager = "openfunction-cluster"
	// records is the ConfigMap that remembers, by part, what was applied last.
	records          = "openfunction-cluster"
	recordsNamespace = "kube-system"
	// patience is how long an object may be refused because something it needs is still starting.
	patience = 3 * time.Minute
)

var (
	configMaps   = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	nodes        = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	pods         = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	leases       = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	deployments  = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	statefulSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	crds         = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// Client talks to the cluster.
type Client struct {
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// Connect makes a client from a kubeconfig. It does not talk to the server yet.
func Connect(kubeconfig string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = 200, 400
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &Client{dynamic: dyn, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco))}, nil
}

// ApplyPart applies the objects of a part, unless exactly these were applied before. Applying again what controllers have
// since completed (aggregated roles, webhook certificates) would make them do it again for nothing.
func (c *Client) ApplyPart(ctx context.Context, part string, objects []Object) (applied bool, err error) {
	Sort(objects)
	content, err := json.Marshal(objects)
	if err != nil {
		return false, fmt.Errorf("applying %s: %w", part, err)
	}
	sum := sha256.Sum256(content)
	print := hex.EncodeToString(sum[:12])
	if known, err := c.recorded(ctx, part); err != nil {
		return false, err
	} else if known == print {
		return false, nil
	}
	if err := c.Apply(ctx, objects); err != nil {
		return false, err
	}
	return true, c.record(ctx, part, print)
}

func (c *Client) recorded(ctx context.Context, part string) (string, error) {
	o, err := c.dynamic.Resource(configMaps).Namespace(recordsNamespace).Get(ctx, records, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading what was applied: %w", err)
	}
	print, _, _ := unstructured.NestedString(o.Object, "data", part)
	return print, nil
}

// record is applied by a manager of its own per part, so that parts keep each other's keys.
func (c *Client) record(ctx context.Context, part, print string) error {
	o := &Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": records, "namespace": recordsNamespace},
		"data":     map[string]any{part: print},
	}}
	_, err := c.dynamic.Resource(configMaps).Namespace(recordsNamespace).
		Apply(ctx, records, o, metav1.ApplyOptions{FieldManager: manager + "-" + part, Force: true})
	if err != nil {
		return fmt.Errorf("recording what was applied: %w", err)
	}
	return nil
}

// Apply applies objects in the order of their kinds. Custom resource definitions are waited for before anything else.
func (c *Client) Apply(ctx context.Context, objects []Object) error {
	objects = append([]Object(nil), objects...)
	Sort(objects)
	var definitions []string
	waited := false
	for _, o := range objects {
		if o.GetKind() == "CustomResourceDefinition" {
			definitions = append(definitions, o.GetName())
		} else if rank(o) > ranks["CustomResourceDefinition"] && !waited {
			if err := c.awaitDefinitions(ctx, definitions); err != nil {
				return err
			}
			waited = true
		}
		if err := c.applyPatiently(ctx, o); err != nil {
			return err
		}
	}
	if !waited {
		return c.awaitDefinitions(ctx, definitions)
	}
	return nil
}

// applyPatiently tries again while the reason for a refusal may pass.
func (c *Client) applyPatiently(ctx context.Context, o Object) error {
	deadline := time.Now().Add(patience)
	for {
		err := c.applyOne(ctx, o)
		if err == nil {
			return nil
		}
		if !passing(err) || time.Now().After(deadline) {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("applying %s %s: %w (last: %w)", o.GetKind(), o.GetName(), ctx.Err(), err)
		case <-time.After(time.Second):
		}
	}
}

func (c *Client) applyOne(ctx context.Context, o Object) error {
	resource, err := c.resource(o)
	if err != nil {
		return err
	}
	content, err := json.Marshal(o.Object)
	if err != nil {
		return err
	}
	force := true
	_, err = resource.Patch(ctx, o.GetName(), types.ApplyPatchType, content, metav1.PatchOptions{FieldManager: manager, Force: &force})
	return err
}

func (c *Client) resource(o Object) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset() // The definition may be newer than what was discovered.
		mapping, err = c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return c.dynamic.Resource(mapping.Resource), nil
	}
	namespace := o.GetNamespace()
	if namespace == "" {
		namespace = "default"
	}
	return c.dynamic.Resource(mapping.Resource).Namespace(namespace), nil
}

// passing tells whether an error may go away by itself: a webhook that is not up yet, a kind that is not served yet.
func passing(err error) bool {
	return apierrors.IsInternalError(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsConflict(err) ||
		apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || !isStatus(err)
}

func isStatus(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}

// Installed tells whether a part was applied.
func (c *Client) Installed(ctx context.Context, part string) (bool, error) {
	print, err := c.recorded(ctx, part)
	return print != "", err
}

// Reachable tells whether the API server of a kubeconfig answers.
func Reachable(ctx context.Context, kubeconfig string) bool {
	client, err := Connect(kubeconfig)
	if err != nil {
		return false
	}
	namespaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	_, err = client.dynamic.Resource(namespaces).Get(ctx, "default", metav1.GetOptions{})
	return err == nil
}
