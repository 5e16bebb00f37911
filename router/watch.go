// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// watch keeps the table as the cluster's Services say, until ctx ends. While the API server is away, what is known stays.
func (r *Router) watch(ctx context.Context, kubeconfig *rest.Config) error {
	client, err := metadata.NewForConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	services := metadatainformer.NewFilteredMetadataInformer(client, corev1.SchemeGroupVersion.WithResource("services"), metav1.NamespaceAll, 0, nil,
		func(options *metav1.ListOptions) { options.LabelSelector = route.Label + "=true" }).Informer()
	if err := services.SetTransform(slim); err != nil {
		return fmt.Errorf("setting up the watch: %w", err)
	}
	handlers, err := services.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    r.take,
		UpdateFunc: func(_, object any) { r.take(object) },
		DeleteFunc: r.drop,
	})
	if err != nil {
		return fmt.Errorf("setting up the watch: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		services.RunWithContext(ctx)
	}()
	if cache.WaitForCacheSync(ctx.Done(), handlers.HasSynced) {
		known, _ := r.table.sizes()
		r.log.Info("Synced", "functions", known)
		r.synced.Store(true)
	}
	<-done
	return nil
}

// slim leaves of a Service what the table wants, and what the watch needs.
func slim(object any) (any, error) {
	service, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	kept := metav1.ObjectMeta{Name: service.Name, Namespace: service.Namespace, UID: service.UID, ResourceVersion: service.ResourceVersion}
	if text, ok := service.Annotations[route.Annotation]; ok {
		kept.Annotations = map[string]string{route.Annotation: text}
	}
	service.ObjectMeta = kept
	return service, nil
}

// take reads the route of a Service. One that may not be used leads nowhere: the function takes no requests until it is put right.
func (r *Router) take(object any) {
	service, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	k := key{namespace: service.Namespace, name: service.Name}
	to, err := r.read(service)
	if err != nil {
		r.metrics.badRoutes.Inc()
		r.log.Error(err, "Refused a route", "service", k.String())
		to = route.Route{}
	}
	if r.table.set(k, to) {
		r.log.V(1).Info("Took a route", "service", k.String(), "route", to.String())
	}
}

func (r *Router) read(service *metav1.PartialObjectMetadata) (route.Route, error) {
	text, ok := service.Annotations[route.Annotation]
	if !ok {
		return route.Route{}, errors.New("the Service has no annotation " + route.Annotation)
	}
	to, err := route.Parse(text)
	if err != nil {
		return route.Route{}, err
	}
	return to, to.Check(service.Namespace, r.config.ClusterDomain, r.config.Interceptor)
}

// drop forgets a Service.
func (r *Router) drop(object any) {
	if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	if service, ok := object.(*metav1.PartialObjectMetadata); ok {
		r.table.remove(key{namespace: service.Namespace, name: service.Name})
		r.log.V(1).Info("Forgot a route", "service", service.Namespace+"/"+service.Name)
	}
}
