// Package app is a function with a dependency, in a folder below the root of its repository.
package app

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// Greet answers with a name of this request's own.
func Greet(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "greeting %s\n", uuid.NewString())
}
