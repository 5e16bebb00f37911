// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	controllers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/hack/platform"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/test/kit"
)

const clusterNamespace = "openfunction-perf"

// onCluster measures functions on a real cluster.
type onCluster struct {
	client  client.Client
	cluster platform.Cluster
	images  platform.Images
}

func measureCluster(ctx context.Context, s settings) error {
	root, err := kit.Root()
	if err != nil {
		return err
	}
	o := &onCluster{}
	if o.cluster, err = platform.Find(ctx, root, os.Stderr, "keda", "keda-http", "dapr"); err != nil {
		return err
	}
	if s.install {
		if o.images, err = platform.Build(ctx, root, o.cluster, os.Stderr); err != nil {
			return err
		}
		if err := platform.Install(ctx, root, o.cluster, o.images, os.Stderr); err != nil {
			return err
		}
	}
	config, err := o.cluster.Config()
	if err != nil {
		return err
	}
	if o.client, err = client.New(config, client.Options{Scheme: controllers.NewScheme()}); err != nil {
		return err
	}
	if err := o.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: clusterNamespace}}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if s.builds && s.install {
		if err := o.firstAnswer(ctx); err != nil {
			return err
		}
		// What Tekton needs for any build is in both times: the less there is to compile, the more it hides.
		if err := o.buildCache(ctx, "library", map[string]string{"hello.go": counter, "go.mod": counterModule, "go.sum": counterSum}); err != nil {
			return err
		}
		if err := o.buildCache(ctx, "cloud", map[string]string{"hello.go": bucket, "go.mod": bucketModule, "go.sum": bucketSum}); err != nil {
			return err
		}
	}
	if s.engines {
		return measureEngines(ctx, root, s.only, o)
	}
	return nil
}

// function is a Function of one inline file under a name not used before, so that no cache of an earlier run helps it.
func (o *onCluster) function(prefix string, files map[string]string) *corev1beta2.Function {
	name := fmt.Sprintf("%s-%d", prefix, time.Now().Unix())
	return &corev1beta2.Function{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: clusterNamespace},
		Spec: corev1beta2.FunctionSpec{
			Image: o.cluster.RegistryCluster + "/perf/" + name + ":v1",
			Build: &corev1beta2.BuildImpl{
				Builder: ptr.To(o.images.Builder), Env: map[string]string{"FUNC_NAME": "Hello"}, Source: &corev1beta2.Source{Inline: files},
			},
		},
	}
}

