// SPDX-License-Identifier: Apache-2.0

// Package forward sends what it is asked with to an output of the function, through Dapr's HTTP API.
package forward

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// ForwardToKafka sends the body to the output "target".
func ForwardToKafka(w http.ResponseWriter, r *http.Request) {
	if err := forward(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(w, "{}")
}

func forward(r *http.Request) error {
	var described struct {
		Outputs map[string]struct{ ComponentName, Operation string }
	}
	if err := json.Unmarshal([]byte(os.Getenv("FUNC_CONTEXT")), &described); err != nil {
		return fmt.Errorf("reading FUNC_CONTEXT: %w", err)
	}
	target := described.Outputs["target"]
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"data": json.RawMessage(data), "operation": target.Operation})
	if err != nil {
		return err
	}
	url := "http://" + os.Getenv("DAPR_HOST") + ":3500/v1.0/bindings/" + target.ComponentName
	answer, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("dapr answered %s: %s", answer.Status, text)
	}
	return nil
}
