// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/networking"
)

// Snapshot is a picture of a namespace that depends on what is so and not on how or when it came to be: every
// object but those each namespace has, as JSON by its name, without identities, versions and times. Of objects that
// are not ours only what our controllers wrote is in it: their status belongs to the engines. Of an object that an engine
// made it says only that it is there, and of what Kubernetes made of a workload nothing: it remembers the way. What the namespace was granted in
// the platform's is in it too.
type Snapshot map[string]string

// Snapshot takes the picture.
func (w *World) Snapshot() Snapshot {
	s := Snapshot{}
	for _, o := range w.mirror.objects(w.Namespace) {
		if id(o) == "ServiceAccount/default" || id(o) == "ConfigMap/kube-root-ca.crt" || ofWorkload(o) {
			continue
		}
		s[strings.ReplaceAll(withoutChance(o, id(o)), w.Namespace, "NAMESPACE")] = w.mirror.picture(o)
	}
	if grant := w.mirror.get(referenceGrants, platform, networking.GrantName(w.Namespace)); grant != nil {
		s[platform+"/"+referenceGrants.Kind] = normalised(grant.DeepCopy(), w.Namespace)
	}
	return s
}

// Diff is empty when both are the same, else what is only here (-) and only there (+), object by object.
func (s Snapshot) Diff(other Snapshot) string {
	all := map[string]bool{}
	for name := range s {
		all[name] = true
	}
	for name := range other {
		all[name] = true
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if s[name] != other[name] {
			fmt.Fprintf(&b, "%s\n%s", name, cmp.Diff(readable(s[name]), readable(other[name])))
		}
	}
	return b.String()
}

// String is one YAML document an object.
func (s Snapshot) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "--- # %s\n%s", name, readable(s[name]))
	}
	return b.String()
}

// readable is the text as YAML.
func readable(text string) string {
	if out, err := yaml.JSONToYAML([]byte(text)); err == nil && text != "" {
		return string(out)
	}
	return text
}

// picture is the normalised text of one state of an object. The last one is kept, since suites ask again and again.
func (m *mirror) picture(o *unstructured.Unstructured) string {
	m.mu.Lock()
	known := m.pictures[o.GetUID()]
	m.mu.Unlock()
	if known.version == o.GetResourceVersion() {
		return known.text
	}
	known = picture{o.GetResourceVersion(), normalised(o.DeepCopy(), o.GetNamespace())}
	m.mu.Lock()
	m.pictures[o.GetUID()] = known
	m.mu.Unlock()
	return known.text
}

type picture struct{ version, text string }

// revision is how Knative names what comes of a generation.
var revision = regexp.MustCompile(`-\d{5}\b`)

// uid is an identity, which also stands in owner references and in the keys of managed fields.
var uid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// ofWorkload tells that a controller of Kubernetes made the object: a pod, or one of a workload's revisions.
func ofWorkload(o *unstructured.Unstructured) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && (owner.APIVersion == appsv1.SchemeGroupVersion.String() || owner.APIVersion == batchv1.SchemeGroupVersion.String())
}

// ofEngine tells that an engine made the object for one of its own.
func ofEngine(o *unstructured.Unstructured) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && !ofOurGroups(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).Group)
}

// remembered are the annotations by which Kubernetes counts the versions of a workload.
var remembered = []string{"deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"}

