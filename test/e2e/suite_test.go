// SPDX-License-Identifier: Apache-2.0

// Package e2e shows every capability on a real cluster with the real engines. It uses the cluster that KUBECONFIG names, and
// otherwise the local one.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	controllers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/hack/platform"
	"github.com/openfunction/openfunction/test/e2e/brokers"
)

// root is the checkout.
const root = "../.."

// parts are what the suite needs of a cluster beyond what every function does. On a cluster of the user's own the brokers are the Services
// redis, nats, rabbitmq and mosquitto in the namespace brokers, as in hack/cluster.
var parts = []string{"keda", "keda-http", "dapr", "redis", "nats", "rabbitmq", "mosquitto"}

// namespace is where the functions of the suite live. Every process of every run has its own: one that is being removed waits for minutes for
// the pods in it.
var namespace string

var (
	cluster platform.Cluster
	images  platform.Images
	c       client.Client
)

// shared is what the first process of the suite tells the others.
type shared struct {
	Cluster   platform.Cluster
	Plain     bool
	Images    platform.Images
	Workers   workers
	Namespace string
}

func TestE2E(t *testing.T) {
	log.SetLogger(logr.Discard())
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(2 * time.Minute)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyPollingInterval(250 * time.Millisecond)
	RunSpecs(t, "e2e")
}

var _ = SynchronizedBeforeSuite(func(ctx SpecContext) []byte {
	checkout, err := filepath.Abs(root)
	Expect(err).NotTo(HaveOccurred())
	all := shared{Namespace: fmt.Sprintf("openfunction-e2e-%d", time.Now().Unix())}
	all.Cluster, err = platform.Find(ctx, checkout, GinkgoWriter, parts...)
	Expect(err).NotTo(HaveOccurred())
	all.Plain = all.Cluster.PlainRegistry
	all.Images.Builder = all.Cluster.RegistryCluster + "/openfunction/builder-go:latest"
	if os.Getenv("E2E_INSTALLED") == "" { // set it to try specs out against what is installed
		all.Images, err = platform.Build(ctx, checkout, all.Cluster, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		Expect(platform.Install(ctx, checkout, all.Cluster, all.Images, GinkgoWriter)).To(Succeed())
	}
	all.Workers = buildWorkers(ctx)
	text, err := json.Marshal(all)
	Expect(err).NotTo(HaveOccurred())
	return text
}, func(ctx SpecContext, text []byte) {
	var all shared
	Expect(json.Unmarshal(text, &all)).To(Succeed())
	cluster, images, worker = all.Cluster, all.Images, all.Workers
	cluster.PlainRegistry = all.Plain
	namespace = fmt.Sprintf("%s-%d", all.Namespace, GinkgoParallelProcess())
	config, err := cluster.Config()
	Expect(err).NotTo(HaveOccurred())
	c, err = client.New(config, client.Options{Scheme: controllers.NewScheme()})
	Expect(err).NotTo(HaveOccurred())

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	Expect(c.Create(ctx, ns)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(c.Delete(ctx, ns)).To(Succeed()) })
	redis = &brokers.Redis{Address: forward(ctx, "brokers", "service/redis", 6379)}
}, NodeTimeout(60*time.Minute))

// long marks the containers that take a minute or more. They begin first, so that no process waits for another at the end.
const long = SpecPriority(1)

// lastContainer is the container of the spec before, on this process.
var lastContainer string

// The functions of a container go when the next one begins: scalers go on asking, and Dapr's operator has two workloads fight for one Service after a
// mode has changed (docs/spec/dapr.md), which takes the processors away from the specs that follow.
var _ = BeforeEach(func(ctx SpecContext) {
	container := CurrentSpecReport().ContainerHierarchyTexts[0]
	if lastContainer != "" && container != lastContainer {
		Expect(c.DeleteAllOf(ctx, &corev1beta2.Function{}, client.InNamespace(namespace))).To(Succeed())
	}
	lastContainer = container
})

// ReportAfterEach shows the world as a user would look at it when a spec failed.
var _ = ReportAfterEach(func(ctx SpecContext, report SpecReport) {
	if !report.Failed() || cluster.Kubectl == "" {
		return
	}
	for _, args := range [][]string{
		{"get", "fn,fb,sv,taskruns,ksvc,deployments,statefulsets,jobs,scaledobjects,scaledjobs,httpscaledobjects,components,pods", "-o", "wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"get", "fn", "-o", "yaml"},
	} {
		AddReportEntry(strings.Join(args, " "), kubectl(ctx, args...))
	}
})

// named are the names of the suite's objects in some lists: what kubectl would tell, without a program that starts each time it is asked.
func named(ctx context.Context, lists ...client.ObjectList) ([]string, error) {
	var names []string
	for _, list := range lists {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		if err := meta.EachListItem(list, func(o runtime.Object) error {
			names = append(names, o.(client.Object).GetName())
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// belongTo matches the name of a function and the names of what is made for it.
func belongTo(name string) types.GomegaMatcher { return MatchRegexp(`^%s(-|$)`, name) }

// seldom is how often kubectl is asked over and over: every time it is a program that starts, on cores that the cluster needs.
const seldom = time.Second

func kubectl(ctx context.Context, args ...string) string {
	text, err := exec.CommandContext(ctx, cluster.Kubectl, append([]string{"--kubeconfig", cluster.Kubeconfig, "-n", namespace}, args...)...).CombinedOutput()
	if err != nil {
		return string(text) + err.Error()
	}
	return string(text)
}

// loadGit makes a folder of testdata a repository of the cluster's git server; with "--private", one that asks who is there.
func loadGit(ctx context.Context, folder string, flags ...string) {
	GinkgoHelper()
	dir, err := filepath.Abs(filepath.Join("testdata", folder))
	Expect(err).NotTo(HaveOccurred())
	command := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "hack/cluster"), ".", "load-git")
	command.Args = append(append(command.Args, flags...), dir, folder)
	command.Env = os.Environ()
	text, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(text))
}
