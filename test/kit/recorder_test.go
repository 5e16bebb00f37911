// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// copier is a toy controller: the ConfigMap "owner" gets a child and a mark. The careless one names its child by chance.
type copier struct {
	client.Client
	careless bool
}

func (c copier) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	o := &corev1.ConfigMap{}
	if err := c.Get(ctx, req.NamespacedName, o); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if o.Name != "owner" || o.Annotations["copied"] == "yes" {
		return ctrl.Result{}, nil
	}
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: "child"}, Data: o.Data}
	if c.careless {
		child.Name, child.GenerateName = "", "child-"
	}
	if err := ctrl.SetControllerReference(o, child, c.Scheme()); err != nil {
		return ctrl.Result{}, err
	}
	if err := client.IgnoreAlreadyExists(c.Create(ctx, child)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, c.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"copied":"yes"}}}`)))
}

// after runs the toy with a recorder until the owner is marked, and returns the world and how often it was restarted.
func after(t *testing.T, careless bool, r *Recorder) (Snapshot, int) {
	t.Helper()
	w := world(t)
	running, err := cp.Run(t.Context(), Program{Recorder: r, Namespaces: []string{w.Namespace}, Setup: func(mgr ctrl.Manager) error {
		return ctrl.NewControllerManagedBy(mgr).For(&corev1.ConfigMap{}).Complete(copier{mgr.GetClient(), careless})
	}})
	must(t, err)
	must(t, w.Apply(t.Context(), owner))
	must(t, w.Eventually(t.Context(), "the mark", func() (bool, error) {
		o := &corev1.ConfigMap{}
		err := w.Get(t.Context(), "owner", o)
		return o.Annotations["copied"] == "yes", err
	}))
	must(t, w.Settled(t.Context()))
	must(t, running.Stop())
	return w.Snapshot(), running.Restarts()
}

func TestRecorderSeesEveryWrite(t *testing.T) {
	r := NewRecorder(nil)
	_, restarts := after(t, false, r)
	var got []string
	for _, w := range r.Writes() {
		got = append(got, w.String())
	}
	want := []string{"create configmaps child (201)", "patch configmaps owner (200)"}
	if diff := cmp.Diff(want, got); diff != "" || restarts != 0 {
		t.Errorf("%d restarts, writes:\n%s", restarts, diff)
	}
}

func TestCrashesAtEveryWriteAreSurvived(t *testing.T) {
	baseline := NewRecorder(nil)
	want, _ := after(t, false, baseline)
	faults := baseline.Faults()
	if len(faults) != 4 {
		t.Fatalf("the faults are %v, want 4 of them", faults)
	}
	for _, fault := range faults {
		t.Run(fault.String(), func(t *testing.T) {
			r := NewRecorder(&fault)
			got, restarts := after(t, false, r)
			if diff := want.Diff(got); diff != "" || restarts != 1 || !r.Fired() || r.CreatedTwice() != nil {
				t.Errorf("%d restarts, fired %t, created twice %v, difference:\n%s", restarts, r.Fired(), r.CreatedTwice(), diff)
			}
		})
	}
}

func TestCrashShowsACarelessController(t *testing.T) {
	r := NewRecorder(&Fault{Write: "create configmaps", Nth: 1, After: true})
	if got, restarts := after(t, true, r); len(got) != 3 || restarts != 1 {
		t.Errorf("after %d restarts the world is\n%s\nwant an owner and two children", restarts, got)
	}
}

func TestFaultsAreReadAsTheyAreWritten(t *testing.T) {
	for _, want := range []Fault{{"patch servings/status hello", 2, true}, {"create taskruns hello-0a1b", 1, false}} {
		if got, err := ParseFault(want.String()); err != nil || got != want {
			t.Errorf("%q is read as %+v, %v", want, got, err)
		}
	}
	for _, text := range []string{"", "after", "after patch x", "during patch x #1", "after patch x #0"} {
		if f, err := ParseFault(text); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
}

func TestCallsAreReadFromRequests(t *testing.T) {
	for _, c := range []struct{ method, path, body, want, namespace, group string }{
		{"GET", "/apis", "", "get", "", ""},
		{"GET", "/openapi/v3", "", "get", "", ""},
		{"GET", "/api/v1/namespaces/a/pods/p", "", "get pods p", "a", ""},
		{"GET", "/api/v1/namespaces/a/pods", "", "list pods", "a", ""},
		{"GET", "/apis/apps/v1/deployments?watch=true", "", "watch deployments", "", "apps"},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}", "create selfsubjectaccessreviews", "", "authorization.k8s.io"},
		{"POST", "/api/v1/namespaces", `{"metadata":{"name":"n"}}`, "create namespaces n", "", ""},
		{"PUT", "/api/v1/namespaces/n", "{}", "update namespaces n", "", ""},
		{"POST", "/api/v1/namespaces/a/configmaps", `{"metadata":{"name":"c"}}`, "create configmaps c", "a", ""},
		{"PATCH", "/apis/core.openfunction.io/v1beta2/namespaces/a/servings/s/status", "{}", "patch servings/status s", "a", "core.openfunction.io"},
		{"DELETE", "/apis/core.openfunction.io/v1beta2/namespaces/a/builders/b", `{"preconditions":{"uid":"u"}}`, "delete builders b", "a", "core.openfunction.io"},
		{"DELETE", "/apis/apps/v1/namespaces/a/deployments", "", "delete deployments", "a", "apps"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			req, err := http.NewRequest(c.method, "https://127.0.0.1"+c.path, strings.NewReader(c.body))
			must(t, err)
			got, err := callOf(req)
			must(t, err)
			if strings.TrimSpace(got.What()) != c.want || got.Namespace != c.namespace || got.Group != c.group || got.Mutates() != (c.method != "GET") ||
				(got.UID == "u") != strings.Contains(c.body, "uid") {
				t.Errorf("read as %q of %q in %q, changes something: %t", got.What(), got.Group, got.Namespace, got.Mutates())
			}
			if body, _ := io.ReadAll(req.Body); string(body) != c.body {
				t.Errorf("the body became %q", body)
			}
		})
	}
}

// deaf answers the first write in the place of the API server.
type deaf struct{ writes atomic.Int32 }

func (d *deaf) Handle(c Call, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if c.Mutates() && d.writes.Add(1) == 1 {
		return nil, errors.New("nobody listens")
	}
	return send(req)
}

func TestAnInterferenceComesBetween(t *testing.T) {
	r := NewRecorder(nil)
	interferes := &deaf{}
	w := world(t)
	running, err := cp.Run(t.Context(), Program{Recorder: r, Interference: interferes, Namespaces: []string{w.Namespace}, Setup: func(mgr ctrl.Manager) error {
		return ctrl.NewControllerManagedBy(mgr).For(&corev1.ConfigMap{}).Complete(copier{mgr.GetClient(), false})
	}})
	must(t, err)
	must(t, w.Apply(t.Context(), owner))
	must(t, w.Eventually(t.Context(), "the writes", func() (bool, error) { return len(r.Writes()) == 3, nil }))
	must(t, running.Stop())
	if got := fmt.Sprint(r.Writes()); got != "[create configmaps child (0) create configmaps child (201) patch configmaps owner (200)]" {
		t.Error(got)
	}
}
