// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// greeting is a function of one file that answers with a text.
func greeting(text string) string {
	return fmt.Sprintf("package hello\n\nimport \"net/http\"\n\nfunc Hello(w http.ResponseWriter, _ *http.Request) {\n\tw.Write([]byte(%q))\n}\n", text)
}

// manifest fills in what this run is about: $REGISTRY, $BUILDER, $NAMESPACE, the images of the workers, …
func manifest(text string) string {
	return strings.NewReplacer("$REGISTRY", cluster.RegistryCluster, "$BUILDER", images.Builder, "$GIT", cluster.GitCluster,
		"$SSH", cluster.GitSSHCluster, "$NAMESPACE", namespace, "$WORKER", worker.One, "$TWO", worker.Two, "$BROKEN", worker.Broken,
		"$FRAMEWORK", worker.Framework, "$KAFKA", worker.Kafka).Replace(text)
}

// apply applies the manifest as kubectl does, and returns it as it is then.
func apply(ctx context.Context, text string) *corev1beta2.Function {
	GinkgoHelper()
	f := &corev1beta2.Function{}
	Expect(yaml.UnmarshalStrict([]byte(manifest(text)), f)).To(Succeed())
	f.Namespace = namespace
	f.SetGroupVersionKind(corev1beta2.GroupVersion.WithKind("Function"))
	f.ManagedFields = nil
	Expect(c.Patch(ctx, f, client.Apply, client.FieldOwner("e2e"), client.ForceOwnership)).To(Succeed()) //nolint:staticcheck // as kubectl apply --server-side
	return f
}

// inline is a Function that answers with a text.
func inline(name, text string) string {
	return inlineOf(name, greeting(text))
}

// inlineOf is a Function of one inline file with a short way to zero.
func inlineOf(name, source string) string {
	GinkgoHelper()
	files, err := yaml.Marshal(map[string]string{"hello.go": source})
	Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf(`
metadata: {name: %s}
spec:
  image: $REGISTRY/e2e/%s:v1
  build:
    builder: $BUILDER
    env: {FUNC_NAME: Hello}
    source:
      inline:
        %s
  serving:
    scaleOptions:
      maxReplicas: 3
      knative: {autoscaling.knative.dev/window: 10s}
`, name, name, strings.ReplaceAll(strings.TrimSpace(string(files)), "\n", "\n        "))
}

func read(ctx context.Context, name string) *corev1beta2.Function {
	GinkgoHelper()
	f := &corev1beta2.Function{}
	Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, f)).To(Succeed())
	return f
}

// condition returns one condition of the current generation.
func condition(f *corev1beta2.Function, conditionType string) metav1.Condition {
	found := meta.FindStatusCondition(f.Status.Conditions, conditionType)
	if found == nil || found.ObservedGeneration != f.Generation {
		return metav1.Condition{}
	}
	return *found
}

// becomes waits for a condition, and ends at once when the function stalls on the way to True: no state of a spec before, nor of an engine that has
// not looked at this one, may be taken for it.
func becomes(ctx context.Context, name, conditionType string, want metav1.ConditionStatus) *corev1beta2.Function {
	GinkgoHelper()
	var f *corev1beta2.Function
	var since time.Time
	Eventually(ctx, func() error {
		f = read(ctx, name)
		got := condition(f, conditionType)
		if got.Status == want {
			return nil
		}
		err := fmt.Errorf("%s is %q: %s: %s", conditionType, got.Status, got.Reason, got.Message)
		stuck := want == metav1.ConditionTrue && condition(f, corev1beta2.StalledCondition).Status == metav1.ConditionTrue
		switch {
		case !stuck:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
			AddReportEntry(name+" was stalled", err.Error()) // if only for a moment, it is to be seen
		case time.Since(since) > aMoment:
			log := ""
			if f.Status.Build != nil && f.Status.Build.Failure != nil {
				log = "\n" + f.Status.Build.Failure.Log
			}
			return StopTrying(err.Error() + log)
		}
		return err
	}).Should(Succeed())
	return f
}

// aMoment is how long a function may be stalled before a spec gives it up.
const aMoment = 5 * time.Second

func ready(ctx context.Context, name string) *corev1beta2.Function {
	GinkgoHelper()
	return becomes(ctx, name, corev1beta2.ReadyCondition, metav1.ConditionTrue)
}

// heals waits until a function that had a problem is ready, without a change of its spec: until somebody has noticed that what was wrong around it is
// mended, it still shows the problem.
func heals(ctx context.Context, name string) {
	GinkgoHelper()
	start := time.Now()
	Eventually(ctx, func() metav1.Condition { return condition(read(ctx, name), corev1beta2.ReadyCondition) }).
		Should(HaveField("Status", metav1.ConditionTrue))
	AddReportEntry("healed after", time.Since(start).Round(100*time.Millisecond))
}

// get asks the function once, at its external address, through the cluster's ingress where there is one.
func get(ctx context.Context, f *corev1beta2.Function) (string, error) {
	for _, address := range f.Status.Addresses {
		if address.Type == nil || *address.Type != corev1beta2.ExternalAddressType {
			continue
		}
		target, err := url.Parse(address.Value)
		if err != nil {
			return "", err
		}
		host := target.Host
		if cluster.IngressHost != "" {
			target.Host = cluster.IngressHost
		}
		return request(ctx, target.String(), host)
	}
	return "", errors.New("the function has no external address")
}

func request(ctx context.Context, target, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	r.Host = host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), nil
}

func pods(ctx context.Context, name string) int {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(c.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{corev1beta2.ServingLabel: name})).To(Succeed())
	return len(list.Items)
}

// areGone waits until pods, as kubectl names them, have ended: each does after its drain.
func areGone(ctx context.Context, namespace, pods string) {
	GinkgoHelper()
	for pod := range strings.FieldsSeq(pods) {
		kubectlWith(ctx, "", "-n", namespace, "wait", "--for=delete", pod, "--timeout=120s")
	}
}

// applyYAML applies a manifest of any kind, as kubectl does.
func applyYAML(ctx context.Context, text string) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, cluster.Kubectl, "--kubeconfig", cluster.Kubeconfig, "-n", namespace, "apply", "--server-side", "-f", "-")
	command.Stdin = strings.NewReader(manifest(text))
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}