func normalised(o *unstructured.Unstructured, namespace string) string {
	if ofEngine(o) {
		return `"made by the engine"`
	}
	current := o.GetGeneration()
	metadata := o.Object["metadata"].(map[string]any)
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"} {
		delete(metadata, field)
	}
	if ours(o) {
		delete(metadata, "managedFields") // a user's way of writing is a path
		if status, ok := o.Object["status"].(map[string]any); ok {
			clean(status, current)
			for _, part := range []string{"listeners", "route"} { // what is said there is said of other objects
				clean(map[string]any{part: status[part]}, ofAnother)
			}
			if conditions, ok := status["conditions"].([]any); ok { // a list with keys: its order says nothing
				slices.SortFunc(conditions, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
		}
	} else {
		delete(o.Object, "status")
		withoutDraws(o)
		if listeners, ok := Field(o, "spec", "listeners").([]any); ok {
			slices.SortFunc(listeners, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		metadata["managedFields"] = writers(metadata["managedFields"])
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		for _, key := range remembered {
			delete(annotations, key)
		}
		if annotations[apply.AppliedAnnotation] != nil {
			annotations[apply.AppliedAnnotation] = "HASH" // it covers the owner's identity
		}
		if progress, ok := annotations[corev1beta2.RolloutAnnotation].(string); ok {
			annotations[corev1beta2.RolloutAnnotation] = since.ReplaceAllString(progress, `"since":"TIME"`)
		}
	}
	text, err := json.MarshalIndent(o.Object, "", "  ")
	if err != nil {
		return err.Error()
	}
	out := revision.ReplaceAllString(uid.ReplaceAllString(string(text), "UID"), "-NNNNN")
	return strings.ReplaceAll(withoutChance(o, out), namespace, "NAMESPACE")
}

// tokenVersion is on the pods that were made with an app token, which is random.
var tokenVersion = regexp.MustCompile(`("openfunction.io/app-token-version": ")[0-9a-f]+"`)

// since is when a rollout came to its step.
var since = regexp.MustCompile(`"since":"[^"]*"`)

// withoutChance replaces in a text about an object what differs from world to world: the hash of its pods, in which stand the
// namespace and the version of the token, and the name of a version whose spec names the namespace.
func withoutChance(o *unstructured.Unstructured, text string) string {
	for _, version := range versionsNamed(o) {
		if says(o.Object["spec"], o.GetNamespace()) {
			text = strings.ReplaceAll(text, version, "VERSION")
		}
	}
	for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTargetRef", "template"}} {
		hash, _, _ := unstructured.NestedString(o.Object, append(slices.Clone(path), "metadata", "labels", "openfunction.io/template-hash")...)
		if hash != "" {
			text = strings.ReplaceAll(text, hash, "HASH")
		}
	}
	return tokenVersion.ReplaceAllString(text, `${1}VERSION"`)
}

// versionsNamed are the names of versions of a function that stand in an object of ours.
func versionsNamed(o *unstructured.Unstructured) []string {
	var names []string
	if name := o.GetAnnotations()[corev1beta2.RevisionAnnotation]; name != "" {
		names = append(names, name)
	}
	revisions, _, _ := unstructured.NestedSlice(o.Object, "status", "revisions")
	for _, revision := range revisions {
		if revision, ok := revision.(map[string]any); ok {
			names = append(names, fmt.Sprint(revision["name"]))
		}
	}
	return names
}

// withoutDraws replaces what the API server or our controllers draw by lot: the address of a Service, the data of a Secret.
func withoutDraws(o *unstructured.Unstructured) {
	switch (schema.GroupKind{Group: o.GroupVersionKind().Group, Kind: o.GetKind()}) {
	case placeholders:
		spec, _ := o.Object["spec"].(map[string]any)
		if spec["clusterIP"] != corev1.ClusterIPNone {
			delete(spec, "clusterIP")
			delete(spec, "clusterIPs")
		}
	case schema.GroupKind{Kind: "Secret"}:
		data, _ := o.Object["data"].(map[string]any)
		for key, value := range data {
			data[key] = fmt.Sprintf("%d characters", len(fmt.Sprint(value)))
		}
	}
}

// ofAnother is no object's generation.
const ofAnother = -1

// clean drops times and says of each observed generation only whether it is the current one, and nothing of those of another object.
func clean(tree map[string]any, current int64) {
	for key, value := range tree {
		switch value := value.(type) {
		case map[string]any:
			clean(value, current)
		case []any:
			for _, item := range value {
				if item, ok := item.(map[string]any); ok {
					clean(item, current)
				}
			}
		}
		switch {
		case strings.HasSuffix(key, "Time") || strings.HasSuffix(key, "Timestamp") || key == "buildDuration":
			delete(tree, key)
		case key == "observedGeneration":
			tree[key] = "old"
			if current == ofAnother {
				delete(tree, key)
			} else if value == current {
				tree[key] = "current"
			}
		}
	}
}

// dropSelf takes out of a set of fields that a map itself belongs to its writer: whoever updates a map first has it, so it tells of the order only.
func dropSelf(fields any) {
	set, _ := fields.(map[string]any)
	delete(set, ".")
	for _, field := range set {
		dropSelf(field)
	}
}

// writers keeps who owns which fields of a child, without when; what its engine wrote into a subresource is left out.
func writers(fields any) any {
	entries, _ := fields.([]any)
	var kept []any
	for _, entry := range entries {
		entry := entry.(map[string]any)
		if entry["subresource"] != nil {
			continue
		}
		delete(entry, "time")
		if entry["operation"] == string(metav1.ManagedFieldsOperationUpdate) {
			dropSelf(entry["fieldsV1"])
		}
		kept = append(kept, entry)
	}
	slices.SortFunc(kept, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return kept
}
