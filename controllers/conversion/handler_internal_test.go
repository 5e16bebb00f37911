// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/yaml"
)

var digests = regexp.MustCompile(`\\"of\\":\\"[0-9a-f]+\\"`)

func TestAsWritten(t *testing.T) {
	for _, c := range []struct{ name, because, object, version, want string }{
		{
			"Components", "a component does not gain the fields its type writes",
			`{"apiVersion":"core.openfunction.io/v1beta2","kind":"Serving","metadata":{"name":"a"},"spec":{"bindings":{"a":{"metadata":[{"name":"x","value":1.10}],"type":"t","version":"v"},"b":{"ignoreErrors":false,"metadata":[],"type":"t","version":"v"}},"image":"i","workloadType":"Deployment"}}`,
			"core.openfunction.io/v1beta1",
			`{"apiVersion":"core.openfunction.io/v1beta1","kind":"Serving","metadata":{"name":"a"},"spec":{"bindings":{"a":{"metadata":[{"name":"x","value":1.10}],"type":"t","version":"v"},"b":{"ignoreErrors":false,"metadata":[],"type":"t","version":"v"}},"image":"i","runtime":"async"}}`,
		}, {
			"StatesAndDurations", "it does not matter that a part moved, nor how a duration is written",
			`{"apiVersion":"core.openfunction.io/v1beta1","kind":"Serving","metadata":{"name":"a"},"spec":{"image":"i","runtime":"knative","states":{"s":{"metadata":[],"type":"t","version":"v"}},"template":{"containers":[{"name":"f","resources":{"limits":{"cpu":0.1}}}]},"timeout":"90s"}}`,
			"core.openfunction.io/v1beta2",
			`{"apiVersion":"core.openfunction.io/v1beta2","kind":"Serving","metadata":{"name":"a"},"spec":{"image":"i","states":{"s":{"spec":{"metadata":[],"type":"t","version":"v"}}},"template":{"containers":[{"name":"f","resources":{"limits":{"cpu":0.1}}}]},"timeout":"90s","triggers":{"http":{}}}}`,
		}, {
			"Status", "a status that was written stays, and is not invented",
			`{"apiVersion":"core.openfunction.io/v1beta1","kind":"Serving","metadata":{"name":"a"},"spec":{"image":"i","runtime":"knative"},"status":{}}`,
			"core.openfunction.io/v1beta2",
			`{"apiVersion":"core.openfunction.io/v1beta2","kind":"Serving","metadata":{"name":"a"},"spec":{"image":"i","triggers":{"http":{}}},"status":{}}`,
		},
		{
			"EmptyThings", "what is empty is shown where v1beta1 has the field, and never where the API server would drop it",
			`{"apiVersion":"core.openfunction.io/v1beta2","kind":"Builder","metadata":{"name":"a"},"spec":{"builder":"b","cache":"Registry","image":"i","imageCredentials":{"name":""},"shipwright":{"params":[],"timeout":"60s"},"srcRepo":{"credentials":{"name":""},"url":"u"}}}`,
			"core.openfunction.io/v1beta1",
			`{"apiVersion":"core.openfunction.io/v1beta1","kind":"Builder","metadata":{"annotations":{"openfunction.io/conversion":"{\"version\":\"v1beta2\",\"of\":\"OF\",\"changes\":[{\"path\":\"/spec/shipwright/params/\\u0000empty\",\"now\":true}]}"},"name":"a"},"spec":{"builder":"b","image":"i","imageCredentials":{"name":""},"shipwright":{"timeout":"60s"},"srcRepo":{"credentials":{"name":""},"url":"u"}}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := handler{}.convert([]byte(c.object), c.version)
			if err != nil {
				t.Fatal(err)
			}
			if got := digests.ReplaceAllString(string(got), `\"of\":\"OF\"`); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.because, got, c.want)
			}
		})
	}
}

func TestWhatCannotBeConverted(t *testing.T) {
	for _, object := range []string{
		"", "[]", `{"kind":"Function"}`, `{"apiVersion":"core.openfunction.io/v1beta1","kind":"Gateway"}`,
		`{"apiVersion":"core.openfunction.io/v1beta2","kind":"Function"}`,
		`{"apiVersion":"core.openfunction.io/v1beta1","kind":"Function","spec":{"image":7}}`,
	} {
		if got, err := (handler{}).convert([]byte(object), "core.openfunction.io/v1beta2"); err == nil {
			t.Errorf("%s became %s", object, got)
		}
	}
	if got, err := (handler{}).convert([]byte(`{"apiVersion":"v1","kind":"Pod"}`), "v1"); err == nil {
		t.Errorf("a Pod became %s", got)
	}
}

// Whatever people wrote comes back in the words they wrote it in.
func TestManifestsComeBackWordByWord(t *testing.T) {
	convert := handler{}.convert
	for _, pattern := range []string{"../../apis/core/v1beta1/testdata/*.yaml", "../../apis/core/v1beta2/testdata/*.yaml", "../../config/samples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
				written, err := yaml.YAMLToJSON(document)
				if err != nil {
					t.Fatal(file, err)
				}
				version, other := "core.openfunction.io/v1beta1", "core.openfunction.io/v1beta2"
				if bytes.Contains(written, []byte(other)) {
					version, other = other, version
				} else if !bytes.Contains(written, []byte(version)) {
					continue // a Secret
				}
				there, err := convert(written, other)
				if err != nil {
					t.Fatal(file, err)
				}
				back, err := convert(there, version)
				if err != nil {
					t.Fatal(file, err)
				}
				if string(back) != string(written) {
					t.Errorf("%s:\n got %s\nwant %s", file, back, written)
				}
			}
		}
	}
}

// A webhook that is about to end has the API server connect elsewhere, before its connections end under it.
func TestConnectionsEndBeforeTheWebhook(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("HTTP2=%t", http2), func(t *testing.T) {
			ending := make(chan struct{})
			var made atomic.Int32
			server := httptest.NewUnstartedServer(handler{ending: ending})
			server.EnableHTTP2 = http2
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					made.Add(1)
				}
			}
			server.StartTLS()
			defer server.Close()
			ask := func(times int) int32 {
				before := made.Load()
				for range times {
					resp, err := server.Client().Post(server.URL, "application/json", strings.NewReader("{}"))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
				}
				return made.Load() - before
			}
			if made := ask(5); made != 1 {
				t.Errorf("5 requests were made on %d connections, want 1", made)
			}
			close(ending)
			if made := ask(5); made < 4 {
				t.Errorf("5 requests to one that ends made %d new connections, want one for each but the first", made)
			}
		})
	}
}

// A list in the other version is converted as a whole, within the time the API server gives.
func BenchmarkConvert(b *testing.B) {
	data, err := os.ReadFile("../../apis/core/v1beta1/testdata/seed-logs-async-handler.yaml")
	if err != nil {
		b.Fatal(err)
	}
	written, err := yaml.YAMLToJSON(bytes.Split(data, []byte("\n---\n"))[0])
	if err != nil {
		b.Fatal(err)
	}
	h := handler{}
	for b.Loop() {
		if _, err := h.convert(written, "core.openfunction.io/v1beta2"); err != nil {
			b.Fatal(err)
		}
	}
}
