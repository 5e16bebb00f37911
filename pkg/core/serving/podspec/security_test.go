// SPDX-License-Identifier: Apache-2.0

package podspec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/openfunction/openfunction/pkg/core/podsecurity"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/test/golden"
)

func TestPodSecurity(t *testing.T) {
	for _, test := range []struct {
		name, because, template string
		// breaks is a part of what is wrong with the pod where "restricted" is enforced; nothing is when it is empty.
		breaks string
	}{
		{"Nothing", "what the template does not say is filled in", `{containers: []}`, ""},
		{"Sidecar", "of every container", `{containers: [{name: log, image: log}], initContainers: [{name: init, image: init}]}`, ""},
		{"OfThePod", "what the pod says holds for its containers",
			`{containers: [], securityContext: {runAsNonRoot: true, runAsUser: 7, seccompProfile: {type: Localhost, localhostProfile: a}}}`, ""},
		{"OneCapability", "the one that restricted allows", `{containers: [{name: function, securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}]}`, ""},
		{"RunsAsRoot", "the user has said so", `{containers: [], securityContext: {runAsUser: 0}}`, "runAsUser=0"},
		{"MayRunAsRoot", "the user has said so", `{containers: [{name: function, securityContext: {runAsNonRoot: false}}]}`, "runAsNonRoot != true"},
		{"Privileged", "the user has said so", `{containers: [{name: function, securityContext: {privileged: true}}]}`, "privileged"},
		{"SysAdmin", "Kubernetes refuses it together with allowPrivilegeEscalation: false",
			`{containers: [{name: function, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}`, "unrestricted capabilities"},
		{"HostPath", "no default mends that", `{containers: [], volumes: [{name: a, hostPath: {path: /}}]}`, "hostPath"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := inputOf(t, `{image: a, triggers: {http: {}}, template: `+test.template+`}`)
			in.PodSecurity = podsecurity.Restricted
			pod, err := podspec.Function(in)
			if err != nil {
				t.Fatal(err)
			}
			got := podsecurity.Violations(podsecurity.Restricted, &corev1.PodTemplateSpec{Spec: pod})
			if (test.breaks == "" && got != "") || !strings.Contains(got, test.breaks) {
				t.Errorf("%s: wanted %q to be wrong, got %q", test.because, test.breaks, got)
			}
		})
	}
}

func TestImagesThatRunAsRoot(t *testing.T) {
	in := inputOf(t, `{image: a, triggers: {http: {}}}`)
	pod, err := podspec.Function(in)
	if err != nil {
		t.Fatal(err)
	}
	want := &corev1.SecurityContext{}
	golden.Decode(t, []byte(`{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}`), want)
	if diff := cmp.Diff(want, pod.Containers[0].SecurityContext); diff != "" {
		t.Errorf("an image that runs as root starts where nothing forbids it: %s", diff)
	}
}
