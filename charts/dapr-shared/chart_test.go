// SPDX-License-Identifier: Apache-2.0

// Package chart_test renders the chart with the real helm and looks at what comes out.
package chart_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/openfunction/openfunction/pkg/daprd"
)

// document is the table of the dapr-shared document, "Customize Dapr Shared": key, type and default, and the three values its text
// asks for. It is written down here once more so that values.yaml cannot drift from it.
const document = `
shared.controlPlane.namespace string "dapr-system"
shared.daprd.apiLogging.enabled bool true
shared.daprd.app.protocol string "http"
shared.daprd.grpcPort int 50001
shared.daprd.httpPort int 3500
shared.daprd.image.name string "daprd"
shared.daprd.image.pullPolicy string "Always"
shared.daprd.image.registry string "docker.io/daprio"
shared.daprd.image.tag string "1.11.0"
shared.daprd.internalGrpcPort int 50002
shared.daprd.listenAddresses string "0.0.0.0"
shared.daprd.metrics.enabled bool true
shared.daprd.metrics.port int 9090
shared.daprd.mtls.enabled bool false
shared.daprd.publicPort int 3501
shared.daprd.token string ""
shared.daprd.config string ""
shared.daprd.appHealth.enabled bool false
shared.daprd.appHealth.checkPath string "/healthz"
shared.daprd.appHealth.probeInterval int 5
shared.daprd.appHealth.probeTimeout int 500
shared.daprd.appHealth.threshold int 3
shared.deployment.replicas int 1
shared.initContainer.image.name string "dapr-shared"
shared.initContainer.image.pullPolicy string "Always"
shared.initContainer.image.registry string "docker.io/matheuscruzdev"
shared.initContainer.image.tag string "latest"
shared.initContainer.token string ""
shared.log.json bool true
shared.log.level string "info"
shared.remotePort int 0
shared.service.type string "ClusterIP"
shared.serviceAccount.annotations object {}
shared.serviceAccount.create bool true
shared.serviceAccount.name string ""
shared.strategy string "daemonset"
shared.appId string ""
shared.remoteURL string ""
`

// helm builds the pinned helm when nobody has, and returns its path.
var helm = sync.OnceValues(func() (string, error) {
	command := exec.Command("go", "run", "-C", "../../hack/cluster", ".", "build", "helm")
	command.Stderr = os.Stderr
	folder, err := command.Output()
	return filepath.Join(strings.TrimSpace(string(folder)), "helm"), err
})

// template calls helm template with the three values every release needs and those given, as in --set.
func template(t *testing.T, more ...string) (string, error) {
	t.Helper()
	program, err := helm()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"template", "my", ".", "--namespace=shop", "--kube-version=1.36.0"}
	for _, set := range append([]string{"shared.appId=orders", "shared.remoteURL=orders.shop.svc", "shared.remotePort=8080"}, more...) {
		args = append(args, "--set", set)
	}
	command := exec.CommandContext(t.Context(), program, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stderr.String(), err
	}
	return stdout.String(), nil
}

// release is what helm would apply.
type release struct {
	text           string
	kinds          []string
	workload       string // kind
	meta           metav1.ObjectMeta
	deployment     appsv1.DeploymentSpec
	daemonset      appsv1.DaemonSetSpec
	pod            corev1.PodTemplateSpec
	service        corev1.Service
	role           rbacv1.Role
	binding        rbacv1.RoleBinding
	secret         corev1.Secret
	serviceAccount corev1.ServiceAccount
	test           corev1.Pod
}

func render(t *testing.T, sets ...string) release {
	t.Helper()
	text, err := template(t, sets...)
	if err != nil {
		t.Fatalf("%q: %v: %s", sets, err, text)
	}
	r := release{text: text}
	for part := range strings.SplitSeq(text, "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(part), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, part)
		}
		var deployment appsv1.Deployment
		var daemonset appsv1.DaemonSet
		into, known := map[string]any{"Deployment": &deployment, "DaemonSet": &daemonset, "Service": &r.service, "Role": &r.role, "RoleBinding": &r.binding,
			"Secret": &r.secret, "ServiceAccount": &r.serviceAccount, "Pod": &r.test}[kind.Kind]
		if !known {
			t.Fatalf("a %s in\n%s", kind.Kind, part)
		}
		if err := yaml.UnmarshalStrict([]byte(part), into); err != nil {
			t.Fatalf("%s: %v in\n%s", kind.Kind, err, part)
		}
		r.kinds = append(r.kinds, kind.Kind)
		switch kind.Kind {
		case "Deployment":
			r.workload, r.meta, r.deployment, r.pod = kind.Kind, deployment.ObjectMeta, deployment.Spec, deployment.Spec.Template
		case "DaemonSet":
			r.workload, r.meta, r.daemonset, r.pod = kind.Kind, daemonset.ObjectMeta, daemonset.Spec, daemonset.Spec.Template
		}
	}
	slices.Sort(r.kinds)
	return r
}

