// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Write is one request that asked the API server to change something.
type Write struct {
	// Verb is create, update, patch or delete.
	Verb string
	// Resource is the plural with its subresource, for example "servings/status".
	Resource string
	// Group of the resource; empty for those of Kubernetes' core.
	Group string
	// Namespace and Name of the object; a create has the name from its body.
	Namespace, Name string
	// Code is the HTTP status of the answer, 0 when there was none.
	Code int
}

// What names the write without its namespace, for example "patch servings/status hello".
func (w Write) What() string { return w.Verb + " " + w.Resource + " " + w.Name }

// String adds the answer.
func (w Write) String() string { return fmt.Sprintf("%s (%d)", w.What(), w.Code) }

// Fault ends a manager at one write: when its What equals Write for the Nth time (from 1), either before the request
// is sent or after it was carried out and before its answer is read.
type Fault struct {
	Write string
	Nth   int
	After bool
}

// String is a form that ParseFault reads: "after patch servings/status hello #2".
func (f Fault) String() string {
	when := "before"
	if f.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s #%d", when, f.Write, f.Nth)
}

// ParseFault is the inverse of String.
func ParseFault(text string) (Fault, error) {
	when, rest, _ := strings.Cut(text, " ")
	write, number, found := strings.Cut(rest, " #")
	nth, err := strconv.Atoi(number)
	if !found || err != nil || nth < 1 || (when != "before" && when != "after") {
		return Fault{}, fmt.Errorf("%q is not of the form \"before|after VERB RESOURCE NAME #N\"", text)
	}
	return Fault{Write: write, Nth: nth, After: when == "after"}, nil
}

// Recorder sees every write of the managers it is given to, over all their lives. The zero value is ready.
type Recorder struct {
	mu     sync.Mutex
	writes []Write
	seen   map[string]int
	fault  *Fault
	fired  bool
}

// NewRecorder returns one that ends its manager at the fault; nil means never.
func NewRecorder(fault *Fault) *Recorder { return &Recorder{fault: fault} }

// Writes are the requests so far, those that carry Kubernetes Events left out.
func (r *Recorder) Writes() []Write {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.writes), func(w Write) bool { return w.Resource == "events" })
}

// All are the requests so far, those that carry Kubernetes Events too.
func (r *Recorder) All() []Write {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.writes)
}

// Faults are one before and one after each write so far, the plans of a crash test.
func (r *Recorder) Faults() []Fault {
	seen := map[string]int{}
	var faults []Fault
	for _, w := range r.Writes() {
		seen[w.What()]++
		f := Fault{Write: w.What(), Nth: seen[w.What()]}
		faults = append(faults, f)
		f.After = true
		faults = append(faults, f)
	}
	return faults
}

// Fired tells whether the fault has happened.
func (r *Recorder) Fired() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fired
}

// CreatedTwice names the objects that were created more than once.
func (r *Recorder) CreatedTwice() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	created := map[string]int{}
	var twice []string
	for _, w := range r.writes {
		if w.Code == http.StatusCreated && w.Resource != "events" {
			key := strings.TrimSuffix(w.Resource+"."+w.Group, ".") + " " + w.Namespace + "/" + w.Name
			if created[key]++; created[key] == 2 {
				twice = append(twice, key)
			}
		}
	}
	return twice
}

// begin says whether the fault falls on this write.
func (r *Recorder) begin(w Write) (crash, after bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	r.seen[w.What()]++
	if r.fault == nil || r.fired || r.fault.Write != w.What() || r.fault.Nth != r.seen[w.What()] {
		return false, false
	}
	r.fired = true
	return true, r.fault.After
}

func (r *Recorder) end(w Write) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, w)
}

// errCrashed is what a manager gets for every request once it is dead.
var errCrashed = errors.New("the test kit ended this manager here")

// life is one life of a manager: after its crash nothing of it gets through any more.
type life struct {
	recorder *Recorder
	dead     chan struct{}
	once     sync.Once
}

func (l *life) crash() { l.once.Do(func() { close(l.dead) }) }

// wire is a connection of a life.
type wire struct {
	*life
	base http.RoundTripper
}

// RoundTrip counts, and crashes where the plan says.
func (l wire) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-l.dead:
		return nil, errCrashed
	default:
	}
	w, mutates, err := writeOf(req)
	if err != nil {
		return nil, err
	}
	if !mutates {
		return l.base.RoundTrip(req)
	}
	crash, after := l.recorder.begin(w)
	if crash && !after {
		l.crash()
		return nil, errCrashed
	}
	resp, err := l.base.RoundTrip(req)
	if err == nil {
		w.Code = resp.StatusCode
	}
	l.recorder.end(w)
	if crash {
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		l.crash()
		return nil, errCrashed
	}
	return resp, err
}

var verbs = map[string]string{
	http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// writeOf reads what a request wants to change. Reviews are posted too, but change nothing.
func writeOf(req *http.Request) (w Write, mutates bool, err error) {
	w.Verb, mutates = verbs[req.Method]
	if !mutates {
		return w, false, nil
	}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch parts[0] {
	case "api":
		parts = parts[min(2, len(parts)):]
	case "apis":
		if len(parts) > 1 && (parts[1] == "authorization.k8s.io" || parts[1] == "authentication.k8s.io") {
			return w, false, nil
		}
		if len(parts) > 1 {
			w.Group = parts[1]
		}
		parts = parts[min(3, len(parts)):]
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		w.Namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 0 {
		w.Resource = parts[0]
	}
	if len(parts) > 1 {
		w.Name = parts[1]
	}
	if len(parts) > 2 {
		w.Resource += "/" + parts[2]
	}
	if w.Name == "" && w.Verb == "create" {
		w.Name, err = nameInBody(req)
	}
	return w, true, err
}

// nameInBody reads metadata.name and leaves the body as it was.
func nameInBody(req *http.Request) (string, error) {
	if req.Body == nil {
		return "", nil
	}
	data, err := io.ReadAll(req.Body)
	if err != nil {
		return "", err
	}
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(data))
	var object struct {
		Metadata struct{ Name string } `json:"metadata"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return "", fmt.Errorf("reading the body of %s %s: %w", req.Method, req.URL.Path, err)
	}
	return object.Metadata.Name, nil
}
