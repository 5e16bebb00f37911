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
//	GET /load?url=URL&for=TIME  asks over and over for that long, and answers with a JSON object: how often each answer or error came
//	GET /end?url=URL            ends such loads before their time
func serveProbe(ctx context.Context, address string) error {
	var loads ends
	// As a pod that has not asked before: a kept connection would reach whoever had the name then.
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /get", func(out http.ResponseWriter, request *http.Request) {
		start := time.Now()
		text, err := ask(request.Context(), once, request.URL.Query().Get("url"))
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
		url := request.URL.Query().Get("url")
		until, cancel := context.WithTimeout(request.Context(), length)
		defer cancel()
		loads.add(url, cancel)
		if err := json.NewEncoder(out).Encode(load(until, url)); err != nil {
			log.Printf("Answering: %v", err)
		}
	})
	mux.HandleFunc("GET /end", func(_ http.ResponseWriter, request *http.Request) { loads.end(request.URL.Query().Get("url")) })
	return listen(ctx, address, mux)
}

// ends are what ends the loads of each URL.
type ends struct {
	mu    sync.Mutex
	byURL map[string][]context.CancelFunc
}

func (e *ends) add(url string, end context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byURL == nil {
		e.byURL = map[string][]context.CancelFunc{}
	}
	e.byURL[url] = append(e.byURL[url], end)
}

func (e *ends) end(url string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, end := range e.byURL[url] {
		end()
	}
	delete(e.byURL, url)
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

// load asks with four requests at a time until the context ends, and counts the answers. Two of the askers keep their connections, and the others look
// the name up and connect for every request.
func load(ctx context.Context, url string) map[string]int {
	answers := map[string]int{}
	var mu sync.Mutex
	var askers sync.WaitGroup
	for i := range 4 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 1}}
		askers.Go(func() {
			for ctx.Err() == nil {
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
