// SPDX-License-Identifier: Apache-2.0

package enqueue

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Matching returns a request for every object of a list that is wanted. A list that cannot be had is logged: the handler of a watch has nobody
// to tell.
func Matching[T client.Object](ctx context.Context, from client.Reader, list client.ObjectList, wanted func(T) bool, in ...client.ListOption) []reconcile.Request {
	all := list.DeepCopyObject().(client.ObjectList)
	if err := from.List(ctx, all, in...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing what a change concerns", "list", fmt.Sprintf("%T", list))
		return nil
	}
	var requests []reconcile.Request
	_ = meta.EachListItem(all, func(item runtime.Object) error { // the function returns no error
		if object := item.(T); wanted(object) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
		}
		return nil
	})
	return requests
}

// Every returns a request for every object of a list.
func Every(ctx context.Context, from client.Reader, list client.ObjectList, in ...client.ListOption) []reconcile.Request {
	return Matching(ctx, from, list, func(client.Object) bool { return true }, in...)
}
