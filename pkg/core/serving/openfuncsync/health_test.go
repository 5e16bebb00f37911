// SPDX-License-Identifier: Apache-2.0

package openfuncsync_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncsync"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
	"github.com/openfunction/openfunction/pkg/problem"
)

// serving is a Serving named hello with the host names and the options.
func serving(hostnames []gatewayv1.Hostname, options *corev1beta2.ScaleOptions) *corev1beta2.Serving {
	s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "hello", Namespace: "team"}}
	s.Spec.Image, s.Spec.ScaleOptions = "registry.example.com/hello:v1", options
	s.Spec.Triggers = &corev1beta2.Triggers{HTTP: &corev1beta2.HTTPTrigger{
		Engine: ptr.To(corev1beta2.EngineKeda), Route: &corev1beta2.Route{Hostnames: hostnames}}}
	return s
}

// live is what the run makes of a Serving, with the agent's Deployment before it, as the API server would show it.
func live(t *testing.T, change func(*appsv1.Deployment, *httpv1alpha1.HTTPScaledObject), pods ...func(corev1.PodTemplateSpec) corev1.Pod) core.Live {
	t.Helper()
	agent := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "hello--agent"}}
	live := core.Live{Objects: append([]client.Object{agent}, desired(t, input(serving(nil, nil)))...), ClusterDomain: "cluster.local"}
	deployment, scaler := live.Objects[1].(*appsv1.Deployment), live.Objects[3].(*httpv1alpha1.HTTPScaledObject)
	for _, pod := range pods {
		live.Pods = append(live.Pods, pod(deployment.Spec.Template))
	}
	change(deployment, scaler)
	return live
}

// ready is a ready pod of the template.
func ready(template corev1.PodTemplateSpec) corev1.Pod {
	return corev1.Pod{ObjectMeta: template.ObjectMeta, Status: corev1.PodStatus{
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
}

// reports gives the scaler its Ready condition, about the generation that lies back so far.
func reports(scaler *httpv1alpha1.HTTPScaledObject, status metav1.ConditionStatus, message string, back int64) {
	scaler.Generation = 5
	scaler.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Message: message, ObservedGeneration: 5 - back}}
}

func TestHealth(t *testing.T) {
	type scaler = *httpv1alpha1.HTTPScaledObject
	running := core.Health{Phase: core.Running, Reason: "Running", Message: "This version serves"}
	unseen := core.Health{Phase: core.Starting, Reason: "Starting", Message: "KEDA has not looked at HTTPScaledObject hello--http yet"}
	refused := core.Health{Phase: core.Failed, Reason: corev1beta2.ScalerFailedReason,
		Message: "KEDA cannot work with HTTPScaledObject hello--http: Failed to create scaled objects: no; " +
			"look at its events (kubectl describe httpscaledobject hello--http) and change spec.serving.scaleOptions.keda"}
	for _, test := range []struct {
		name, because string
		live          core.Live
		want          core.Health
		hasStarted    bool
	}{
		{"Missing", "a missing object is about to be made", core.Live{},
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "The Deployment of this version is being made"}, false},
		{"NoCopy", "nobody knows whether it can start", live(t, func(_ *appsv1.Deployment, s scaler) { reports(s, metav1.ConditionTrue, "", 0) }),
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "No copy of this version is ready yet"}, false},
		{"Unseen", "the interceptor may not know the function", live(t, func(*appsv1.Deployment, scaler) {}, ready), unseen, true},
		{"Ready", "requests reach it", live(t, func(_ *appsv1.Deployment, s scaler) { reports(s, metav1.ConditionTrue, "", 0) }, ready), running, true},
		{"ReadyBefore", "what was good is not worse for a new bound", live(t, func(_ *appsv1.Deployment, s scaler) { reports(s, metav1.ConditionTrue, "", 1) }, ready), running, true},
		{"Refused", "it would never scale", live(t, func(_ *appsv1.Deployment, s scaler) {
			reports(s, metav1.ConditionFalse, "Failed to create scaled objects: no", 0)
		}, ready), refused, true},
		{"RefusedBefore", "the user has just mended it", live(t, func(_ *appsv1.Deployment, s scaler) { reports(s, metav1.ConditionFalse, "no", 1) }, ready), unseen, true},
		{"AtZero", "it has started before", live(t, func(d *appsv1.Deployment, s scaler) {
			metav1.SetMetaDataAnnotation(&d.ObjectMeta, corev1beta2.StartedAnnotation, workload.Version(d.Spec.Template))
			reports(s, metav1.ConditionTrue, "", 0)
		}), running, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, openfuncsync.Run{}.Health(test.live)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
			if got := (openfuncsync.Run{}).HasStarted(test.live); got != test.hasStarted {
				t.Errorf("%s: has started is %t", test.because, got)
			}
		})
	}
}

func TestBackendIsTheInterceptor(t *testing.T) {
	want := route.Backend{Address: "interceptor.keda.svc.cluster.local:8080", Host: "hello.team.svc.cluster.local"}
	if diff := cmp.Diff(want, openfuncsync.Run{}.Backend(input(serving(nil, nil)))); diff != "" {
		t.Error(diff)
	}
}