func (r release) daprd() corev1.Container { return r.pod.Spec.Containers[0] }

// argument returns the value of a flag of daprd.
func (r release) argument(name string) string {
	args := r.daprd().Args
	for i, arg := range args {
		if value, found := strings.CutPrefix(arg, name+"="); found {
			return value
		}
		if arg == name && i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			return args[i+1]
		}
		if arg == name {
			return "set"
		}
	}
	return ""
}

// values reads values.yaml or values.schema.json.
func values(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// leaves returns every value by its key; an empty object or list is a value.
func leaves(prefix string, v any) map[string]any {
	object, is := v.(map[string]any)
	if !is || len(object) == 0 {
		return map[string]any{prefix: v}
	}
	all := map[string]any{}
	for key, inner := range object {
		maps.Copy(all, leaves(strings.TrimPrefix(prefix+"."+key, "."), inner))
	}
	return all
}

// schemaOf returns the part of the schema that concerns a key.
func schemaOf(t *testing.T, schema map[string]any, key string) map[string]any {
	t.Helper()
	at := schema
	for part := range strings.SplitSeq(key, ".") {
		properties, _ := at["properties"].(map[string]any)
		next, found := properties[part].(map[string]any)
		if !found {
			t.Errorf("values.schema.json does not know %s", key)
			return map[string]any{}
		}
		at = next
	}
	return at
}

func TestValuesAreThoseOfTheDocument(t *testing.T) {
	got, schema := leaves("", values(t, "values.yaml")), values(t, "values.schema.json")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(document), "\n") {
		words := strings.SplitN(line, " ", 3)
		key, kind := words[0], words[1]
		var want any
		if err := json.Unmarshal([]byte(words[2]), &want); err != nil {
			t.Fatal(err)
		}
		value, found := got[key]
		if !found || !reflect.DeepEqual(value, want) {
			t.Errorf("%s is %#v, want %#v", key, value, want)
		}
		if row := "| `" + key + "` | " + kind + " | `" + words[2] + "` |"; !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
	for key, value := range got {
		if described := schemaOf(t, schema, key); !reflect.DeepEqual(described["default"], value) || described["description"] == nil {
			t.Errorf("the schema says %s has the default %#v and the description %q; values.yaml says %#v", key, described["default"], described["description"], value)
		}
		if !strings.Contains(string(readme), "| `"+key+"` | ") {
			t.Errorf("README.md does not have %s", key)
		}
	}
}

// TestDaprdIsTheMakers asks that the chart and pkg/daprd give daprd the same, but for how it gets its trust anchors.
func TestDaprdIsTheMakers(t *testing.T) {
	logging, quiet := true, false
	for name, tt := range map[string]struct {
		sets []string
		want daprd.Options
	}{
		"Defaults": {
			[]string{"shared.daprd.image.tag=1.18.2"},
			daprd.Options{Image: "docker.io/daprio/daprd:1.18.2", LogAsJSON: true, APILogging: &logging},
		},
		"Everything": {
			[]string{"shared.daprd.image.tag=1.18.2", "shared.daprd.image.registry=registry.local:5000/dapr", "shared.daprd.image.pullPolicy=IfNotPresent",
				"shared.controlPlane.namespace=dapr", "shared.controlPlane.trustDomain=example.org", "shared.controlPlane.clusterDomain=c.example",
				"shared.daprd.app.protocol=grpc", "shared.daprd.httpPort=80", "shared.daprd.publicPort=81", "shared.daprd.grpcPort=82",
				"shared.daprd.internalGrpcPort=83", "shared.daprd.metrics.enabled=false", "shared.daprd.metrics.port=84", "shared.daprd.listenAddresses=[::]",
				"shared.daprd.config=tracing", "shared.daprd.token=geheim", "shared.daprd.apiLogging.enabled=false", "shared.daprd.mtls.enabled=true",
				"shared.daprd.appHealth.enabled=true", "shared.daprd.appHealth.checkPath=/alive", "shared.daprd.appHealth.probeInterval=6",
				"shared.daprd.appHealth.probeTimeout=7", "shared.daprd.appHealth.threshold=8", "shared.log.json=false", "shared.log.level=debug",
				"shared.resources.limits.memory=64Mi"},
			daprd.Options{Image: "registry.local:5000/dapr/daprd:1.18.2", ImagePullPolicy: corev1.PullIfNotPresent, ControlPlaneNamespace: "dapr", TrustDomain: "example.org",
				ClusterDomain: "c.example", AppProtocol: "grpc", HTTPPort: 80, PublicPort: 81, GRPCPort: 82, InternalGRPCPort: 83, WithoutMetrics: true,
				MetricsPort: 84, ListenAddresses: "[::]", Config: "tracing", APITokenSecret: "my-dapr-shared", APILogging: &quiet, MTLS: true,
				AppHealth: &daprd.AppHealth{Path: "/alive", IntervalSeconds: 6, TimeoutMilliseconds: 7, Threshold: 8}, LogLevel: "debug"},
		},
		"NoActors": {
			[]string{"shared.daprd.image.tag=1.18.2", "shared.controlPlane.actors.enabled=false"},
			daprd.Options{Image: "docker.io/daprio/daprd:1.18.2", LogAsJSON: true, APILogging: &logging, WithoutActors: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := render(t, tt.sets...)
			o := tt.want
			o.AppID, o.Namespace, o.AppAddress, o.AppPort = "orders", "shop", "orders.shop.svc", 8080
			if o.ImagePullPolicy == "" {
				o.ImagePullPolicy = corev1.PullAlways
			}
			if o.ListenAddresses == "" {
				o.ListenAddresses = "0.0.0.0"
			}
			want, volumes := daprd.Container(o)
			got := r.daprd()
			if diff := cmp.Diff(sorted(want.Args[1:]), sorted(got.Args)); diff != "" {
				t.Errorf("arguments (-pkg/daprd +chart):\n%s", diff)
			}
			if wrapped := strings.Join(got.Command, " "); !strings.HasSuffix(wrapped, " -- "+want.Args[0]) {
				t.Errorf("command %q", wrapped)
			}
			if diff := cmp.Diff(comparable(want), comparable(got)); diff != "" {
				t.Errorf("container (-pkg/daprd +chart):\n%s", diff)
			}
			if diff := cmp.Diff(volumes, r.pod.Spec.Volumes[1:]); diff != "" {
				t.Errorf("volumes (-pkg/daprd +chart):\n%s", diff)
			}
			if diff := cmp.Diff(want.VolumeMounts, got.VolumeMounts[1:]); diff != "" {
				t.Errorf("mounts (-pkg/daprd +chart):\n%s", diff)
			}
			for key, value := range daprd.PodAnnotations(o) {
				if r.pod.Annotations[key] != value {
					t.Errorf("annotation %s is %q, want %q", key, r.pod.Annotations[key], value)
				}
			}
			ports := daprd.ServicePorts(o)
			for i := range ports {
				ports[i].Protocol = ""
			}
			if diff := cmp.Diff(ports, r.service.Spec.Ports); diff != "" || r.service.Name != daprd.ServiceName(o.AppID) {
				t.Errorf("service %s (-pkg/daprd +chart):\n%s", r.service.Name, diff)
			}
		})
	}
}

// comparable leaves out what the chart does in its own way, and the defaults that Kubernetes sets.
func comparable(c corev1.Container) corev1.Container {
	c = *c.DeepCopy()
	c.Command, c.Args, c.VolumeMounts, c.Resources = nil, nil, nil, corev1.ResourceRequirements{}
	for i := range c.Ports {
		c.Ports[i].Protocol = ""
	}
	c.ReadinessProbe.SuccessThreshold, c.LivenessProbe.SuccessThreshold = 0, 0
	c.ReadinessProbe.HTTPGet.Scheme = ""
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil && from.FieldRef != nil {
			from.FieldRef.APIVersion = ""
		}
	}
	c.Env = slices.DeleteFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "NAMESPACE" }) // the chart takes it from the pod
	return c
}

