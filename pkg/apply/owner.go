// SPDX-License-Identifier: Apache-2.0

package apply

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// NameTaken is the reason of the problem that a child's name is used by an object of somebody else.
const NameTaken = "NameTaken"

// Owns tells whether owner is the controller of object, by UID.
func Owns(owner, object client.Object) bool {
	return metav1.IsControlledBy(object, owner)
}

// Owned returns the objects of a list that owner controls.
func Owned[T any, P interface {
	*T
	client.Object
}](owner client.Object, objects []T) []P {
	var owned []P
	for i := range objects {
		if object := P(&objects[i]); Owns(owner, object) {
			owned = append(owned, object)
		}
	}
	return owned
}
