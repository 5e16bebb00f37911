// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dapr/dapr/pkg/apis/common"
	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// onEngines measures the runs on KEDA and the Dapr modes.
type onEngines struct {
	*onCluster
	clientset *kubernetes.Clientset
	// image is the function that all measurements share: the worker of the e2e suite, which answers GET / with a word.
	image string
}

// variant is one function of a paired measurement.
type variant struct {
	name string
	dapr *corev1beta2.DaprOptions
}

// variants are a function without Dapr, and the same function with it in the modes.
func variants(modes ...corev1beta2.DaprMode) []variant {
	all := []variant{{name: "without"}}
	for _, mode := range modes {
		all = append(all, variant{name: strings.ToLower(string(mode)), dapr: &corev1beta2.DaprOptions{Mode: mode}})
	}
	return all
}

func measureEngines(ctx context.Context, root, only string, o *onCluster) error {
	config, err := o.cluster.Config()
	if err != nil {
		return err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	e := &onEngines{onCluster: o, clientset: clientset}
	if e.image, err = pushWorker(ctx, root); err != nil {
		return err
	}
	for _, measure := range []struct {
		name string
		run  func(context.Context) error
	}{{"starts", e.starts}, {"memory", e.memory}, {"zero", e.fromZero}} {
		if only != "" && only != measure.name {
			continue
		}
		if err := measure.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pushWorker builds the worker and pushes it to the local cluster's registry.
func pushWorker(ctx context.Context, root string) (string, error) {
	dir, err := os.MkdirTemp("", "openfunction-perf-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "worker")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(root, "test/e2e/testdata/worker"), "-trimpath", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the worker: %w\n%s", err, text)
	}
	push := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "hack/cluster"), ".", "load-image", "--entrypoint=/worker", "perf/worker", program)
	push.Stderr = os.Stderr
	text, err := push.Output()
	if err != nil {
		return "", fmt.Errorf("pushing the worker: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// served makes a function on engine keda with a fixed number of copies and waits until it is ready.
func (e *onEngines) served(ctx context.Context, v variant, copies int32) (*corev1beta2.Function, error) {
	serving := &corev1beta2.ServingImpl{
		Triggers:     &corev1beta2.Triggers{HTTP: &corev1beta2.HTTPTrigger{Engine: ptr.To(corev1beta2.EngineKeda)}},
		ScaleOptions: &corev1beta2.ScaleOptions{MinReplicas: &copies, MaxReplicas: ptr.To(max(copies, 1))},
	}
	if v.dapr != nil {
		serving.Dapr = v.dapr
		serving.Pubsub = map[string]*daprv1alpha1.ComponentSpec{
			"memory": {Type: "pubsub.in-memory", Version: "v1", Metadata: []common.NameValuePair{}}, // the schema wants the list
		}
		serving.Outputs = []corev1beta2.Output{{Dapr: &corev1beta2.DaprOutput{Name: "memory", Topic: "news"}}}
	}
	f := &corev1beta2.Function{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", v.name, time.Now().UnixMilli()), Namespace: clusterNamespace},
		Spec:       corev1beta2.FunctionSpec{Image: e.image, Serving: serving},
	}
	if err := e.client.Create(ctx, f); err != nil {
		return nil, err
	}
	return f, e.ready(ctx, f)
}

// ready waits until the function's current spec serves.
func (e *onEngines) ready(ctx context.Context, f *corev1beta2.Function) error {
	return waitUntil(ctx, often, 5*time.Minute, "function "+f.Name, func() (bool, error) {
		if err := e.client.Get(ctx, client.ObjectKeyFromObject(f), f); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(f.Status.Conditions, corev1beta2.ReadyCondition)
		return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == f.Generation, nil
	})
}

func (e *onEngines) remove(ctx context.Context, f *corev1beta2.Function) {
	if err := e.client.Delete(context.WithoutCancel(ctx), f); err != nil {
		progress("deleting %s: %v", f.Name, err)
	}
}

// rounds is how often a start is measured; the median is what counts.
const rounds = 11

// starts measures the time from the appearance of a new pod to the first answer of its function, in turns, so that whatever else the machine
// does touches all alike.
func (e *onEngines) starts(ctx context.Context) error {
	progress("starts of a function without Dapr and in its modes, %d each", rounds)
	all := variants(corev1beta2.DaprModeFunction, corev1beta2.DaprModeSidecar)
	functions := make([]*corev1beta2.Function, len(all))
	for i, v := range all {
		f, err := e.served(ctx, v, 1)
		if err != nil {
			return err
		}
		defer e.remove(ctx, f)
		functions[i] = f
	}
	took := make([][]float64, len(all))
	for round := range rounds + 1 {
		for i := range functions {
			t, err := e.restart(ctx, functions[i])
			if err != nil {
				return fmt.Errorf("restarting %s: %w", functions[i].Name, err)
			}
			if round > 0 { // the first warms up
				took[i] = append(took[i], t.Seconds())
			}
		}
	}
	without := median(took[0])
	for i, v := range all {
		figure("pod_to_first_answer_"+v.name, median(took[i]), "s")
		if i > 0 {
			figure("pod_to_first_answer_"+v.name+"_to_without", median(took[i])/without, "ratio")
		}
	}
	return nil
}

// restart deletes the function's only pod and returns the time from the appearance of the next to its first answer through the function's
// Service.
func (e *onEngines) restart(ctx context.Context, f *corev1beta2.Function) (time.Duration, error) {
	selector := client.MatchingLabels{corev1beta2.ServingLabel: f.Name}
	before := &corev1.PodList{}
	if err := e.client.List(ctx, before, client.InNamespace(f.Namespace), selector); err != nil {
		return 0, err
	}
	old := map[types.UID]bool{}
	for i := range before.Items {
		old[before.Items[i].UID] = true
	}
	watch, err := e.clientset.CoreV1().Pods(f.Namespace).Watch(ctx, metav1.ListOptions{
		LabelSelector: corev1beta2.ServingLabel + "=" + f.Name, ResourceVersion: before.ResourceVersion})
	if err != nil {
		return 0, err
	}
	defer watch.Stop()
	for i := range before.Items {
		if err := e.client.Delete(ctx, &before.Items[i], client.GracePeriodSeconds(0)); err != nil {
			return 0, err
		}
	}
	var appeared time.Time
	for gone := 0; gone < len(old) || appeared.IsZero(); {
		select {
		case event, open := <-watch.ResultChan():
			if !open {
				return 0, fmt.Errorf("the watch on the pods of %s ended", f.Name)
			}
			pod, is := event.Object.(*corev1.Pod)
			switch {
			case is && event.Type == "DELETED" && old[pod.UID]:
				gone++
			case is && event.Type == "ADDED" && !old[pod.UID]:
				mark(&appeared)
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	request := e.clientset.CoreV1().RESTClient().Get().Namespace(f.Namespace).Resource("services").Name(core.HTTPChild(f.Name) + ":80").SubResource("proxy")
	for {
		if _, err := request.DoRaw(ctx); err == nil {
			return time.Since(appeared), nil
		}
		if time.Since(appeared) > time.Minute {
			return 0, fmt.Errorf("no answer within a minute of the pod's appearance")
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// memory measures what a function costs in each mode at several numbers of copies: pods and their working set, agent included.
func (e *onEngines) memory(ctx context.Context) error {
	for _, copies := range []int32{1, 5, 10} {
		progress("memory of a function with %d copies in each Dapr mode", copies)
		for _, v := range variants(corev1beta2.DaprModeFunction, corev1beta2.DaprModeSidecar, corev1beta2.DaprModeShared) {
			f, err := e.served(ctx, v, copies)
			if err != nil {
				return err
			}
			pods, bytes, err := e.cost(ctx, f, int(copies))
			e.remove(ctx, f)
			if err != nil {
				return err
			}
			figure(fmt.Sprintf("pods_%s_%d_copies", v.name, copies), float64(pods), "pods")
			figure(fmt.Sprintf("memory_%s_%d_copies", v.name, copies), bytes/(1<<20), "MiB")
		}
	}
	return nil
}

// settleTime is how long a program runs before its memory is read: the kubelet looks every ten seconds.
const settleTime = 15 * time.Second

// cost waits until the copies run and returns the pods of the function, those of its agent or daprd included, and what they hold in memory.
func (e *onEngines) cost(ctx context.Context, f *corev1beta2.Function, copies int) (pods int, bytes float64, err error) {
	names := map[string]bool{}
	err = waitUntil(ctx, often, 5*time.Minute, "the copies of "+f.Name, func() (bool, error) {
		clear(names)
		ready := 0
		for _, label := range []string{corev1beta2.ServingLabel, corev1beta2.ProxyLabel} {
			list := &corev1.PodList{}
			if err := e.client.List(ctx, list, client.InNamespace(f.Namespace), client.MatchingLabels{label: f.Name}); err != nil {
				return false, err
			}
			for i := range list.Items {
				names[list.Items[i].Name] = true
				if label == corev1beta2.ServingLabel && isReady(&list.Items[i]) {
					ready++
				}
			}
		}
		return ready == copies, nil
	})
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	nodes := &corev1.NodeList{}
	if err := e.client.List(ctx, nodes); err != nil {
		return 0, 0, err
	}
	found := 0
	for i := range nodes.Items {
		text, err := e.clientset.CoreV1().RESTClient().Get().Resource("nodes").Name(nodes.Items[i].Name).SubResource("proxy").Suffix("stats/summary").DoRaw(ctx)
		if err != nil {
			return 0, 0, fmt.Errorf("asking the kubelet for memory: %w", err)
		}
		var summary struct {
			Pods []struct {
				PodRef     struct{ Name, Namespace string }
				Containers []struct {
					Memory struct{ WorkingSetBytes float64 }
				}
			}
		}
		if err := json.Unmarshal(text, &summary); err != nil {
			return 0, 0, fmt.Errorf("reading the kubelet's memory figures: %w", err)
		}
		for _, pod := range summary.Pods {
			if pod.PodRef.Namespace != f.Namespace || !names[pod.PodRef.Name] {
				continue
			}
			found++
			for _, container := range pod.Containers {
				bytes += container.Memory.WorkingSetBytes
			}
		}
	}
	if found != len(names) {
		return 0, 0, fmt.Errorf("the kubelet has figures of %d pods of %s, not %d", found, f.Name, len(names))
	}
	return len(names), bytes, nil
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