func sorted(args []string) []string {
	var flags []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "--") {
			flags = append(flags, arg)
			continue
		}
		flags[len(flags)-1] += " " + arg
	}
	slices.Sort(flags)
	return flags
}

func TestStrategies(t *testing.T) {
	always := []string{"Pod", "Role", "RoleBinding", "Service", "ServiceAccount"}
	r := render(t)
	if want := append([]string{"DaemonSet"}, always...); !slices.Equal(r.kinds, want) || r.workload != "DaemonSet" {
		t.Errorf("made %v, want %v", r.kinds, want)
	}
	if d := r.service.Spec.TrafficDistribution; d == nil || *d != corev1.ServiceTrafficDistributionPreferSameNode || r.service.Spec.InternalTrafficPolicy != nil {
		t.Errorf("a DaemonSet's Service: %+v", r.service.Spec)
	}
	if !maps.Equal(r.daemonset.Selector.MatchLabels, r.service.Spec.Selector) {
		t.Errorf("the Service selects %v, the pods are %v", r.service.Spec.Selector, r.daemonset.Selector.MatchLabels)
	}
	d := render(t, "shared.strategy=deployment", "shared.deployment.replicas=3")
	if want := append([]string{"Deployment"}, always...); !slices.Equal(d.kinds, want) || *d.deployment.Replicas != 3 {
		t.Errorf("made %v with %v replicas, want %v", d.kinds, *d.deployment.Replicas, want)
	}
	if d.service.Spec.TrafficDistribution != nil || d.service.Spec.InternalTrafficPolicy != nil {
		t.Errorf("a Deployment's Service: %+v", d.service.Spec)
	}
	if diff := cmp.Diff(r.pod, d.pod); diff != "" {
		t.Errorf("the pods differ by strategy:\n%s", diff)
	}
}

