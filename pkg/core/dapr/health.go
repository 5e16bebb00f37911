// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/pods"
	"github.com/openfunction/openfunction/pkg/daprd"
)

// proxy is the live workload of the agent or the shared daprd.
type proxy struct {
	role     string
	template corev1.PodTemplateSpec
	// settled tells that every pod wanted is of the current version and ready; available, how many pods are ready.
	settled   bool
	available int32
	// refusal is why pods cannot be made; empty when they can.
	refusal string
}

// Health judges the agent or the shared daprd among the live objects, with its pods. It returns false when there is none.
func Health(live []client.Object, all []corev1.Pod) (core.Health, bool) {
	p, found := findProxy(live)
	if !found {
		return core.Health{}, false
	}
	if p.settled {
		return core.Health{Phase: core.Running, Reason: corev1beta2.RunningReason, Message: p.title() + " is ready"}, true
	}
	current := slices.DeleteFunc(slices.Clone(all), func(pod corev1.Pod) bool { return !p.isCurrent(pod) })
	if _, message, broken := pods.Trouble(current); broken {
		return core.Health{Phase: core.Failed, Reason: corev1beta2.DaprFailedReason, Message: p.title() + " cannot run: " + message}, true
	}
	if p.role == agentRole && slices.ContainsFunc(current, lacksDaprd) {
		return core.Health{Phase: core.Failed, Reason: corev1beta2.DaprFailedReason, Message: fmt.Sprintf(
			"Dapr has not added daprd to the pod of the function agent; see that dapr-sidecar-injector runs, then delete the pod (kubectl delete pod -l %s=%s)",
			corev1beta2.ProxyLabel, p.template.Labels[corev1beta2.ProxyLabel])}, true
	}
	if p.refusal != "" {
		return core.Health{Phase: core.Failed, Reason: corev1beta2.DaprFailedReason, Message: p.title() + " cannot run: " + p.refusal}, true
	}
	message := p.title() + " is starting"
	if p.available > 0 {
		message += "; the one before keeps working"
	}
	return core.Health{Phase: core.Starting, Reason: corev1beta2.DaprStartingReason, Message: message}, true
}

func (p proxy) title() string {
	if p.role == agentRole {
		return "The function agent"
	}
	return "The shared daprd of the function"
}

func findProxy(live []client.Object) (proxy, bool) {
	for _, object := range live {
		if object.GetLabels()[corev1beta2.ProxyLabel] == "" {
			continue
		}
		switch workload := object.(type) {
		case *appsv1.Deployment:
			return proxyDeployment(workload), true
		case *appsv1.DaemonSet:
			return proxyDaemonSet(workload), true
		}
	}
	return proxy{}, false
}

func proxyDeployment(d *appsv1.Deployment) proxy {
	wanted, status := int32(1), d.Status
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	refusal := ""
	for _, condition := range status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			refusal = condition.Message
		}
	}
	return proxy{
		role: d.Labels[roleLabel], template: d.Spec.Template, available: status.AvailableReplicas, refusal: refusal,
		settled: status.ObservedGeneration >= d.Generation && status.UpdatedReplicas >= wanted &&
			status.Replicas == status.UpdatedReplicas && status.AvailableReplicas >= wanted,
	}
}

func proxyDaemonSet(d *appsv1.DaemonSet) proxy {
	status := d.Status
	return proxy{
		role: d.Labels[roleLabel], template: d.Spec.Template, available: status.NumberAvailable,
		settled: status.ObservedGeneration >= d.Generation && status.UpdatedNumberScheduled >= status.DesiredNumberScheduled &&
			status.NumberAvailable >= status.DesiredNumberScheduled && status.DesiredNumberScheduled > 0,
	}
}

// isCurrent tells whether a pod was made from the current template: others injected into it, but what was asked for is there.
func (p proxy) isCurrent(pod corev1.Pod) bool {
	if pod.Labels[roleLabel] != p.role || !pod.DeletionTimestamp.IsZero() {
		return false
	}
	for key, value := range p.template.Annotations {
		if pod.Annotations[key] != value {
			return false
		}
	}
	for _, wanted := range p.template.Spec.Containers {
		if !slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
			return c.Name == wanted.Name && c.Image == wanted.Image && slices.Equal(c.Args, wanted.Args)
		}) {
			return false
		}
	}
	return true
}

// lacksDaprd tells that Dapr's injector was not at work when the pod was made; it never looks at a pod again.
func lacksDaprd(pod corev1.Pod) bool {
	isDaprd := func(c corev1.Container) bool { return c.Name == daprd.ContainerName }
	return !slices.ContainsFunc(pod.Spec.Containers, isDaprd) && !slices.ContainsFunc(pod.Spec.InitContainers, isDaprd)
}
