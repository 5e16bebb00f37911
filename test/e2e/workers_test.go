// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// workers are the function images that are not built on the cluster: testdata/worker in three versions, and a function with the established
// functions framework.
type workers struct {
	// One and Two answer "one" and "two"; Broken ends at once.
	One, Two, Broken string
	// Framework is testdata/framework.
	Framework string
	// Kafka is testdata/kafka, a broker.
	Kafka string
}

var worker workers

// buildWorkers builds the images and pushes them.
func buildWorkers(ctx context.Context) workers {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	build := func(repository, folder, ldflags string) string {
		program := filepath.Join(dir, filepath.Base(repository))
		command := exec.CommandContext(ctx, "go", "build", "-C", folder, "-trimpath", "-buildvcs=false", "-ldflags=-s -w "+ldflags, "-o", program, ".")
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		text, err := command.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(text))
		push := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "hack/cluster"), ".", "load-image", "--entrypoint=/worker", repository, program)
		push.Stderr = GinkgoWriter
		text, err = push.Output()
		Expect(err).NotTo(HaveOccurred(), string(text))
		return strings.TrimSpace(string(text))
	}
	version := func(v string) string { return build("e2e/worker-"+v, "testdata/worker", "-X main.version="+v) }
	return workers{One: version("one"), Two: version("two"), Broken: version("broken"), Framework: build("e2e/framework", "testdata/framework", ""),
		Kafka: build("e2e/kafka", "testdata/kafka", "")}
}

// fn is a Function of a worker image.
type fn struct {
	name string
	// image is the image, $WORKER when empty.
	image string
	// params are what the worker reads besides KEY and REDIS.
	params map[string]string
	// serving is the rest of spec.serving, in YAML.
	serving string
	// annotations are the Function's own.
	annotations map[string]string
}

// redisService is Redis as pods see it.
const redisService = "redis.brokers.svc.cluster.local:6379"

// manifest is the Function as a user would write it.
func (f fn) manifest() string {
	GinkgoHelper()
	serving := map[string]any{}
	Expect(yaml.Unmarshal([]byte(manifest(f.serving)), &serving)).To(Succeed())
	params := map[string]string{"KEY": ledgerOf(f.name).key, "REDIS": redisService}
	maps.Copy(params, f.params)
	serving["params"] = params
	metadata := map[string]any{"name": f.name}
	if f.annotations != nil {
		metadata["annotations"] = f.annotations
	}
	image := f.image
	if image == "" {
		image = "$WORKER"
	}
	text, err := yaml.Marshal(map[string]any{"metadata": metadata, "spec": map[string]any{"image": image, "serving": serving}})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// ledger is what the copies of one function wrote down.
type ledger struct{ key string }

func ledgerOf(function string) ledger { return ledger{namespace + "/" + function} }

// clear forgets what was written down: a spec that is tried again counts anew.
func (l ledger) clear(ctx context.Context) {
	GinkgoHelper()
	_, err := redis.Int(ctx, "DEL", l.key+":ids", l.key+":times", l.key+":refused", l.key+":pods")
	Expect(err).NotTo(HaveOccurred())
}

// ids are the events that were worked on to the end.
func (l ledger) ids(ctx context.Context) []string {
	GinkgoHelper()
	ids, err := redis.Strings(ctx, "SMEMBERS", l.key+":ids")
	Expect(err).NotTo(HaveOccurred())
	return ids
}

// count is how many different events were worked on, and times how often any was.
func (l ledger) count(ctx context.Context) int {
	GinkgoHelper()
	n, err := redis.Int(ctx, "SCARD", l.key+":ids")
	Expect(err).NotTo(HaveOccurred())
	return int(n)
}

func (l ledger) times(ctx context.Context) int {
	GinkgoHelper()
	n, err := redis.Int(ctx, "GET", l.key+":times")
	Expect(err).NotTo(HaveOccurred())
	return int(n)
}

// refused is how often somebody came with a wrong token.
func (l ledger) refused(ctx context.Context) int {
	GinkgoHelper()
	n, err := redis.Int(ctx, "GET", l.key+":refused")
	Expect(err).NotTo(HaveOccurred())
	return int(n)
}

// pods are the copies that worked on events.
func (l ledger) pods(ctx context.Context) int {
	GinkgoHelper()
	n, err := redis.Int(ctx, "SCARD", l.key+":pods")
	Expect(err).NotTo(HaveOccurred())
	return int(n)
}

// has waits until every event that was sent was worked on, tells what is missing when one was not, and reports how many came again.
func (l ledger) has(ctx context.Context, sent []string) {
	GinkgoHelper()
	start := time.Now()
	Eventually(ctx, func() []string { return missing(sent, l.ids(ctx)) }).Should(BeEmpty(), "events that were sent and not worked on")
	AddReportEntry(l.key, fmt.Sprintf("%d events, %d worked on again, %d pods, done %.1f s after the last was sent",
		len(sent), l.times(ctx)-len(sent), l.pods(ctx), time.Since(start).Seconds()))
}

func missing(sent, got []string) []string {
	have := map[string]bool{}
	for _, id := range got {
		have[id] = true
	}
	var missing []string
	for _, id := range sent {
		if !have[id] {
			missing = append(missing, id)
		}
	}
	return missing
}