func TestReleaseOnOlderKubernetes(t *testing.T) {
	program, err := helm()
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1.34.2": "internalTrafficPolicy: Local", "1.35.0": "trafficDistribution: PreferSameNode", "v1.35.1-gke.2": "PreferSameNode"} {
		text, err := exec.CommandContext(t.Context(), program, "template", "my", ".", "--kube-version="+version,
			"--set=shared.appId=a,shared.remoteURL=b,shared.remotePort=1").CombinedOutput()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, no %q in\n%s", version, err, want, text)
		}
	}
}

// TestValuesArrive sets the values that TestDaprdIsTheMakers does not, and looks where they must show.
func TestValuesArrive(t *testing.T) {
	for set, arrived := range map[string]func(r release) bool{
		"shared.initContainer.image.registry=r.local/x": func(r release) bool { return r.pod.Spec.InitContainers[0].Image == "r.local/x/dapr-shared:latest" },
		"shared.initContainer.image.name=mine":          func(r release) bool { return r.test.Spec.Containers[0].Image == "docker.io/matheuscruzdev/mine:latest" },
		"shared.initContainer.image.tag=sha256:" + strings.Repeat("a", 64): func(r release) bool {
			return r.pod.Spec.InitContainers[0].Image == "docker.io/matheuscruzdev/dapr-shared@sha256:"+strings.Repeat("a", 64)
		},
		"shared.initContainer.image.pullPolicy=Never": func(r release) bool { return r.pod.Spec.InitContainers[0].ImagePullPolicy == corev1.PullNever },
		"shared.initContainer.token=geheim": func(r release) bool {
			return string(r.secret.Data["token"]) == "geheim" && strings.Count(r.text, "geheim") == 0 && len(r.pod.Annotations["checksum/token"]) == 64
		},
		"shared.daprd.image.name=mine":             func(r release) bool { return r.daprd().Image == "docker.io/daprio/mine:1.11.0" },
		"shared.service.type=NodePort":             func(r release) bool { return r.service.Spec.Type == corev1.ServiceTypeNodePort },
		"shared.serviceAccount.annotations.role=x": func(r release) bool { return r.serviceAccount.Annotations["role"] == "x" },
		"shared.serviceAccount.name=mine": func(r release) bool {
			return r.pod.Spec.ServiceAccountName == "mine" && r.binding.Subjects[0].Name == "mine" && r.serviceAccount.Name == "mine"
		},
		"shared.serviceAccount.create=false": func(r release) bool {
			return r.pod.Spec.ServiceAccountName == "default" && r.binding.Subjects[0].Name == "default" && r.serviceAccount.Name == ""
		},
		"shared.serviceAccount.create=false,shared.serviceAccount.name=a": func(r release) bool { return r.pod.Spec.ServiceAccountName == "a" && r.serviceAccount.Name == "" },
		"shared.controlPlane.namespace=dapr": func(r release) bool {
			return r.role.Namespace == "dapr" && r.binding.Namespace == "dapr" && slices.Contains(r.pod.Spec.InitContainers[0].Args, "--namespace=dapr") &&
				slices.Contains(r.daprd().Command, "--namespace=dapr")
		},
		"shared.imagePullSecrets[0].name=pull": func(r release) bool {
			return r.pod.Spec.ImagePullSecrets[0].Name == "pull" && r.test.Spec.ImagePullSecrets[0].Name == "pull"
		},
		"shared.podAnnotations.a=b": func(r release) bool { return r.pod.Annotations["a"] == "b" },
		"shared.podLabels.a=b":      func(r release) bool { return r.pod.Labels["a"] == "b" && r.service.Spec.Selector["a"] == "" },
		"shared.nodeSelector.a=b": func(r release) bool {
			return r.pod.Spec.NodeSelector["a"] == "b" && r.test.Spec.NodeSelector["a"] == "b"
		},
		"shared.tolerations[0].operator=Exists":                                                       func(r release) bool { return r.pod.Spec.Tolerations[0].Operator == "Exists" },
		"shared.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1": func(r release) bool { return r.pod.Spec.Affinity.PodAntiAffinity != nil },
		"shared.resources.requests.cpu=50m": func(r release) bool {
			cpu := r.daprd().Resources.Requests[corev1.ResourceCPU]
			return cpu.String() == "50m"
		},
		"shared.tests.image=r.local/t:1": func(r release) bool { return r.test.Spec.Containers[0].Image == "r.local/t:1" },
		"shared.remoteURL=http://orders.shop/": func(r release) bool {
			return r.argument("--app-channel-address") == "orders.shop" && r.argument("--app-protocol") == "http"
		},
		"shared.remoteURL=https://orders.shop": func(r release) bool {
			return r.argument("--app-channel-address") == "orders.shop" && r.argument("--app-protocol") == "https"
		},
		"shared.remoteURL=[fd00::1]":               func(r release) bool { return r.argument("--app-channel-address") == "[fd00::1]" },
		"shared.daprd.listenAddresses=[::]\\, ::1": func(r release) bool { return r.argument("--dapr-listen-addresses") == "[::],::1" },
		"shared.daprd.image.tag=1.18.2":            func(r release) bool { return r.argument("--scheduler-host-address") != "" },
		"shared.daprd.image.tag=1.14.4": func(r release) bool {
			return r.argument("--scheduler-host-address") == "" && r.argument("--placement-host-address") != ""
		},
		"global.anything=1": func(r release) bool { return r.workload == "DaemonSet" },
	} {
		if r := render(t, set); !arrived(r) {
			t.Errorf("%s did not arrive:\n%s", set, r.text)
		}
	}
}

