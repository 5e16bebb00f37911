// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

// serveProbe asks functions as other pods do, on behalf of the suite:
//
//	GET /get?url=URL            asks once, and answers with the text and how long it took
//	GET /load?url=URL&for=TIME  asks over and over, and answers with a JSON object: how often each answer or error came
func serveProbe(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /get", func(out http.ResponseWriter, request *http.Request) {
		start := time.Now()
		text, err := ask(request.Context(), http.DefaultClient, request.URL.Query().Get("url"))
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprint(out, text, " ", milliseconds(time.Since(start)))
	})
	mux.HandleFunc("GET /load", func(out http.ResponseWriter, request *http.Request) {
		length, err := time.ParseDuration(request.URL.Query().Get("for"))
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		if err := json.NewEncoder(out).Encode(load(request.Context(), request.URL.Query().Get("url"), length)); err != nil {
			log.Printf("Answering: %v", err)
		}
	})
	return listen(ctx, address, mux)
}

// ask asks once.
func ask(ctx context.Context, client *http.Client, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, text)
	}
	return string(text), nil
}

// load asks with four requests at a time until the time is over, and counts the answers. Two of the askers keep their connections, and the others look
// the name up and connect for every request.
func load(ctx context.Context, url string, length time.Duration) map[string]int {
	end := time.Now().Add(length)
	answers := map[string]int{}
	var mu sync.Mutex
	var askers sync.WaitGroup
	for i := range 4 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 1}}
		askers.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				text, err := ask(context.WithoutCancel(ctx), client, url)
				if err != nil {
					text = "error: " + strings.TrimSpace(err.Error())
				}
				mu.Lock()
				answers[text]++
				mu.Unlock()
				time.Sleep(pace)
			}
		})
	}
	askers.Wait()
	return answers
}

// pace is how long an asker rests: the suite shares its cores with the cluster.
const pace = 40 * time.Millisecond
