// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Call is what one request asks the API server for.
type Call struct {
	// Verb is get, list, watch, create, update, patch or delete.
	Verb string
	// Resource is the plural with its subresource, for example "servings/status".
	Resource string
	// Group of the resource; empty for those of Kubernetes' core.
	Group string
	// Namespace and Name of the object; a create has the name from its body.
	Namespace, Name string
	// UID is the identity that a delete insists on.
	UID string

	// world is the namespace that the manager looks at, if it is one.
	world string
	// dry tells that it is only to be tried.
	dry bool
}

// What names the call the same in every namespace, for example "patch servings/status hello".
func (c Call) What() string { return strings.TrimSpace(c.Verb + " " + c.Resource + " " + c.anywhere()) }

// anywhere is the name with a word in the place of the namespace that stands in it. What is made in another namespace is named after the world's.
func (c Call) anywhere() string {
	namespace := cmp.Or(c.world, c.Namespace)
	if namespace == "" {
		return c.Name
	}
	return strings.ReplaceAll(c.Name, namespace, "NAMESPACE")
}

// Object names the object of the call the same in every namespace, for example "servings.core.openfunction.io hello".
func (c Call) Object() string {
	resource, _, _ := strings.Cut(c.Resource, "/")
	return strings.TrimSuffix(resource+"."+c.Group, ".") + " " + c.anywhere()
}

// Mutates tells whether the call asks for a change.
func (c Call) Mutates() bool {
	return c.Verb != "get" && c.Verb != "list" && c.Verb != "watch" && !c.dry
}

// Write is one request that asked the API server to change something.
type Write struct {
	Call
	// Code is the HTTP status with which the API server answered, 0 when it was not asked or did not answer.
	Code int
}

// String adds the answer.
func (w Write) String() string { return fmt.Sprintf("%s (%d)", w.What(), w.Code) }

// Interference comes between a manager and the API server: it may answer in the API server's place, or keep or change an answer. It may be
// asked by several requests at once.
type Interference interface {
	Handle(c Call, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error)
}

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
	calls  []Call
	last   time.Time
	writes []Write
	seen   map[string]int
	fault  *Fault
	fired  bool
	world  string
}

// NewRecorder returns one that ends its manager at the fault; nil means never.
func NewRecorder(fault *Fault) *Recorder { return &Recorder{fault: fault} }

// In tells of which world the managers are.
func (r *Recorder) In(w *World) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.world = w.Namespace
}

// Writes are the requests so far, those that carry Kubernetes Events left out.
func (r *Recorder) Writes() []Write {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.writes), func(w Write) bool { return w.Resource == "events" })
}

// Calls are all requests so far, in the order in which they began.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// All are the requests so far that asked for a change, those that carry Kubernetes Events too.
func (r *Recorder) All() []Write {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.writes)
}

// Quiet is for how long the managers have asked for nothing; what keeps their caches filled does not count.
func (r *Recorder) Quiet() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.last)
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
			key := w.Object() + " in " + w.Namespace
			if created[key]++; created[key] == 2 {
				twice = append(twice, key)
			}
		}
	}
	return twice
}

// begin says whether the fault falls on this call.
func (r *Recorder) begin(c *Call) (crash, after bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.world = r.world
	w := *c
	r.calls = append(r.calls, w)
	if w.Verb != "watch" && w.Verb != "list" {
		r.last = time.Now()
	}
	if !w.Mutates() {
		return false, false
	}
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
	r.writes, r.last = append(r.writes, w), time.Now()
}

// errCrashed is what a manager gets for every request once it is dead.
var errCrashed = errors.New("the test kit ended this manager here")

// life is one life of a manager: after its crash nothing of it gets through any more.
type life struct {
	recorder     *Recorder
	interference Interference
	dead         chan struct{}
	once         sync.Once
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
	c, err := callOf(req)
	if err != nil {
		return nil, err
	}
	if c.Resource == "" || c.Group == "authorization.k8s.io" || c.Group == "authentication.k8s.io" { // reviews are posted too, but change nothing
		return l.base.RoundTrip(req)
	}
	crash, after := l.recorder.begin(&c)
	if crash && !after {
		l.crash()
		return nil, errCrashed
	}
	resp, err := l.send(c, req)
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

// send lets the interference decide what becomes of the request, and remembers what the API server said of a write.
func (l wire) send(c Call, req *http.Request) (*http.Response, error) {
	w := Write{Call: c}
	send := func(req *http.Request) (*http.Response, error) {
		resp, err := l.base.RoundTrip(req)
		if err == nil {
			w.Code = resp.StatusCode
		}
		return resp, err
	}
	if c.Mutates() {
		// A manager that ends meanwhile does not take back what it has sent, and what became of that is to be known.
		req = req.WithContext(context.WithoutCancel(req.Context()))
		defer func() { l.recorder.end(w) }()
	}
	if l.interference == nil {
		return send(req)
	}
	return l.interference.Handle(c, req, send)
}

var verbs = map[string]string{
	http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// callOf reads what a request asks for. One that speaks of no resource has none.
func callOf(req *http.Request) (c Call, err error) {
	c.Verb, c.dry = verbs[req.Method], req.URL.Query().Has("dryRun")
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch parts[0] {
	case "api":
		parts = parts[min(2, len(parts)):]
	case "apis":
		if len(parts) > 1 {
			c.Group = parts[1]
		}
		parts = parts[min(3, len(parts)):]
	default:
		return c, nil
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		c.Namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 0 {
		c.Resource = parts[0]
	}
	if len(parts) > 1 {
		c.Name = parts[1]
	}
	if len(parts) > 2 {
		c.Resource += "/" + parts[2]
	}
	switch {
	case c.Verb == "create" && c.Name == "" && c.Resource != "", c.Verb == "delete":
		err = c.readBody(req)
	case c.Verb == "get" && req.URL.Query().Has("watch"):
		c.Verb = "watch"
	case c.Verb == "get" && c.Name == "" && c.Resource != "":
		c.Verb = "list"
	}
	return c, err
}

// readBody reads the name of what is created, or the identity of what is deleted, and leaves the body as it was.
func (c *Call) readBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	data, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(data))
	if len(data) == 0 {
		return nil
	}
	var body struct {
		Metadata      struct{ Name string } `json:"metadata"`
		Preconditions struct{ UID string }  `json:"preconditions"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return fmt.Errorf("reading the body of %s %s: %w", req.Method, req.URL.Path, err)
	}
	if c.Verb == "create" {
		c.Name = body.Metadata.Name
	}
	c.UID = body.Preconditions.UID
	return nil
}
