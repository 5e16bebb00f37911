// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openfunction/openfunction/test/kit"
)

// sender sends a request to the API server.
type sender = func(*http.Request) (*http.Response, error)

// wrongs are what a request may be answered by in the place of the truth: a status, or a connection that breaks before the request has
// arrived, or after it was carried out.
var wrongs = []string{"403", "404", "409", "422", "429", "500", "503", "504", "reset-before", "reset-after"}

// passing are those of them that every client has to expect of a request that was right.
var passing = []string{"409", "429", "500", "503", "504", "reset-before", "reset-after"}

var reasons = map[int]metav1.StatusReason{
	403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound, 409: metav1.StatusReasonConflict, 422: metav1.StatusReasonInvalid,
	429: metav1.StatusReasonTooManyRequests, 500: metav1.StatusReasonInternalError, 503: metav1.StatusReasonServiceUnavailable, 504: metav1.StatusReasonTimeout,
}

// answerWith gives a request a wrong answer.
func answerWith(wrong string, c kit.Call, req *http.Request, send sender) (*http.Response, error) {
	reset := fmt.Errorf("the campaign broke the connection: %w", syscall.ECONNRESET)
	switch wrong {
	case "reset-before":
		return nil, reset
	case "reset-after":
		resp, err := send(req)
		if err != nil {
			return nil, err
		}
		if c.Verb != "watch" { // which does not end by itself
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		_ = resp.Body.Close()
		return nil, reset
	}
	code, err := strconv.Atoi(wrong)
	if err != nil {
		return nil, err
	}
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reasons[code],
		Message: "the campaign answers " + wrong, Details: &metav1.StatusDetails{Name: c.Name, Group: c.Group, Kind: c.Resource},
	}
	if code == http.StatusConflict && c.Verb == "create" {
		status.Reason = metav1.StatusReasonAlreadyExists
	}
	body, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Proto: "HTTP/2.0", ProtoMajor: 2, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// wrongAnswer is the fault that one call, or each once, is answered wrongly.
type wrongAnswer struct {
	wrong string
	// call is what is asked, the nth time since the fault was armed; empty means each call the first time.
	call string
	nth  int
}

func (a wrongAnswer) String() string {
	if a.call == "" {
		return a.wrong + " to every call"
	}
	return fmt.Sprintf("%s to %s #%d", a.wrong, a.call, a.nth)
}

func parseAnswer(text string) (fault, error) {
	wrong, rest, _ := strings.Cut(text, " to ")
	if !slices.Contains(wrongs, wrong) {
		return nil, fmt.Errorf("%q is none of %v", wrong, wrongs)
	}
	if rest == "every call" {
		return wrongAnswer{wrong: wrong}, nil
	}
	call, number, _ := strings.Cut(rest, " #")
	nth, err := strconv.Atoi(number)
	return wrongAnswer{wrong, call, nth}, err
}

func (a wrongAnswer) disturb() disturbance {
	return disturbance{interference: &answering{wrongAnswer: a, seen: map[string]int{}}}
}

// calls are those of the last step of a scenario, each with how often it was made; Kubernetes Events, whose names are not known, left out.
func calls(o *outcome) map[string]int {
	found := map[string]int{}
	for _, c := range o.recorder.Calls()[o.last.calls:] {
		if c.Resource != "events" {
			found[c.What()]++
		}
	}
	return found
}

func everyAnswer(o *outcome) []fault {
	var faults []fault
	for _, wrong := range wrongs {
		faults = append(faults, wrongAnswer{wrong: wrong})
	}
	return faults
}

func oneAnswer(o *outcome) []fault {
	var faults []fault
	for call, times := range calls(o) {
		for n := range times {
			for _, wrong := range wrongs {
				if o.scenario.taken && wrong == "404" && strings.HasPrefix(call, "get ") {
					continue
				}
				faults = append(faults, wrongAnswer{wrong, call, n + 1})
			}
		}
	}
	return faults
}

// answering is the interference of a wrongAnswer.
type answering struct {
	wrongAnswer
	mu    sync.Mutex
	armed bool
	done  bool
	seen  map[string]int
}

func (a *answering) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = true
}

func (a *answering) happened() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// Handle answers wrongly when the time has come.
func (a *answering) Handle(c kit.Call, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if a.now(c.What()) {
		return answerWith(a.wrong, c, req, send)
	}
	return send(req)
}

func (a *answering) now(call string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.armed {
		return false
	}
	a.seen[call]++
	now := a.call == "" && a.seen[call] == 1 || a.call == call && a.seen[call] == a.nth
	a.done = a.done || now
	return now
}

// failing is the fault that many writes, chosen by lot, are answered wrongly.
type failing struct {
	percent int
	seed    uint64
}

func (f failing) String() string { return fmt.Sprintf("%d%% seed %d", f.percent, f.seed) }

func parseFailing(text string) (fault, error) {
	var f failing
	_, err := fmt.Sscanf(text, "%d%% seed %d", &f.percent, &f.seed)
	return f, err
}

func everyFailing(*outcome) []fault {
	var faults []fault
	for _, percent := range []int{20, 50} {
		for seed := range uint64(6) {
			faults = append(faults, failing{percent, seed + 1})
		}
	}
	return faults
}

func (f failing) disturb() disturbance {
	return disturbance{interference: &lottery{failing: f, draw: rand.New(rand.NewPCG(f.seed, 0))}}
}

// lottery is the interference of failing.
type lottery struct {
	failing
	mu    sync.Mutex
	draw  *rand.Rand
	armed bool
	drawn bool
}

func (l *lottery) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = true
}

func (l *lottery) happened() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drawn
}

// Handle draws for every write.
func (l *lottery) Handle(c kit.Call, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if wrong := l.next(c); wrong != "" {
		return answerWith(wrong, c, req, send)
	}
	return send(req)
}

func (l *lottery) next(c kit.Call) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.armed || !c.Mutates() || l.draw.IntN(100) >= l.percent {
		return ""
	}
	l.drawn = true
	return passing[l.draw.IntN(len(passing))]
}
