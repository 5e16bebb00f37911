package parts

import (
	"context"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

// brokersNamespace is where the brokers are.
const brokersNamespace = "brokers"

// The brokers keep nothing: their data is in memory or in the pod.
var (
	redis     = broker("redis", "redis-server", 5*time.Second)
	nats      = broker("nats", "nats-server", 5*time.Second)
	rabbitmq  = broker("rabbitmq", "rabbitmq-server", 20*time.Second)
	mosquitto = broker("mosquitto", "mosquitto", 5*time.Second)
)

func broker(name, pkg string, install time.Duration) Part {
	return Part{
		Name:       name,
		Needs:      []string{"coredns"},
		Optional:   true,
		Package:    pkg,
		Build:      15 * time.Second,
		Install:    install,
		Namespaces: []string{brokersNamespace},
		Workloads:  []string{name},
		Objects: func(context.Context, Kit) ([]manifests.Object, error) {
			return embedded(name + ".yaml")
		},
	}
}
