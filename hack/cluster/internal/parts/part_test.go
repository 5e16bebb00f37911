package parts

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

func TestSelect(t *testing.T) {
	selected, err := Select(nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range selected {
		for _, need := range p.Needs {
			if !seen[need] {
				t.Errorf("%s comes before %s, which it needs", p.Name, need)
			}
		}
		seen[p.Name] = true
	}
	if _, err := Select([]string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "there are coredns") {
		t.Errorf("error is %v, want the parts that there are in it", err)
	}
}

func TestSelectTakesWhatAPartNeeds(t *testing.T) {
	always, err := Select(nil)
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string][]string{
		"keda-http": {"keda", "keda-http"},
		"dapr":      {"helm", "dapr"},
		"redis":     {"redis"},
	} {
		selected, err := Select([]string{part})
		if err != nil {
			t.Fatal(err)
		}
		var added []string
		for _, p := range selected {
			if !slices.ContainsFunc(always, func(a Part) bool { return a.Name == p.Name }) {
				added = append(added, p.Name)
			}
		}
		if !slices.Equal(added, want) {
			t.Errorf("asking for %s adds %v, want %v", part, added, want)
		}
	}
}

func TestEveryPartHasASourceOfItsImages(t *testing.T) {
	for _, p := range All() {
		if (p.Component == "") == (p.Package == "") {
			t.Errorf("%s must have either a component or a package", p.Name)
		}
		if p.Component == "" {
			continue
		}
		if _, err := build.Find(p.Component); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		programs, err := build.Cache{Source: "../../components"}.Programs(p.Component)
		if err != nil {
			t.Fatal(err)
		}
		for name := range p.Paths {
			if !slices.ContainsFunc(programs, func(program string) bool { return path.Base(program) == name }) {
				t.Errorf("%s tells where %s is, which is none of %v", p.Name, name, programs)
			}
		}
	}
}

func TestOneScheduler(t *testing.T) {
	objects, err := manifests.Parse([]byte(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: dapr-scheduler-server}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - args: [--id, $(ID), --etcd-initial-cluster, "a-0=https://a-0:2380,a-1=https://a-1:2380", --etcd-client-port, "2379"]
`))
	if err != nil {
		t.Fatal(err)
	}
	objects = manifests.Adapt(objects, oneScheduler)
	content, err := objects[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `"args":["--id","$(ID)","--etcd-initial-cluster","a-0=https://a-0:2380","--etcd-client-port","2379"]`
	if !strings.Contains(string(content), want) || !strings.Contains(string(content), `"replicas":1`) {
		t.Errorf("the scheduler is %s", content)
	}
}

func TestEmbeddedManifestsAreComplete(t *testing.T) {
	for _, file := range []string{"coredns.yaml", "traefik.yaml", "redis.yaml", "nats.yaml", "rabbitmq.yaml", "mosquitto.yaml"} {
		objects, err := embedded(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			content, err := o.MarshalJSON()
			if err != nil || strings.Contains(string(content), "_IP") {
				t.Errorf("%s: %s %s is not filled in (%v)", file, o.GetKind(), o.GetName(), err)
			}
		}
		if !slices.ContainsFunc(objects, func(o manifests.Object) bool { return o.GetKind() == "Deployment" }) {
			t.Errorf("%s has no Deployment", file)
		}
	}
}

func TestBrokersNameTheirPackageAndWorkload(t *testing.T) {
	for _, p := range All() {
		if p.Package == "" {
			continue
		}
		objects, err := p.Objects(t.Context(), Kit{})
		if err != nil {
			t.Fatal(err)
		}
		if err := manifests.ResolveKo(objects, map[string]string{p.Package: "registry.local:5000/image"}); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		for _, name := range p.Workloads {
			if !slices.ContainsFunc(objects, func(o manifests.Object) bool {
				return o.GetKind() == "Deployment" && o.GetName() == name && slices.Contains(p.Namespaces, o.GetNamespace())
			}) {
				t.Errorf("%s has no Deployment %s", p.Name, name)
			}
		}
	}
}
