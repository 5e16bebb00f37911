// SPDX-License-Identifier: Apache-2.0

// Command demo shows the platform at work: a cluster if none is given, the platform on it, a Function from Go source to an HTTP answer,
// down to zero and back. It prints each stage as it happens and how long it took, and ends with an error when a stage fails.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"text/template"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	controllers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/hack/platform"
)

// namespace is where the demo's function lives.
const namespace = "openfunction-demo"

//go:embed function.yaml
var sample string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard())
	d := &demo{out: os.Stdout, began: time.Now()}
	if err := d.run(ctx); err != nil {
		d.table()
		fmt.Fprintf(os.Stderr, "\nThe demo failed: %v\n", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
	d.table()
}

// demo is one run: what was found so far, and how long each stage took.
type demo struct {
	out     io.Writer
	began   time.Time
	stages  []stage
	cluster platform.Cluster
	images  platform.Images
	client  client.Client
	name    client.ObjectKey
	address string
}

type stage struct {
	name string
	took time.Duration
}

func (d *demo) run(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"A cluster with Tekton and Knative", d.findCluster},
		{"The images of this checkout", d.buildImages},
		{"The platform on the cluster", d.install},
		{"A Function, applied from source", d.apply},
		{"Built by Tekton", d.built},
		{"Served by Knative", d.served},
		{"The first answer", d.ask},
		{"Scaled to zero", d.scaledToZero},
		{"The answer from zero", d.ask},
	} {
		d.say("== %s", step.name)
		start := time.Now()
		err := step.do(ctx)
		d.stages = append(d.stages, stage{step.name, time.Since(start)})
		if err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(step.name[:1])+step.name[1:], err)
		}
		d.say("   done in %s", round(time.Since(start)))
	}
	d.say("\nThe function stays; look at it with\n  export KUBECONFIG=%s\n  %s -n %s get fn,fb,sv\n  %s -n %s describe fn %s",
		d.cluster.Kubeconfig, d.cluster.Kubectl, namespace, d.cluster.Kubectl, namespace, d.name.Name)
	return nil
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "[%6s] "+format+"\n", append([]any{round(time.Since(d.began))}, args...)...)
}

func (d *demo) table() {
	d.say("How long each stage took")
	table := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	for _, s := range d.stages {
		fmt.Fprintf(table, "  %s\t%s\n", s.name, round(s.took))
	}
	fmt.Fprintf(table, "  In all\t%s\n", round(time.Since(d.began)))
	table.Flush()
}

func (d *demo) findCluster(ctx context.Context) (err error) {
	d.cluster, err = platform.Find(ctx, ".", d.out)
	return err
}

func (d *demo) buildImages(ctx context.Context) (err error) {
	d.images, err = platform.Build(ctx, ".", d.cluster, d.out)
	return err
}

func (d *demo) install(ctx context.Context) error {
	if err := platform.Install(ctx, ".", d.cluster, d.images, d.out); err != nil {
		return err
	}
	config, err := d.cluster.Config()
	if err != nil {
		return err
	}
	d.client, err = client.New(config, client.Options{Scheme: controllers.NewScheme()})
	return err
}

// apply removes what an earlier demo left and applies the sample.
func (d *demo) apply(ctx context.Context) error {
	var text strings.Builder
	if err := template.Must(template.New("function").Parse(sample)).Execute(&text, map[string]string{
		"Registry": d.cluster.RegistryCluster, "Builder": d.images.Builder,
	}); err != nil {
		return err
	}
	d.say("%s", indent(text.String()))
	function := &corev1beta2.Function{}
	if err := yaml.UnmarshalStrict([]byte(text.String()), function); err != nil {
		return err
	}
	function.Namespace = namespace
	d.name = client.ObjectKeyFromObject(function)
	if err := d.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	foreground := client.PropagationPolicy(metav1.DeletePropagationForeground)
	if err := d.client.Delete(ctx, function.DeepCopy(), foreground); client.IgnoreNotFound(err) != nil {
		return err
	}
	return d.until(ctx, 6*time.Minute, "the function of an earlier demo to go", func() (bool, error) {
		err := d.client.Create(ctx, function.DeepCopy())
		if apierrors.IsAlreadyExists(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func (d *demo) built(ctx context.Context) error {
	return d.follow(ctx, 10*time.Minute, corev1beta2.BuiltCondition)
}

func (d *demo) served(ctx context.Context) error {
	return d.follow(ctx, 5*time.Minute, corev1beta2.ReadyCondition)
}

// follow prints what a condition says each time it changes, until it is True; it fails when it is False.
func (d *demo) follow(ctx context.Context, limit time.Duration, conditionType string) error {
	said := ""
	return d.until(ctx, limit, "condition "+conditionType, func() (bool, error) {
		function := &corev1beta2.Function{}
		if err := d.client.Get(ctx, d.name, function); err != nil {
			return false, err
		}
		condition := meta.FindStatusCondition(function.Status.Conditions, conditionType)
		if condition == nil || condition.ObservedGeneration != function.Generation {
			return false, nil
		}
		if line := condition.Reason + ": " + condition.Message; line != said {
			said = line
			d.say("   %s", line)
		}
		for _, address := range function.Status.Addresses {
			d.address = address.Value
		}
		if condition.Status == metav1.ConditionFalse {
			return false, d.explain(function, condition)
		}
		return condition.Status == metav1.ConditionTrue, nil
	})
}

func (d *demo) explain(function *corev1beta2.Function, condition *metav1.Condition) error {
	if build := function.Status.Build; build != nil && build.Failure != nil {
		d.say("The end of the log of step %q:\n%s", build.Failure.Step, indent(build.Failure.Log))
	}
	return errors.New(condition.Message)
}

// ask sends one request the way a user of the address would; the local cluster's names do not resolve here, so there the
// request goes to its ingress under the name.
func (d *demo) ask(ctx context.Context) error {
	address, err := url.Parse(d.address)
	if err != nil {
		return err
	}
	host := address.Host
	if d.cluster.IngressHost != "" {
		address.Host = d.cluster.IngressHost
	}
	address.RawQuery = "name=world"
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return err
	}
	request.Host = host
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return err
	}
	d.say("   GET %s -> %s in %s: %s", d.address, response.Status, round(time.Since(start)), strings.TrimSpace(string(body)))
	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), "Hello, world") {
		return fmt.Errorf("the function answered %s: %s", response.Status, body)
	}
	return nil
}

func (d *demo) scaledToZero(ctx context.Context) error {
	said := -1
	return d.until(ctx, 5*time.Minute, "the last pod to go", func() (bool, error) {
		pods := &corev1.PodList{}
		err := d.client.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels{corev1beta2.ServingLabel: d.name.Name})
		if len(pods.Items) != said {
			said = len(pods.Items)
			d.say("   %d pods", said)
		}
		return err == nil && said == 0, err
	})
}

// until asks again and again whether something is so.
func (d *demo) until(ctx context.Context, limit time.Duration, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := is(); err != nil || yes {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %s in vain for %s", limit, what)
		}
	}
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
