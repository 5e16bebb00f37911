// SPDX-License-Identifier: Apache-2.0

// Command daprd is Dapr's sidecar with more components than the stable ones. Which components there are is decided by build tags: the
// stable set lacks JetStream and the MQTT binding, and the set of everything is several times as large for nothing.
package main

import (
	"github.com/dapr/components-contrib/bindings"
	mqttbinding "github.com/dapr/components-contrib/bindings/mqtt3"
	jetstreampubsub "github.com/dapr/components-contrib/pubsub/jetstream"
	jetstreamstate "github.com/dapr/components-contrib/state/jetstream"
	"github.com/dapr/kit/logger"

	"github.com/dapr/dapr/cmd/daprd/app"
	bindingsloader "github.com/dapr/dapr/pkg/components/bindings"
	pubsubloader "github.com/dapr/dapr/pkg/components/pubsub"
	stateloader "github.com/dapr/dapr/pkg/components/state"
)

func main() {
	bindingsloader.DefaultRegistry.RegisterInputBinding(func(l logger.Logger) bindings.InputBinding {
		return mqttbinding.NewMQTT(l)
	}, "mqtt3", "mqtt")
	bindingsloader.DefaultRegistry.RegisterOutputBinding(func(l logger.Logger) bindings.OutputBinding {
		return mqttbinding.NewMQTT(l)
	}, "mqtt3", "mqtt")
	pubsubloader.DefaultRegistry.RegisterComponent(jetstreampubsub.NewJetStream, "jetstream")
	stateloader.DefaultRegistry.RegisterComponent(jetstreamstate.NewJetstreamStateStore, "jetstream")
	app.Run()
}