// TestLeastPrivilege asks for what the restricted Pod Security Standard does, and for a service account that may do one thing.
func TestLeastPrivilege(t *testing.T) {
	r := render(t)
	for name, pod := range map[string]corev1.PodSpec{"daprd": r.pod.Spec, "test": r.test.Spec} {
		if s := pod.SecurityContext; s == nil || !*s.RunAsNonRoot || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v", name, s)
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			s := c.SecurityContext
			if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !*s.RunAsNonRoot || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
				!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || s.Capabilities.Add != nil {
				t.Errorf("%s of %s: %+v", c.Name, name, s)
			}
		}
	}
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{daprd.TrustBundle}, Verbs: []string{"get"}}}
	if diff := cmp.Diff(want, r.role.Rules); diff != "" || r.role.Namespace != "dapr-system" || r.binding.RoleRef.Name != r.role.Name {
		t.Errorf("role %s/%s:\n%s", r.role.Namespace, r.role.Name, diff)
	}
	if subject := r.binding.Subjects[0]; subject.Namespace != "shop" || subject.Name != r.pod.Spec.ServiceAccountName {
		t.Errorf("bound to %+v", subject)
	}
	if *r.test.Spec.AutomountServiceAccountToken || r.test.Annotations["helm.sh/hook"] != "test" {
		t.Errorf("the test: %+v", r.test)
	}
}

