package cluster

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/parts"
)

// remember adds parts to those that this cluster was ever asked for, and selects them all: every Up repairs what any was asked for.
func (c *Cluster) remember(with []string) ([]parts.Part, error) {
	before, err := c.asked()
	if err != nil {
		return nil, err
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(before, with...))))
	if len(all) > 0 {
		if _, err := layout.WriteIfChanged(c.Layout.Path("with"), []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
			return nil, err
		}
	}
	return parts.Select(all)
}

// asked lists the optional parts that this cluster was asked for.
func (c *Cluster) asked() ([]string, error) {
	content, err := os.ReadFile(c.Layout.Path("with"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading which parts were asked for: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(content)), func(name string) bool {
		_, err := parts.Select([]string{name})
		return err != nil // What another version of this program called a part.
	}), nil
}
