// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/test/kit"
)

// ways are what can happen to a watch.
var ways = []string{
	"held",   // nothing comes any more until everything else has come to rest
	"cut",    // the connection ends every tenth of a second
	"merged", // of what happens to an object within a moment only the sum is told
	"missed", // what happens is not told, and then the watch ends as one that is too far behind
}

// badWatch is the fault that the watches of a resource, or of all, tell late or less.
type badWatch struct {
	way      string
	resource string
}

func (b badWatch) String() string { return strings.TrimSpace(b.way + " " + b.resource) }

func parseWatch(text string) (fault, error) {
	way, resource, _ := strings.Cut(text, " ")
	if !slices.Contains(ways, way) {
		return nil, fmt.Errorf("%q is none of %v", way, ways)
	}
	return badWatch{way, resource}, nil
}

// everyWatch are all ways for all resources at once, and for each whose objects were changed by the last step: by our controllers, or of our kinds by
// users.
func everyWatch(o *outcome) []fault {
	resources := map[string]bool{"functions": true, "builders": true, "servings": true}
	for _, w := range o.recorder.Writes()[o.last.writes:] {
		resource, _, _ := strings.Cut(w.Resource, "/")
		resources[resource] = true
	}
	var faults []fault
	for _, way := range ways {
		faults = append(faults, badWatch{way: way})
		for resource := range resources {
			if way != "cut" {
				faults = append(faults, badWatch{way, resource})
			}
		}
	}
	return faults
}

func (b badWatch) disturb() disturbance {
	s := &streams{badWatch: b}
	return disturbance{interference: s, blind: true, beside: func(r *run) error {
		defer s.finish()
		if b.way == "cut" || b.way == "merged" {
			return pass(r, 2*time.Second)
		}
		return calm(r)
	}}
}

// behind is the fault that an object is deleted, and made again, while no watch tells of it.
type behind struct {
	// object is a kind and a name, as in "Function hello".
	object string
}

func (b behind) String() string { return b.object }

func parseBehind(text string) (fault, error) { return behind{text}, nil }

// everyBehind is one for each object of ours that is there in the end, for users' objects first of all.
func everyBehind(o *outcome) []fault {
	var faults []fault
	if o.scenario.isPath() {
		return nil
	}
	all := o.world.All()
	for _, object := range all {
		if (isOurs(object) || isMade(object, all)) && ownerKind(object) != "Builder" && object.GetKind() != "Secret" &&
			len(object.GetFinalizers()) == 0 { // what has one does not go unseen
			faults = append(faults, behind{nameOf(object)})
		}
	}
	return faults
}

func (b behind) disturb() disturbance {
	s := &streams{badWatch: badWatch{way: "held"}, later: true}
	return disturbance{interference: s, recounts: true, blind: true, after: func(r *run) error {
		o := r.find(b.object)
		if o == nil {
			return nil
		}
		s.hold(true)
		defer s.finish()
		if err := r.remove(o); err != nil {
			return err
		}
		if isOurs(o) && len(o.GetOwnerReferences()) == 0 { // its user makes it again
			if err := r.remake(o); err != nil {
				return err
			}
		}
		return calm(r)
	}}
}

// remove deletes an object as kubectl does, and waits until it is gone.
func (r *run) remove(o *unstructured.Unstructured) error {
	if err := r.world.Client.Delete(r, o.DeepCopy(), client.PropagationPolicy("Background")); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s: %w", nameOf(o), err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		is := r.find(nameOf(o))
		if is == nil || is.GetUID() != o.GetUID() {
			return nil
		}
		if err := pass(r, 40*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s does not go", errStuck, nameOf(o))
}

// remake applies an object once more as its user did.
func (r *run) remake(o *unstructured.Unstructured) error {
	metadata := map[string]any{"name": o.GetName()}
	if annotations := o.GetAnnotations(); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	again, err := json.Marshal(map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "metadata": metadata, "spec": o.Object["spec"]})
	if err != nil {
		return err
	}
	return r.world.Apply(r, string(again))
}

// pass lets some real time pass.
func pass(r *run, d time.Duration) error {
	select {
	case <-r.Done():
		return r.Err()
	case <-time.After(d):
		return nil
	}
}

// calm waits until nothing has happened in the world for a moment, but not for ever: managers may be busy with what they cannot see.
func calm(r *run) error {
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); {
		if err := pass(r, 50*time.Millisecond); err != nil {
			return err
		}
		if r.world.Quiet() > 400*time.Millisecond {
			return nil
		}
	}
	return nil
}

// streams is the interference that badWatch is made with.
type streams struct {
	badWatch
	// later tells that it is not armed by the last step.
	later bool
	mu    sync.Mutex
	armed bool
	over  bool
	// changed is closed, and made anew, when what is to happen changes.
	changed chan struct{}
	touched bool
}

func (s *streams) begin() {
	if !s.later {
		s.hold(true)
	}
}

// hold arms or disarms it.
func (s *streams) hold(armed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = armed && !s.over
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// finish disarms it for good.
func (s *streams) finish() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.hold(false)
}

// state is whether it is armed, and what tells that this is no longer so.
func (s *streams) state() (armed bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.armed, s.changed
}

func (s *streams) happened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.touched
}

func (s *streams) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = true
}

// Handle puts itself between a watch and its reader.
func (s *streams) Handle(c kit.Call, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	resp, err := send(req)
	if err != nil || c.Verb != "watch" || resp.StatusCode != http.StatusOK || (s.resource != "" && s.resource != c.Resource) {
		return resp, err
	}
	b := &stream{streams: s, from: resp.Body, closed: make(chan struct{})}
	b.lists = req.URL.Query().Get("sendInitialEvents") == "true"
	b.out, b.in = io.Pipe()
	go b.pump()
	resp.Body = b
	return resp, nil
}