// TestRefused sets each value wrongly and asks for a message that names it.
func TestRefused(t *testing.T) {
	for set, want := range map[string]string{
		"shared.appId=":                                     "shared.appId is required",
		"shared.remoteURL=":                                 "shared.remoteURL is required",
		"shared.remotePort=0":                               "shared.remotePort is required",
		"shared.appId=Orders":                               "'/shared/appId'",
		"shared.appId=" + strings.Repeat("a", 59):           "'/shared/appId'",
		"shared.appId=7":                                    "'/shared/appId': got number, want string",
		"shared.remotePort=http":                            "'/shared/remotePort': got string, want integer",
		"shared.remotePort=70000":                           "'/shared/remotePort': maximum",
		"shared.remoteURL=http://orders:8080":               "shared.remoteURL must not have a port, set shared.remotePort",
		"shared.remoteURL=orders/path":                      "shared.remoteURL must be a host",
		"shared.remoteURL=ftp://orders":                     `shared.remoteURL has the scheme "ftp"`,
		"shared.remoteURL=a b":                              "'/shared/remoteURL'",
		"shared.remoteURL=true":                             "'/shared/remoteURL': got boolean, want string",
		"shared.strategy=statefulset":                       "'/shared/strategy': value must be one of 'daemonset', 'deployment'",
		"shared.deployment.replicas=-1":                     "'/shared/deployment/replicas'",
		"shared.deployment.replicas=two":                    "'/shared/deployment/replicas': got string, want integer",
		"shared.controlPlane.namespace=Dapr_System":         "'/shared/controlPlane/namespace'",
		"shared.controlPlane.namespace=":                    "'/shared/controlPlane/namespace'",
		"shared.controlPlane.trustDomain=a/b":               "'/shared/controlPlane/trustDomain'",
		"shared.controlPlane.clusterDomain=a b":             "'/shared/controlPlane/clusterDomain'",
		"shared.controlPlane.actors.enabled=no":             "'/shared/controlPlane/actors/enabled': got string, want boolean",
		"shared.daprd.image.registry=a/":                    "'/shared/daprd/image/registry'",
		"shared.daprd.image.name=":                          "'/shared/daprd/image/name'",
		"shared.daprd.image.tag=1":                          "'/shared/daprd/image/tag': got number, want string",
		"shared.daprd.image.tag=a:b":                        "'/shared/daprd/image/tag'",
		"shared.daprd.image.pullPolicy=Sometimes":           "'/shared/daprd/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
		"shared.daprd.app.protocol=tcp":                     "'/shared/daprd/app/protocol': value must be one of 'http', 'grpc'",
		"shared.daprd.httpPort=0":                           "'/shared/daprd/httpPort'",
		"shared.daprd.publicPort=65536":                     "'/shared/daprd/publicPort'",
		"shared.daprd.grpcPort=50001a":                      "'/shared/daprd/grpcPort': got string, want integer",
		"shared.daprd.internalGrpcPort=true":                "'/shared/daprd/internalGrpcPort': got boolean, want integer",
		"shared.daprd.metrics.port=-1":                      "'/shared/daprd/metrics/port'",
		"shared.daprd.metrics.port=3500":                    "shared.daprd.httpPort and shared.daprd.metrics.port are both 3500",
		"shared.daprd.metrics.enabled=1":                    "'/shared/daprd/metrics/enabled': got number, want boolean",
		"shared.daprd.listenAddresses=localhost":            "'/shared/daprd/listenAddresses'",
		"shared.daprd.config=A B":                           "'/shared/daprd/config'",
		"shared.daprd.token=a b":                            "'/shared/daprd/token'",
		"shared.daprd.apiLogging.enabled=on":                "'/shared/daprd/apiLogging/enabled': got string, want boolean",
		"shared.daprd.mtls.enabled=yes":                     "'/shared/daprd/mtls/enabled': got string, want boolean",
		"shared.daprd.mtls=true":                            "'/shared/daprd/mtls': got boolean, want object",
		"shared.daprd.appHealth.enabled=0":                  "'/shared/daprd/appHealth/enabled'",
		"shared.daprd.appHealth.checkPath=healthz":          "'/shared/daprd/appHealth/checkPath'",
		"shared.daprd.appHealth.probeInterval=0":            "'/shared/daprd/appHealth/probeInterval'",
		"shared.daprd.appHealth.probeTimeout=500ms":         "'/shared/daprd/appHealth/probeTimeout': got string, want integer",
		"shared.daprd.appHealth.threshold=many":             "'/shared/daprd/appHealth/threshold': got string, want integer",
		"shared.initContainer.image.registry=a b":           "'/shared/initContainer/image/registry'",
		"shared.initContainer.image.name=1":                 "'/shared/initContainer/image/name': got number, want string",
		"shared.initContainer.image.tag=":                   "'/shared/initContainer/image/tag'",
		"shared.initContainer.image.pullPolicy=always":      "'/shared/initContainer/image/pullPolicy'",
		"shared.initContainer.token=1":                      "'/shared/initContainer/token': got number, want string",
		"shared.initContainer.token=a,shared.daprd.token=b": "shared.daprd.token and shared.initContainer.token are both the Dapr API token",
		"shared.log.json=json":                              "'/shared/log/json': got string, want boolean",
		"shared.log.level=verbose":                          "'/shared/log/level': value must be one of",
		"shared.service.type=ExternalName":                  "'/shared/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'",
		"shared.serviceAccount.create=maybe":                "'/shared/serviceAccount/create': got string, want boolean",
		"shared.serviceAccount.name=My_Account":             "'/shared/serviceAccount/name'",
		"shared.serviceAccount.annotations=text":            "'/shared/serviceAccount/annotations': got string, want object",
		"shared.serviceAccount.annotations.a=1":             "'/shared/serviceAccount/annotations/a': got number, want string",
		"shared.imagePullSecrets=pull":                      "'/shared/imagePullSecrets': got string, want array",
		"shared.imagePullSecrets[0].secret=pull":            "'/shared/imagePullSecrets/0'",
		"shared.resources=small":                            "'/shared/resources': got string, want object",
		"shared.podAnnotations.a=true":                      "'/shared/podAnnotations/a': got boolean, want string",
		"shared.podLabels.a=1":                              "'/shared/podLabels/a': got number, want string",
		"shared.nodeSelector.a=1":                           "'/shared/nodeSelector/a': got number, want string",
		"shared.tolerations=all":                            "'/shared/tolerations': got string, want array",
		"shared.affinity=near":                              "'/shared/affinity': got string, want object",
		"shared.tests.image=a b":                            "'/shared/tests/image'",
		"shared.daprd.httpPort=null":                        "'/shared/daprd': missing property 'httpPort'",
		"shard.appId=orders":                                "additional properties 'shard' not allowed",
	} {
		if text, err := template(t, set); err == nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v, the message has no %q:\n%s", set, err, want, text)
		}
	}
}

