// SPDX-License-Identifier: Apache-2.0

// Kafka is a Kafka broker of one process, for manifests that want one, with a door in HTTP: POST /TOPIC writes a record for each line of the
// body, GET /TOPIC returns the values of all records there are, one a line.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	// Clients connect to the address that the broker listens at, so it has to be the pod's own.
	address := net.JoinHostPort(os.Getenv("POD_IP"), "9092")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, address) }))
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	http.HandleFunc("POST /{topic}", func(w http.ResponseWriter, r *http.Request) { answer(w, produce(r, address)) })
	http.HandleFunc("GET /{topic}", func(w http.ResponseWriter, r *http.Request) { answer(w, list(w, r, address)) })
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func produce(r *http.Request, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.AllowAutoTopicCreation())
	if err != nil {
		return err
	}
	defer client.Close()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		record := &kgo.Record{Topic: r.PathValue("topic"), Value: []byte(lines.Text())}
		if err := client.ProduceSync(r.Context(), record).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// quiet is how long nothing comes after the last record.
const quiet = time.Second

func list(w http.ResponseWriter, r *http.Request, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics(r.PathValue("topic")), kgo.AllowAutoTopicCreation())
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		ctx, cancel := context.WithTimeout(r.Context(), quiet)
		fetches := client.PollFetches(ctx)
		cancel()
		if fetches.NumRecords() == 0 {
			return r.Context().Err()
		}
		fetches.EachRecord(func(record *kgo.Record) { fmt.Fprintf(w, "%s\n", record.Value) })
	}
}