func TestVersionIsThatOfTheDeployment(t *testing.T) {
	in := input(serving(nil, nil))
	deployment := desired(t, in)[0].(*appsv1.Deployment)
	if got := version(t, in); got != workload.Version(deployment.Spec.Template) {
		t.Errorf("the version %s is not that of the pods, %s", got, workload.Version(deployment.Spec.Template))
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, test := range []struct {
		name, because string
		serving       *corev1beta2.Serving
		refused       bool
	}{
		{"OwnName", "it is the function's own", serving([]gatewayv1.Hostname{"hello.team.svc.cluster.local", "hello.team"}, nil), false},
		{"OtherService", "one namespace must not take the requests of another", serving([]gatewayv1.Hostname{"hello.victim.svc.cluster.local"}, nil), true},
		{"OtherServiceShort", "callers write it so, too", serving([]gatewayv1.Hostname{"hello.victim.svc"}, nil), true},
		{"AllServices", "this would be the requests of all", serving([]gatewayv1.Hostname{"*.victim.svc.cluster.local"}, nil), true},
		{"Crossed", "each pair is right, and both together are not", serving(nil, &corev1beta2.ScaleOptions{MinReplicas: ptr.To[int32](5),
			Keda: &corev1beta2.KedaScaleOptions{HTTPScaledObject: &corev1beta2.HTTPScaledObject{MaxReplicaCount: ptr.To[int32](3)}}}), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := openfuncsync.Run{}.Desired(input(test.serving))
			stalled, is := problem.AsStalled(err)
			if is != test.refused || (is && stalled.Reason != corev1beta2.InvalidSpecReason) {
				t.Errorf("%s: %v", test.because, err)
			}
		})
	}
}

func TestPathPrefixes(t *testing.T) {
	path := func(kind gatewayv1.PathMatchType, value string) gatewayv1.HTTPRouteMatch {
		return gatewayv1.HTTPRouteMatch{Path: &gatewayv1.HTTPPathMatch{Type: ptr.To(kind), Value: ptr.To(value)}}
	}
	prefix := func(value string) gatewayv1.HTTPRouteMatch { return path(gatewayv1.PathMatchPathPrefix, value) }
	for _, test := range []struct {
		name, because string
		rules         []gatewayv1.HTTPRouteRule
		want          []string
		// routes is whether an InterceptorRoute is made.
		routes bool
	}{
		{"None", "every path is the function's", nil, nil, false},
		{"Empty", "this is how every path was always written", []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{prefix("")}}}, []string{"/"}, false},
		{"NoMatch", "a rule without a match is for every path", []gatewayv1.HTTPRouteRule{{}}, []string{"/"}, false},
		{"NoPath", "a match without a path is for every path", []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{{}}}}, []string{"/"}, false},
		{"Expression", "the interceptor knows no expressions", []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{
			path(gatewayv1.PathMatchRegularExpression, "/a.*")}}}, []string{"/"}, false},
		{"Some", "others share the host name", []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{prefix("/a"), prefix("/b")}},
			{Matches: []gatewayv1.HTTPRouteMatch{prefix("/a")}}}, []string{"/a", "/b"}, true},
		{"SomeAndAll", "all are all", []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{prefix("/a"), prefix("/")}}}, []string{"/a", "/"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serving([]gatewayv1.Hostname{"example.com"}, nil)
			s.Spec.Triggers.HTTP.Route.Rules = test.rules
			objects := desired(t, input(s))
			if diff := cmp.Diff(test.want, objects[2].(*httpv1alpha1.HTTPScaledObject).Spec.PathPrefixes); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
			if routes := len(objects) == 4; routes != test.routes {
				t.Errorf("%s: %d objects", test.because, len(objects))
			}
		})
	}
}

func TestWhenTheInterceptorIsToldOfCopiesThatAreNotReady(t *testing.T) {
	template := func(change func(*corev1.PodSpec)) *corev1beta2.Serving {
		s := serving(nil, nil)
		s.Spec.Template = &corev1.PodSpec{Containers: []corev1.Container{{Name: "function"}}}
		change(s.Spec.Template)
		return s
	}
	for _, test := range []struct {
		name, because string
		serving       *corev1beta2.Serving
		started, want bool
	}{
		{"New", "a rollout replaces ready copies by ready ones only", serving(nil, nil), false, false},
		{"AtRest", "a caller waits, and the interceptor asks more often than the kubelet", serving(nil, nil), true, true},
		{"NeverAtRest", "nobody waits for a copy", serving(nil, &corev1beta2.ScaleOptions{MinReplicas: ptr.To[int32](1)}), true, false},
		{"Template", "the user does not say when it is ready", template(func(*corev1.PodSpec) {}), true, true},
		{"Probe", "the user says when it is ready", template(func(pod *corev1.PodSpec) { pod.Containers[0].ReadinessProbe = &corev1.Probe{} }), true, false},
		{"Gate", "the user says when it is ready", template(func(pod *corev1.PodSpec) { pod.ReadinessGates = []corev1.PodReadinessGate{{}} }), true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := input(test.serving)
			if test.started {
				in.Started = version(t, in)
			}
			if got := desired(t, in)[1].(*corev1.Service).Spec.PublishNotReadyAddresses; got != test.want {
				t.Errorf("%s: got %t", test.because, got)
			}
		})
	}
}