// TestUnknownKeys puts a key nobody knows into every object that has keys of its own.
func TestUnknownKeys(t *testing.T) {
	objects := map[string]bool{}
	for key := range leaves("", values(t, "values.yaml")) {
		for key != "shared" {
			key = key[:strings.LastIndex(key, ".")]
			objects[key] = true
		}
	}
	for object := range objects {
		want := "at '/" + strings.ReplaceAll(object, ".", "/") + "': additional properties 'surprise' not allowed"
		if text, err := template(t, object+".surprise=1"); err == nil || !strings.Contains(text, want) {
			t.Errorf("%s.surprise: %v, the message has no %q:\n%s", object, err, want, text)
		}
	}
	if len(objects) < 15 {
		t.Errorf("only %d objects", len(objects))
	}
}

func TestLintAndNotes(t *testing.T) {
	program, err := helm()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := exec.CommandContext(t.Context(), program, "lint", "--strict", ".").CombinedOutput(); err != nil {
		t.Errorf("helm lint: %v\n%s", err, text)
	}
	for sets, want := range map[string]string{
		"shared.daprd.image.tag=1.18.2": "helm test my --namespace shop",
		"shared.strategy=daemonset":     "WARNING: daprd 1.11.0 cannot talk to a control plane of another minor version",
		"shared.service.type=NodePort":  "WARNING: the Service is of type NodePort and the Dapr API asks for no token",
	} {
		text, err := exec.CommandContext(t.Context(), program, "install", "my", ".", "--dry-run=client", "--namespace=shop",
			"--set=shared.appId=a,shared.remoteURL=b,shared.remotePort=1", "--set", sets).CombinedOutput()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, no %q in\n%s", sets, err, want, text)
		}
	}
}
