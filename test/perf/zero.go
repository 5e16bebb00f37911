// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// zeroRounds is how often each function is woken.
const zeroRounds = 10

// cooldown is how long after a request the functions go to zero.
const cooldown int32 = 3

// fromZero measures the first answer through the interceptor of the HTTP add-on of a function at zero, in turns with the same image under objects
// written by hand: a Deployment, a Service and an HTTPScaledObject, no more.
func (e *onEngines) fromZero(ctx context.Context) error {
	progress("answers from zero through the HTTP add-on, ours and by hand, %d each", zeroRounds)
	ours, err := e.sleeper(ctx)
	if err != nil {
		return err
	}
	defer e.remove(ctx, ours)
	hand, err := e.byHand(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, object := range hand {
			_ = e.client.Delete(context.WithoutCancel(ctx), object)
		}
	}()
	interceptor, stop, err := e.interceptor(ctx)
	if err != nil {
		return err
	}
	defer stop()
	targets := []struct{ figure, host, deployment string }{
		{"from_zero_keda_ours", ours.Name + "." + clusterNamespace, core.HTTPChild(ours.Name)},
		{"from_zero_keda_by_hand", hand[0].GetName() + "." + clusterNamespace, hand[0].GetName()},
	}
	took := make([][]float64, len(targets))
	for round := range zeroRounds + 1 {
		for i, target := range targets {
			t, err := e.woken(ctx, interceptor, target.host, target.deployment)
			if err != nil {
				return err
			}
			if round > 0 {
				took[i] = append(took[i], t.Seconds())
			}
		}
	}
	for i, target := range targets {
		figure(target.figure, median(took[i]), "s")
	}
	figure("from_zero_keda_ours_to_by_hand", median(took[0])/median(took[1]), "ratio")
	return nil
}

// sleeper is a function on engine keda that goes to zero soon.
func (e *onEngines) sleeper(ctx context.Context) (*corev1beta2.Function, error) {
	f := &corev1beta2.Function{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("sleeper-%d", time.Now().Unix()), Namespace: clusterNamespace},
		Spec: corev1beta2.FunctionSpec{Image: e.image, Serving: &corev1beta2.ServingImpl{
			ScaleOptions: &corev1beta2.ScaleOptions{Keda: &corev1beta2.KedaScaleOptions{
				HTTPScaledObject: &corev1beta2.HTTPScaledObject{CooldownPeriod: ptr.To(cooldown)},
			}},
		}},
	}
	if err := e.client.Create(ctx, f); err != nil {
		return nil, err
	}
	return f, e.ready(ctx, f)
}

// byHand is the same as somebody would write it without this project.
func (e *onEngines) byHand(ctx context.Context) ([]client.Object, error) {
	meta := metav1.ObjectMeta{Name: fmt.Sprintf("hand-%d", time.Now().Unix()), Namespace: clusterNamespace}
	labels := map[string]string{"app": meta.Name}
	objects := []client.Object{
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "function", Image: e.image, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
				Env: []corev1.EnvVar{{Name: "FUNC_CONTEXT", Value: `{"name":"hand","version":"latest","runtime":"Knative","port":"8080"}`}},
			}}}},
		}},
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}},
		&httpv1alpha1.HTTPScaledObject{ObjectMeta: meta, Spec: httpv1alpha1.HTTPScaledObjectSpec{
			Hosts:          []string{meta.Name + "." + meta.Namespace},
			ScaleTargetRef: httpv1alpha1.ScaleTargetRef{Name: meta.Name, APIVersion: "apps/v1", Kind: "Deployment", Service: meta.Name, Port: 80},
			Replicas:       &httpv1alpha1.ReplicaStruct{Min: ptr.To[int32](0), Max: ptr.To[int32](100)},
			CooldownPeriod: ptr.To(cooldown),
		}},
	}
	for _, object := range objects {
		if err := e.client.Create(ctx, object); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// woken waits until the Deployment is at zero and wakes it. KEDA now and then misses a first request that comes while it takes the last copy away,
// and the interceptor gives up after its 20 seconds; such a start is nobody's, and is measured again.
func (e *onEngines) woken(ctx context.Context, interceptor, host, deployment string) (time.Duration, error) {
	for try := 1; ; try++ {
		if err := e.atZero(ctx, deployment); err != nil {
			return 0, err
		}
		took, err := wake(ctx, interceptor, host)
		if err == nil || try == 3 {
			return took, err
		}
		progress("waking %s: %v; once more", deployment, err)
	}
}

// atZero waits until no pod of the Deployment is left.
func (e *onEngines) atZero(ctx context.Context, name string) error {
	return waitUntil(ctx, often, 3*time.Minute, name+" at zero", func() (bool, error) {
		deployment := &appsv1.Deployment{}
		if err := e.client.Get(ctx, client.ObjectKey{Namespace: clusterNamespace, Name: name}, deployment); err != nil {
			return false, err
		}
		if ptr.Deref(deployment.Spec.Replicas, 1) != 0 || deployment.Status.Replicas != 0 {
			return false, nil
		}
		pods := &corev1.PodList{}
		selector := client.MatchingLabels(deployment.Spec.Selector.MatchLabels)
		err := e.client.List(ctx, pods, client.InNamespace(clusterNamespace), selector)
		return len(pods.Items) == 0, err
	})
}

// wake asks once and returns how long the answer took.
func wake(ctx context.Context, interceptor, host string) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, interceptor, nil)
	if err != nil {
		return 0, err
	}
	request.Host = host
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return time.Since(start), err
}

// interceptor opens a way from this machine to the add-on's interceptor.
func (e *onEngines) interceptor(ctx context.Context) (address string, stop func(), err error) {
	pods := &corev1.PodList{}
	if err := e.client.List(ctx, pods, client.InNamespace("keda"), client.MatchingLabels{"app.kubernetes.io/instance": "interceptor"}); err != nil {
		return "", nil, err
	}
	if len(pods.Items) == 0 {
		return "", nil, fmt.Errorf("there is no interceptor of KEDA's HTTP add-on in namespace keda")
	}
	config, err := e.cluster.Config()
	if err != nil {
		return "", nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return "", nil, err
	}
	target := e.clientset.CoreV1().RESTClient().Post().Namespace("keda").Resource("pods").Name(pods.Items[0].Name).SubResource("portforward").URL()
	stopped, opened, failed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, target),
		[]string{"0:8080"}, stopped, opened, io.Discard, os.Stderr)
	if err != nil {
		return "", nil, err
	}
	go func() { failed <- forwarder.ForwardPorts() }()
	stop = func() { close(stopped) }
	select {
	case <-opened:
	case err := <-failed:
		return "", nil, fmt.Errorf("forwarding a port to the interceptor: %w", err)
	case <-ctx.Done():
		stop()
		return "", nil, ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return "", nil, err
	}
	return fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local), stop, nil
}