// stream is what the reader of one watch reads from.
type stream struct {
	*streams
	from   io.ReadCloser
	out    *io.PipeReader
	in     *io.PipeWriter
	once   sync.Once
	closed chan struct{}
	// lists tells that it still tells what was there before, which is no news: it is the list that a manager waits for when it starts.
	lists bool
}

func (b *stream) Read(p []byte) (int, error) { return b.out.Read(p) }

func (b *stream) Close() error {
	b.once.Do(func() { close(b.closed) })
	_ = b.out.Close()
	return b.from.Close()
}

// event is what a watch tells. The text of the object is kept as it came.
type event struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// key is the identity by which events are merged; bookmarks and errors have none.
func (e event) key() string {
	if e.Type == "BOOKMARK" || e.Type == "ERROR" {
		return ""
	}
	var o struct {
		Metadata struct{ Namespace, Name string } `json:"metadata"`
	}
	_ = json.Unmarshal(e.Object, &o)
	return o.Metadata.Namespace + "/" + o.Metadata.Name
}

// endsList tells that what comes after it is news.
func (e event) endsList() bool {
	var o metav1.PartialObjectMetadata
	return e.Type == "BOOKMARK" && json.Unmarshal(e.Object, &o) == nil && o.Annotations[metav1.InitialEventsAnnotationKey] == "true"
}

// pump passes events on, in the way of the fault.
func (b *stream) pump() {
	events := make(chan event)
	go func() {
		defer close(events)
		decoder := json.NewDecoder(b.from)
		for {
			var e event
			if decoder.Decode(&e) != nil {
				return
			}
			select {
			case events <- e:
			case <-b.closed:
				return
			}
		}
	}()
	err := b.pass(events)
	if err == nil {
		err = io.EOF
	}
	_ = b.from.Close()
	_ = b.in.CloseWithError(err)
}

var errCut = errors.New("the campaign cut the watch")

// moment is for how long events are merged, and how long a watch lives that is cut.
const (
	moment = 300 * time.Millisecond
	cut    = 100 * time.Millisecond
)

func (b *stream) pass(events <-chan event) error {
	var waiting []event
	missed := false
	var due <-chan time.Time
	for {
		armed, changed := b.state()
		if !armed || b.way == "cut" {
			if err := b.tell(waiting); err != nil {
				return err
			}
			waiting, due = nil, nil
			if missed {
				return b.tell([]event{{Type: "ERROR", Object: json.RawMessage(
					`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"Expired","code":410,"message":"too old resource version"}`)}})
			}
		}
		if armed && b.way == "cut" && !b.lists && due == nil {
			due = time.After(cut)
		}
		select {
		case e, more := <-events:
			if !more {
				return b.tell(waiting)
			}
			if armed && !b.lists {
				b.touch()
			}
			switch {
			case !armed || b.way == "cut" || b.lists:
				b.lists = b.lists && !e.endsList()
				if err := b.tell([]event{e}); err != nil {
					return err
				}
			case b.way == "held":
				waiting = append(waiting, e)
			case b.way == "missed":
				missed = true
			case b.way == "merged":
				waiting = merge(waiting, e)
				if due == nil {
					due = time.After(moment)
				}
			}
		case <-due:
			due = nil
			if b.way == "cut" {
				b.touch()
				return errCut
			}
			if err := b.tell(waiting); err != nil {
				return err
			}
			waiting = nil
		case <-changed:
		case <-b.closed:
			return nil
		}
	}
}

func (b *stream) tell(events []event) error {
	for _, e := range events {
		if e.Type == "" {
			continue
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := b.in.Write(append(bytes.TrimSpace(text), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// merge adds an event to those that wait, as if both were one: what was made and is gone was never there, what was replaced has changed.
func merge(waiting []event, e event) []event {
	key := e.key()
	i := slices.IndexFunc(waiting, func(w event) bool { return key != "" && w.Type != "" && w.key() == key })
	if i < 0 {
		return append(waiting, e)
	}
	first := waiting[i].Type
	waiting[i].Type = "" // in its place in the order comes the last one
	switch {
	case first == "ADDED" && e.Type == "DELETED":
		return waiting
	case first == "ADDED":
		e.Type = "ADDED"
	case first == "DELETED" && e.Type == "ADDED":
		e.Type = "MODIFIED"
	}
	return append(waiting, e)
}

// nameOf names an object of the world as plans do: "Service.serving.knative.dev hello".
func nameOf(o *unstructured.Unstructured) string {
	kind := strings.TrimSuffix(o.GetKind()+"."+o.GroupVersionKind().Group, ".")
	return kind + " " + strings.ReplaceAll(o.GetName(), o.GetNamespace(), "NAMESPACE")
}

// find is the object of a name that nameOf gave, or nil.
func (r *run) find(name string) *unstructured.Unstructured {
	all := r.world.All()
	if i := slices.IndexFunc(all, func(o *unstructured.Unstructured) bool { return nameOf(o) == name }); i >= 0 {
		return all[i]
	}
	return nil
}

func isOurs(o *unstructured.Unstructured) bool {
	return strings.HasSuffix(o.GroupVersionKind().Group, "openfunction.io")
}

// isMade tells that our controllers made an object: it has a controller, which is one of ours.
func isMade(o *unstructured.Unstructured, all []*unstructured.Unstructured) bool {
	var owner types.UID
	for _, ref := range o.GetOwnerReferences() {
		if ref.Controller != nil && *ref.Controller {
			owner = ref.UID
		}
	}
	return slices.ContainsFunc(all, func(other *unstructured.Unstructured) bool { return other.GetUID() == owner && isOurs(other) })
}
