package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
	"github.com/openfunction/openfunction/hack/cluster/internal/parts"
	"github.com/openfunction/openfunction/hack/cluster/internal/services"
)

// daemons are the processes of a whole cluster, with the component each is from and where it listens in the namespace.
var daemons = []struct{ name, component, address string }{
	{"services", "", "127.0.0.1"},
	{"etcd", "etcd", "127.0.0.1:2379"},
	{"kube-apiserver", "kubernetes", fmt.Sprintf("%s:%d", layout.NodeIP, layout.APIServerPort)},
	{"controller-manager", "kubernetes", "127.0.0.1:10257"},
	{"scheduler", "kubernetes", "127.0.0.1:10259"},
	{"containerd", "containerd", ""},
	{"kubelet", "kubernetes", layout.NodeIP + ":10250"},
	{"kube-proxy", "kubernetes", layout.NodeIP},
}

// row is a line of the status table.
type row struct {
	name, state, pid, version, address string
	healthy                            bool
}

// Status writes a table of all parts. It fails unless everything is well.
func (c *Cluster) Status(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	rows := append(c.daemonRows(ctx), c.partRows(ctx)...)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PART\tSTATE\tPID\tVERSION\tADDRESS")
	var unwell []string
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.name, r.state, r.pid, r.version, r.address)
		if !r.healthy {
			unwell = append(unwell, r.name)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	if len(unwell) > 0 {
		return fmt.Errorf("not well: %s; `make cluster` repairs it, logs are in %s", strings.Join(unwell, ", "), c.Layout.Path("logs"))
	}
	e, err := services.LoadEndpoints(c.Layout)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n%s", e.Env())
	if further := further(rows); len(further) > 0 {
		_, _ = fmt.Fprintf(out, "\nnot asked for: %s; `make cluster WITH=\"PART ...\"` adds them\n", strings.Join(further, ", "))
	}
	return nil
}

// further lists the optional parts that have no row.
func further(rows []row) []string {
	var names []string
	for _, p := range parts.All() {
		if p.Optional && !slices.ContainsFunc(rows, func(r row) bool { return r.name == p.Name }) {
			names = append(names, p.Name)
		}
	}
	return names
}

func (c *Cluster) daemonRows(ctx context.Context) []row {
	rows := make([]row, 0, len(daemons))
	for _, d := range daemons {
		r := row{name: d.name, state: "not running", version: c.version(ctx, d.component), address: d.address}
		if record, ok := c.procs.Running(d.name); ok {
			r.state, r.pid, r.healthy = "running", fmt.Sprint(record.PID), true
		}
		rows = append(rows, r)
	}
	return rows
}

func (c *Cluster) version(ctx context.Context, component string) string {
	comp, err := build.Find(component)
	if err != nil {
		return ""
	}
	built, err := c.cache.Look(ctx, comp)
	if err != nil {
		return "?"
	}
	return built.Version
}

func (c *Cluster) partRows(ctx context.Context) []row {
	client, err := manifests.Connect(c.Layout.Kubeconfig())
	if err != nil {
		return []row{{name: "node", state: "no kubeconfig"}}
	}
	why, err := client.NodeNotReady(ctx, layout.NodeName, time.Time{})
	rows := []row{stateOf("node", why, err)}
	if err != nil {
		return rows
	}
	asked, err := c.asked()
	if err != nil {
		return append(rows, stateOf("parts", "", err))
	}
	for _, p := range parts.All() {
		installed, err := client.Installed(ctx, p.Name)
		if err == nil && !installed {
			if !p.Optional || slices.Contains(asked, p.Name) {
				rows = append(rows, row{name: p.Name, state: "not installed"})
			}
			continue
		}
		why := ""
		if err == nil {
			why, err = missing(ctx, client, p)
		}
		r := stateOf(p.Name, why, err)
		r.version = c.version(ctx, p.Component)
		if p.Package != "" {
			bundle, _ := c.packages.Look(p.Package)
			r.version = bundle.Version
		}
		rows = append(rows, r)
	}
	return rows
}

func stateOf(name, why string, err error) row {
	switch {
	case err != nil:
		return row{name: name, state: "unknown: " + err.Error()}
	case why != "":
		return row{name: name, state: "not ready: " + why}
	default:
		return row{name: name, state: "ready", healthy: true}
	}
}

// Detect tells which cluster others should use: the one of KUBECONFIG if it answers, else the local one, else none yet.
func (c *Cluster) Detect(ctx context.Context) (kind, kubeconfig string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if path := os.Getenv("KUBECONFIG"); path != "" && path != c.Layout.Kubeconfig() && manifests.Reachable(ctx, path) {
		return "external", path
	}
	if manifests.Reachable(ctx, c.Layout.Kubeconfig()) {
		return "local", c.Layout.Kubeconfig()
	}
	return "none", c.Layout.Kubeconfig()
}

// KindThere tells whether docker and kind could make a cluster as well.
func KindThere() bool {
	_, docker := exec.LookPath("docker")
	_, kind := exec.LookPath("kind")
	return errors.Join(docker, kind) == nil
}
