// SPDX-License-Identifier: Apache-2.0

// Command backend is what the router is measured against: it answers each request with the request's body.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	address := flag.String("address", "127.0.0.1:8080", "HOST:PORT to listen on")
	flag.Parse()
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: *address, Protocols: protocols, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(echo)}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _ = w.Write(body)
	}
}
