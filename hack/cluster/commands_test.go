package main

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	for list, want := range map[string][]string{
		"": nil, " ": nil, "keda": {"keda"}, "keda,dapr": {"keda", "dapr"}, " keda  dapr, redis,": {"keda", "dapr", "redis"},
	} {
		if got := names(list); !slices.Equal(got, want) {
			t.Errorf("%q names %v, want %v", list, got, want)
		}
	}
}
