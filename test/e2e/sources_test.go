// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openfunction/openfunction/test/e2e/brokers"
)

// redis is the Redis of the cluster: what the functions of the suite write their ledgers to, and a broker.
var redis *brokers.Redis

// forward makes a port of service/NAME or pod/NAME reachable until the end of the node it is called in, and returns where.
func forward(ctx context.Context, ns, target string, port int) string {
	GinkgoHelper()
	command := exec.CommandContext(context.WithoutCancel(ctx), cluster.Kubectl, "--kubeconfig", cluster.Kubeconfig, "-n", ns,
		"port-forward", "--address=127.0.0.1", target, fmt.Sprintf(":%d", port))
	command.Stderr = GinkgoWriter
	out, err := command.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(command.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := bufio.NewScanner(out)
	Expect(lines.Scan()).To(BeTrue(), "kubectl port-forward to %s ended", target)
	found := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(lines.Text())
	Expect(found).NotTo(BeEmpty(), lines.Text())
	go func() {
		for lines.Scan() { // a full pipe would stop it
		}
	}()
	return found
}

// batch makes the ids of n events.
func batch(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return ids
}

// payload is an event of the worker that asks for nothing but to be written down.
func payload(id string) []byte { return fmt.Appendf(nil, `{"id":%q}`, id) }

// cloudEvent is what Dapr sends for a payload.
func cloudEvent(topic, id string, data []byte) []byte {
	GinkgoHelper()
	text, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "e2e", "type": "com.dapr.event.sent", "datacontenttype": "application/json",
		"topic": topic, "data": json.RawMessage(data),
	})
	Expect(err).NotTo(HaveOccurred())
	return text
}

// sendRedis appends to the stream that a topic of pubsub.redis is.
func sendRedis(ctx context.Context, topic string, ids ...string) {
	GinkgoHelper()
	for _, id := range ids {
		_, err := redis.Do(ctx, "XADD", topic, "*", "data", string(cloudEvent(topic, id, payload(id))))
		Expect(err).NotTo(HaveOccurred())
	}
}

// stream sends events to a topic of pubsub.redis, about twenty a second, until it is stopped.
type stream struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	sent   []string
	err    error
}

func startStream(ctx context.Context, topic string) *stream {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	s := &stream{cancel: cancel}
	s.done.Go(func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			id := fmt.Sprintf("stream-%05d", i)
			if _, err := redis.Do(context.WithoutCancel(ctx), "XADD", topic, "*", "data", string(cloudEvent(topic, id, payload(id)))); err != nil {
				s.err = err
				return
			}
			s.sent = append(s.sent, id)
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
	DeferCleanup(func() { s.stop() })
	return s
}

// stop ends it and returns what was sent.
func (s *stream) stop() []string {
	s.cancel()
	s.done.Wait()
	ExpectWithOffset(1, s.err).NotTo(HaveOccurred())
	return s.sent
}

// sendNATS publishes to a subject of a JetStream stream.
func sendNATS(nats *brokers.NATS, subject string, ids ...string) {
	GinkgoHelper()
	for _, id := range ids {
		Expect(nats.Publish(subject, cloudEvent(subject, id, payload(id)))).To(Succeed())
	}
}

// sendMQTT publishes bare payloads.
func sendMQTT(mqtt *brokers.MQTT, topic string, ids ...string) {
	GinkgoHelper()
	for _, id := range ids {
		Expect(mqtt.Publish(topic, payload(id))).To(Succeed())
	}
}
