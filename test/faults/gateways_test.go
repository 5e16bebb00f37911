// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/test/kit"
)

// entrances are the ways of a Gateway, alone and under a function.
var entrances = []scenario{
	{
		name:  "a Gateway on a Kubernetes Gateway of somebody else",
		steps: []step{apply(theirs("theirs") + "---\n" + gateway("example.com", ref("theirs")))},
	},
	{
		name:  "a Gateway that has its own made",
		steps: []step{apply(gateway("example.com", made))},
	},
	{
		name:    "change the domain and the listeners of a Gateway",
		steps:   []step{apply(theirs("theirs") + "---\n" + gateway("example.com", ref("theirs"), second)), apply(gateway("example.org", ref("theirs")))},
		scratch: []string{theirs("theirs") + "---\n" + gateway("example.org", ref("theirs"))},
	},
	{
		name: "move a Gateway to another Kubernetes Gateway",
		steps: []step{
			apply(theirs("theirs") + "---\n" + theirs("others") + "---\n" + gateway("example.com", ref("theirs"))),
			{do: applying(gateway("example.com", ref("others"))), until: leftTo("others")},
		},
	},
	{
		name:    "make the Kubernetes Gateway that a Gateway waits for",
		steps:   []step{apply(gateway("example.com", ref("theirs"))), {do: applying(theirs("theirs")), until: ready("Gateway", "hello")}},
		scratch: []string{gateway("example.com", ref("theirs")), theirs("theirs")},
	},
	{
		name: "find the listener of a Gateway taken",
		steps: []step{
			apply(strings.ReplaceAll(theirs("theirs"), "name: web", "name: outside") + "---\n" + gateway("example.com", ref("theirs"))),
			{do: applying(theirs("theirs")), until: ready("Gateway", "hello")},
		},
	},
	{
		name: "delete a Gateway",
		steps: []step{
			apply(theirs("theirs") + "---\n" + gateway("example.com", ref("theirs"))),
			{do: deletingGateway, until: gone("Gateway", "hello")},
		},
	},
	{
		name:  "create a function behind a Gateway",
		steps: []step{apply(gateway("example.com", made) + "---\n" + function(image("v1"), routed("hello.example.com")))},
	},
	{
		name: "change the host names of a function behind a Gateway",
		steps: []step{
			apply(gateway("example.com", made) + "---\n" + function(image("v1"), routed("hello.example.com"))),
			apply(function(image("v1"), routed("other.example.com", "third.example.com"))),
		},
		scratch: []string{gateway("example.com", made) + "---\n" + function(image("v1"), routed("other.example.com", "third.example.com"))},
	},
	{
		name: "take a Gateway away from a function",
		steps: []step{
			apply(gateway("example.com", made) + "---\n" + function(image("v1"), routed("hello.example.com"))),
			{do: deletingGateway, until: gone("Gateway", "hello")},
		},
		scratch: []string{function(image("v1"), routed("hello.example.com"))},
	},
	{
		name: "delete a function behind a Gateway",
		steps: []step{
			apply(gateway("example.com", made) + "---\n" + function(image("v1"), routed("hello.example.com"))),
			{do: deleting("Function", "hello"), until: ungranted},
		},
		scratch: []string{gateway("example.com", made)},
	},
}

// theirs is a Kubernetes Gateway of somebody else.
func theirs(name string) string {
	return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ` + name + `}
spec:
  gatewayClassName: kit
  listeners:
  - {name: web, port: 8000, protocol: HTTP}
`
}

// gateway is a Gateway named hello with one listener; the first part says which Kubernetes Gateway carries it.
func gateway(domain string, parts ...string) string {
	return `apiVersion: networking.openfunction.io/v1alpha1
kind: Gateway
metadata: {name: hello}
spec:
  domain: ` + domain + "\n" + parts[0] + `  gatewaySpec:
    listeners:
    - {name: outside, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}
` + strings.Join(parts[1:], "")
}

// second is a listener more.
const second = "    - {name: tls, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: certificate}]}, allowedRoutes: {namespaces: {from: All}}}\n"

func ref(name string) string { return "  gatewayRef: {name: " + name + ", namespace: $NAMESPACE}\n" }

// made has the Kubernetes Gateway made.
const made = "  gatewayDef: {namespace: $NAMESPACE, gatewayClassName: kit}\n"

// routed serves requests for these hosts through the Gateway.
func routed(hosts ...string) string {
	return "  serving:\n    triggers: {http: {port: 8080, route: {hostnames: [" + strings.Join(hosts, ", ") + "], gatewayRef: {name: hello, namespace: $NAMESPACE}}}}\n" +
		"    template: {containers: [{name: function}]}\n"
}

func deletingGateway(r *run) error {
	return client.IgnoreNotFound(r.world.Delete(r, networkingv1alpha1.GroupVersion.WithKind("Gateway"), "hello"))
}

// one is the object of ours of this kind and name, or nil.
func one(r *run, kind, name string) *unstructured.Unstructured {
	objects := r.world.Objects(kind)
	if i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return isOurs(o) && o.GetName() == name }); i >= 0 {
		return objects[i]
	}
	return nil
}

// ready waits for a settled world in which an object of ours is Ready.
func ready(kind, name string) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach(kind+" "+name+" to be ready", func() error {
			if o := one(r, kind, name); o == nil || kit.Status(o, "Ready") != "True" {
				return errors.New("it is not")
			}
			return r.world.Unsettled()
		})
	}
}

// gone waits for a settled world without an object of ours.
func gone(kind, name string) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach(kind+" "+name+" to go", func() error {
			if one(r, kind, name) != nil {
				return errors.New("it is there")
			}
			return r.world.Unsettled()
		})
	}
}

// leftTo waits until only the Kubernetes Gateway of this name has listeners of ours.
func leftTo(name string) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach("the listeners on "+name, func() error {
			for _, o := range r.world.Objects("Gateway") {
				if _, adopted := o.GetAnnotations()[networkingv1alpha1.InjectedListenersAnnotation]; !isOurs(o) && adopted != (o.GetName() == name) {
					return errors.New("they are not where they should be")
				}
			}
			return r.world.Unsettled()
		})
	}
}

// ungranted waits until the world has no Function, and no grant that one needed.
func ungranted(r *run, was kit.Snapshot) error {
	if err := gone("Function", "hello")(r, was); err != nil {
		return err
	}
	return r.reach("the grant to go", func() error {
		for name := range r.world.Snapshot() {
			if strings.HasPrefix(name, platform) {
				return errors.New("there is still " + name)
			}
		}
		return nil
	})
}
