// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// serveHTTP is the function for HTTP requests, and for Dapr's events in HTTP.
func (w *worker) serveHTTP(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.hello)
	mux.HandleFunc("GET /dapr/subscribe", w.subscribe)
	mux.HandleFunc("OPTIONS /{name...}", func(http.ResponseWriter, *http.Request) {}) // yes, it is a binding of ours
	mux.HandleFunc("POST /{name...}", w.post)
	return listen(ctx, address, mux)
}

// listen serves until the context ends, and then what was begun.
func listen(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		quit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(quit); err != nil {
			log.Printf("Shutting down: %v", err)
		}
	}()
	err := server.ListenAndServe()
	if errors.Is(err, http.ErrServerClosed) {
		<-done
		return nil
	}
	return err
}

// hello answers with the version, after the delay.
func (w *worker) hello(out http.ResponseWriter, _ *http.Request) {
	time.Sleep(w.delay)
	_, _ = io.WriteString(out, version+os.Getenv("SUFFIX"))
}

// subscribe tells Dapr the topics of the function.
func (w *worker) subscribe(out http.ResponseWriter, _ *http.Request) {
	subscriptions := []map[string]string{}
	for _, input := range w.described.Inputs {
		if input.isTopic() {
			subscriptions = append(subscriptions, map[string]string{"pubsubname": input.ComponentName, "topic": input.URI, "route": "/" + input.URI})
		}
	}
	out.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(out).Encode(subscriptions); err != nil {
		log.Printf("Answering: %v", err)
	}
}

// post takes an event: from Dapr as a CloudEvent or bare, or from anybody when the function answers HTTP.
func (w *worker) post(out http.ResponseWriter, request *http.Request) {
	if !w.isTrusted(request.Header.Get(tokenName)) {
		w.refuse(request.Context())
		http.Error(out, errToken.Error(), http.StatusUnauthorized)
		return
	}
	data, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	var envelope struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Data        json.RawMessage `json:"data"`
	}
	if json.Unmarshal(data, &envelope) == nil && envelope.SpecVersion != "" {
		data = envelope.Data
	}
	if err := w.handle(request.Context(), data, orElse(envelope.ID, request.Header.Get("readTimeUTC"))); err != nil {
		log.Printf("Failed: %v", err)
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(out, "{}")
}
