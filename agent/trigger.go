// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/protobuf/proto"
)

// The kinds of a Trigger.
const (
	Bindings = "bindings"
	PubSub   = "pubsub"
)

// maxTriggers and maxTriggersJSON bound what ParseTriggers takes.
const (
	maxTriggers     = 1000
	maxTriggersJSON = 1 << 20
)

// Trigger is one input of the function: what daprd is to subscribe to.
type Trigger struct {
	// Component is the name of the Dapr component.
	Component string `json:"component"`
	// Kind is Bindings or PubSub.
	Kind string `json:"kind"`
	// Topic of a PubSub trigger.
	Topic string `json:"topic,omitempty"`
	// Path of the function's handler: where HTTP events go. By default the topic's or the component's name.
	Path string `json:"path,omitempty"`
	// Metadata of the subscription, e.g. rawPayload.
	Metadata map[string]string `json:"metadata,omitempty"`
	// DeadLetterTopic is where daprd sends what failed for good; nowhere when empty.
	DeadLetterTopic string `json:"deadLetterTopic,omitempty"`
	// Bulk asks daprd for several events at once; the function still gets them one by one.
	Bulk *Bulk `json:"bulk,omitempty"`
}

// Bulk is how many events daprd hands over at once.
type Bulk struct {
	MaxMessagesCount   int32 `json:"maxMessagesCount,omitempty"`
	MaxAwaitDurationMs int32 `json:"maxAwaitDurationMs,omitempty"`
}

// ParseTriggers reads the value of --triggers.
func ParseTriggers(text string) ([]Trigger, error) {
	if len(text) > maxTriggersJSON {
		return nil, errors.New("--triggers is longer than 1 MiB")
	}
	var triggers []Trigger
	if err := json.Unmarshal([]byte(text), &triggers); err != nil {
		return nil, errors.New("--triggers is not a JSON list of triggers")
	}
	if len(triggers) > maxTriggers {
		return nil, fmt.Errorf("--triggers has more than %d triggers", maxTriggers)
	}
	seen, bound := map[[2]string]bool{}, map[string]bool{}
	for i, t := range triggers {
		switch {
		case t.Component == "":
			return nil, fmt.Errorf("trigger %d of --triggers has no component", i)
		case t.Kind != Bindings && t.Kind != PubSub:
			return nil, fmt.Errorf("trigger %d of --triggers: kind is %s or %s", i, Bindings, PubSub)
		case t.Kind == PubSub && t.Topic == "":
			return nil, fmt.Errorf("trigger %d of --triggers has no topic", i)
		case t.Kind == Bindings && t.Topic != "":
			return nil, fmt.Errorf("trigger %d of --triggers: a binding has no topic", i)
		case t.Path != "" && t.Path[0] != '/':
			return nil, fmt.Errorf("trigger %d of --triggers: path starts with a slash", i)
		case seen[[2]string{t.Component, t.Topic}]:
			return nil, fmt.Errorf("trigger %d of --triggers is there twice", i)
		case t.Kind == Bindings && bound[t.route()]:
			return nil, fmt.Errorf("trigger %d of --triggers: two bindings have the same path", i)
		}
		seen[[2]string{t.Component, t.Topic}] = true
		bound[t.route()] = bound[t.route()] || t.Kind == Bindings
	}
	return triggers, nil
}

// route is where HTTP events of the trigger go: what Dapr does when it is told nothing.
func (t Trigger) route() string {
	return cmp.Or(t.Path, "/"+strings.TrimPrefix(cmp.Or(t.Topic, t.Component), "/"))
}

// answers are what daprd is told when it asks what the function wants, made once.
type answers struct {
	bindings      []byte            // ListInputBindingsResponse
	subscriptions []byte            // ListTopicSubscriptionsResponse
	subscribe     []byte            // the JSON of GET /dapr/subscribe
	topics        map[string]bool   // paths of topics
	names         map[string]string // component of each binding by its path
	routes        map[string]string // path of each binding by its component
	topicRoutes   map[[2]string]string
}

// subscription is one element of the answer to GET /dapr/subscribe.
type subscription struct {
	PubsubName      string            `json:"pubsubname"`
	Topic           string            `json:"topic"`
	Route           string            `json:"route"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	DeadLetterTopic string            `json:"deadLetterTopic,omitempty"`
	BulkSubscribe   *bulkSubscribe    `json:"bulkSubscribe,omitempty"`
}

type bulkSubscribe struct {
	Enabled bool `json:"enabled"`
	Bulk
}

func newAnswers(triggers []Trigger) (*answers, error) {
	a := &answers{topics: map[string]bool{}, names: map[string]string{}, routes: map[string]string{}, topicRoutes: map[[2]string]string{}}
	bindings := &runtimev1.ListInputBindingsResponse{}
	topics := &runtimev1.ListTopicSubscriptionsResponse{}
	subscribe := []subscription{}
	for _, t := range triggers {
		if t.Kind == Bindings {
			bindings.Bindings = append(bindings.Bindings, t.Component)
			a.names[t.route()], a.routes[t.Component] = t.Component, t.route()
			continue
		}
		a.topics[t.route()] = true
		a.topicRoutes[[2]string{t.Component, t.Topic}] = t.route()
		topic := &runtimev1.TopicSubscription{PubsubName: t.Component, Topic: t.Topic, Metadata: t.Metadata, DeadLetterTopic: t.DeadLetterTopic}
		if t.Path != "" {
			topic.Routes = &runtimev1.TopicRoutes{Default: t.Path}
		}
		one := subscription{PubsubName: t.Component, Topic: t.Topic, Route: t.route(), Metadata: t.Metadata, DeadLetterTopic: t.DeadLetterTopic}
		if t.Bulk != nil {
			topic.BulkSubscribe = &runtimev1.BulkSubscribeConfig{Enabled: true,
				MaxMessagesCount: t.Bulk.MaxMessagesCount, MaxAwaitDurationMs: t.Bulk.MaxAwaitDurationMs}
			one.BulkSubscribe = &bulkSubscribe{Enabled: true, Bulk: *t.Bulk}
		}
		topics.Subscriptions = append(topics.Subscriptions, topic)
		subscribe = append(subscribe, one)
	}
	var err error
	if a.bindings, err = proto.Marshal(bindings); err != nil {
		return nil, fmt.Errorf("encoding the list of bindings: %w", err)
	}
	if a.subscriptions, err = proto.Marshal(topics); err != nil {
		return nil, fmt.Errorf("encoding the list of topics: %w", err)
	}
	if a.subscribe, err = json.Marshal(subscribe); err != nil {
		return nil, fmt.Errorf("encoding the list of topics: %w", err)
	}
	return a, nil
}
