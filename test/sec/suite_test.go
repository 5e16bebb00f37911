// SPDX-License-Identifier: Apache-2.0

package sec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openfunction/openfunction/test/kit"
)

var (
	cp *kit.ControlPlane
	// core, webhook and router are the programs as they are installed.
	core, webhook, router *program
)

func TestSec(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Security")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	// The audit log is wanted here in any case.
	if os.Getenv(kit.AuditFolder) == "" {
		GinkgoT().Setenv(kit.AuditFolder, GinkgoT().TempDir())
	}
	var err error
	cp, err = kit.Start(ctx, kit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cp.Stop()).To(Succeed()) })
	for _, name := range []string{"openfunction", "keda", "dapr-system"} {
		Expect(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	}
	Expect(cp.Client.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "dapr-trust-bundle", Namespace: "dapr-system"},
		Data: map[string]string{"ca.crt": "ANCHORS"}})).To(Succeed())
	Expect(cp.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "openfunction-webhook-certificate", Namespace: "openfunction"}})).To(Succeed())
	playing, end := context.WithCancel(context.Background())
	DeferCleanup(end)
	Expect(cp.PlayEngines(playing)).To(Succeed())

	core = start(ctx, "core", []string{"config/rbac/role.yaml", "config/rbac/service_account.yaml"}, "--namespace=openfunction", "--leader-elect", "--health-probe-bind-address=0",
		"--fetcher-image=registry.example.test/fetcher:v1", "--agent-image=registry.example.test/agent:v1", "--dockerfile-image=registry.example.test/kaniko:v1")
	webhook = start(ctx, "webhook", []string{"config/webhook/cluster_role.yaml", "config/webhook/role.yaml"}, "--namespace=openfunction",
		"--health-probe-bind-address=0", "--port="+freePort())
	router = start(ctx, "router", []string{"config/router/cluster_role.yaml"}, "--listen=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0",
		"--drain-delay=0s")
}, NodeTimeout(10*time.Minute))

// program is a program of the platform that runs with the rights of its ServiceAccount.
type program struct {
	// log is the file with all that it prints.
	log     string
	metrics string
}

// start builds a program, gives a user the roles of its ServiceAccount and runs it as that user until the suite ends, with all that it can log.
func start(ctx context.Context, name string, roles []string, args ...string) *program {
	GinkgoHelper()
	root, err := kit.Root()
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(GinkgoT().TempDir(), name)
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/"+name)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0") // as in the images, also where the suite has the race detector
	text, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(text))
	_, kubeconfig, err := cp.UserWith(ctx, "openfunction-"+name, roles...)
	Expect(err).NotTo(HaveOccurred())

	metrics := "127.0.0.1:" + freePort()
	p := &program{log: path + ".log", metrics: "http://" + metrics + "/metrics"}
	log, err := os.Create(p.log)
	Expect(err).NotTo(HaveOccurred())
	command := exec.Command(path, append(args, "--kubeconfig="+kubeconfig, "--metrics-bind-address="+metrics, "-v=5")...)
	// An older API server has no watches that begin with all there is; lists are what programs ask such a one for.
	command.Env = append(os.Environ(), "KUBE_FEATURE_WatchListClient=false")
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	Expect(command.Start()).To(Succeed())
	DeferCleanup(func() error {
		defer log.Close()
		err := command.Process.Signal(syscall.SIGTERM)
		return errors.Join(err, command.Wait())
	})
	return p
}

func freePort() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

// logged is all that the program has printed.
func (p *program) logged() string {
	GinkgoHelper()
	text, err := os.ReadFile(p.log)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// measured is what the program tells Prometheus.
func (p *program) measured(ctx context.Context) string {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.metrics, nil)
	Expect(err).NotTo(HaveOccurred())
	answer, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}
