// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// inside is how a function is called inside the cluster.
func inside(name string) string { return "http://" + name + "." + namespace + ".svc.cluster.local/" }

// prober is where the pod listens that asks functions as other pods do (testdata/worker/probe.go).
var prober string

// startProbe starts that pod.
func startProbe(ctx context.Context) {
	GinkgoHelper()
	applyYAML(ctx, `
apiVersion: v1
kind: Pod
metadata: {name: probe}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: probe, image: $WORKER, args: [probe], readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}]
`)
	kubectlWith(ctx, "", "wait", "pod/probe", "--for=condition=Ready", "--timeout=120s")
	prober = forward(ctx, namespace, "pod/probe", 8080)
}

// probe has that pod ask a function.
func probe(ctx context.Context, way string, args url.Values) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+prober+"/"+way+"?"+args.Encode(), nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(text)))
	}
	return string(text), err
}

// answerOf is what a URL answers to a pod, and how long that took.
func answerOf(ctx context.Context, address string) (text, took string, err error) {
	all, err := probe(ctx, "get", url.Values{"url": {address}})
	text, took, _ = strings.Cut(all, " ")
	return text, took, err
}

// answer is what a function answers to a pod.
func answer(ctx context.Context, name string) (string, error) {
	text, _, err := answerOf(ctx, inside(name))
	return text, err
}

// always is longer than a spec.
const always = 10 * time.Minute

// podLoad are requests from inside the cluster.
type podLoad struct {
	address string
	text    chan string
}

// startPodLoad asks a function over and over, for that long or until end is called.
func startPodLoad(ctx context.Context, name string, length time.Duration) podLoad {
	l := podLoad{address: inside(name), text: make(chan string, 1)}
	go func() {
		text, err := probe(ctx, "load", url.Values{"url": {l.address}, "for": {length.String()}})
		if err != nil {
			text = err.Error()
		}
		l.text <- text
	}()
	return l
}

// end ends it before its time, and with it every other load of the function.
func (l podLoad) end(ctx context.Context) map[string]int {
	GinkgoHelper()
	_, err := probe(ctx, "end", url.Values{"url": {l.address}})
	Expect(err).NotTo(HaveOccurred())
	return l.answers(ctx)
}

// answers waits for its end and returns how often each answer came; failures are answers that begin with "error".
func (l podLoad) answers(ctx context.Context) map[string]int {
	GinkgoHelper()
	var text string
	Eventually(ctx, l.text).Should(Receive(&text))
	answers := map[string]int{}
	Expect(json.Unmarshal([]byte(text), &answers)).To(Succeed(), text)
	return answers
}