// firstAnswer takes one function from apply to its first answer, and splits the time by who had the ball: Tekton from the TaskRun's
// appearance to its end, Knative from the Service's appearance until it is ready, and ourselves otherwise.
func (o *onCluster) firstAnswer(ctx context.Context) error {
	f := o.function("answer", map[string]string{"hello.go": hello})
	f.Spec.Serving = &corev1beta2.ServingImpl{}
	progress("a function from apply to its first answer")
	start := time.Now()
	if err := o.client.Create(ctx, f); err != nil {
		return err
	}
	defer o.client.Delete(context.WithoutCancel(ctx), f) //nolint:errcheck // only tidies up
	var runSeen, runDone, serviceSeen, serviceReady, functionReady time.Time
	err := waitUntil(ctx, often, 10*time.Minute, "the function to be ready", func() (bool, error) {
		if runDone.IsZero() {
			runs := &tektonv1.TaskRunList{}
			if err := o.client.List(ctx, runs, client.InNamespace(clusterNamespace), client.MatchingLabels{corev1beta2.FunctionLabel: f.Name}); err != nil {
				return false, err
			}
			if len(runs.Items) > 0 {
				mark(&runSeen)
				if runs.Items[0].IsDone() {
					mark(&runDone)
				}
			}
		}
		service := &kservingv1.Service{}
		if err := o.client.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: core.KnativeChild(f.Name)}, service); err == nil {
			mark(&serviceSeen)
			if service.IsReady() {
				mark(&serviceReady)
			}
		}
		if err := o.client.Get(ctx, client.ObjectKeyFromObject(f), f); err != nil {
			return false, err
		}
		if stalled := meta.FindStatusCondition(f.Status.Conditions, corev1beta2.StalledCondition); stalled != nil {
			return false, errors.New(stalled.Message)
		}
		if meta.IsStatusConditionTrue(f.Status.Conditions, corev1beta2.ReadyCondition) {
			mark(&functionReady)
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	if err := waitUntil(ctx, often, time.Minute, "the first answer", func() (bool, error) { return o.answers(ctx, f), nil }); err != nil {
		return err
	}
	answered := time.Now()
	figure("apply_to_first_answer", answered.Sub(start).Seconds(), "s")
	figure("apply_to_first_answer_tekton", runDone.Sub(runSeen).Seconds(), "s")
	figure("apply_to_first_answer_knative", serviceReady.Sub(serviceSeen).Seconds(), "s")
	progress("ours: %s until the TaskRun, %s from its end to the Service, %s from the Service to Ready",
		runSeen.Sub(start).Round(time.Millisecond), serviceSeen.Sub(runDone).Round(time.Millisecond), functionReady.Sub(serviceReady).Round(time.Millisecond))
	ours := runSeen.Sub(start) + serviceSeen.Sub(runDone) + functionReady.Sub(serviceReady)
	figure("apply_to_first_answer_ours", ours.Seconds(), "s")
	return nil
}

// mark sets a time once.
func mark(t *time.Time) {
	if t.IsZero() {
		*t = time.Now()
	}
}

func (o *onCluster) answers(ctx context.Context, f *corev1beta2.Function) bool {
	for _, address := range f.Status.Addresses {
		if address.Type == nil || *address.Type != corev1beta2.ExternalAddressType {
			continue
		}
		target, err := url.Parse(address.Value)
		if err != nil {
			return false
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.Value, nil)
		if err != nil {
			return false
		}
		request.Host = target.Host
		if o.cluster.IngressHost != "" {
			request.URL.Host = o.cluster.IngressHost
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body) // lets the connection be used again
		return response.StatusCode == http.StatusOK
	}
	return false
}

// buildCache builds a function twice, without and with the cache of the first time. Its name says what it depends on.
func (o *onCluster) buildCache(ctx context.Context, name string, files map[string]string) error {
	f := o.function(name, files)
	progress("a function with dependencies (" + name + "), built twice")
	if err := o.client.Create(ctx, f); err != nil {
		return err
	}
	defer o.client.Delete(context.WithoutCancel(ctx), f) //nolint:errcheck // only tidies up
	first, err := o.built(ctx, f)
	if err != nil {
		return err
	}
	before := f.DeepCopy()
	metav1.SetMetaDataAnnotation(&f.ObjectMeta, corev1beta2.RebuildAnnotation, "again")
	f.Spec.Build.Source.Inline["hello.go"] += "\n// A change of the source, not of what it depends on.\n"
	if err := o.client.Patch(ctx, f, client.MergeFrom(before)); err != nil {
		return err
	}
	second, err := o.built(ctx, f)
	if err != nil {
		return err
	}
	figure("build_"+name+"_without_cache", first.Seconds(), "s")
	figure("build_"+name+"_with_cache", second.Seconds(), "s")
	figure("build_"+name+"_cache_speedup", first.Seconds()/second.Seconds(), "times")
	return nil
}

// built waits for the build of the function's current source and returns how long its TaskRun took.
func (o *onCluster) built(ctx context.Context, f *corev1beta2.Function) (time.Duration, error) {
	err := waitUntil(ctx, often, 10*time.Minute, "the build", func() (bool, error) {
		if err := o.client.Get(ctx, client.ObjectKeyFromObject(f), f); err != nil {
			return false, err
		}
		built := meta.FindStatusCondition(f.Status.Conditions, corev1beta2.BuiltCondition)
		if built == nil || built.ObservedGeneration != f.Generation {
			return false, nil
		}
		if built.Status == metav1.ConditionFalse {
			return false, errors.New(built.Message)
		}
		return built.Status == metav1.ConditionTrue, nil
	})
	if err != nil {
		return 0, err
	}
	return f.Status.Build.BuildDuration.Duration, nil
}
