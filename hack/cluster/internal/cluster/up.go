package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/host"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/leftovers"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
	"github.com/openfunction/openfunction/hack/cluster/internal/node"
	"github.com/openfunction/openfunction/hack/cluster/internal/parts"
	"github.com/openfunction/openfunction/hack/cluster/internal/process"
	"github.com/openfunction/openfunction/hack/cluster/internal/services"
	"github.com/openfunction/openfunction/hack/cluster/internal/steps"
)

// rise is one run of Up: what its steps hand on to each other.
type rise struct {
	*Cluster
	node      *node.Node
	ports     services.Ports
	endpoints services.Endpoints
	client    *manifests.Client
	pause     string
	// podlessAt is when it was found that no pod runs, if so: what the API server says from before then is not true.
	podlessAt time.Time
	// refs are references of images by the import path of their program, or the package they hold.
	refs map[string]string
	// uploads are the images that the registry has.
	uploads uploads
	// built are the components of parts.
	built map[string]build.Built
}

// Up makes the cluster run, with the parts that always belong to it and those asked for. What runs already is left alone.
func (c *Cluster) Up(ctx context.Context, with []string, out io.Writer) error {
	if err := host.Root(); err != nil {
		return err
	}
	if _, err := parts.Select(with); err != nil {
		return err
	}
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := c.claim(lock); err != nil {
		return err
	}
	selected, err := c.remember(with)
	if err != nil {
		return err
	}
	r := &rise{
		Cluster: c,
		node:    &node.Node{Layout: c.Layout, Netns: c.netns},
		refs:    map[string]string{},
		built:   map[string]build.Built{},
	}
	runner := steps.Runner{
		Out: out, Pulse: 30 * time.Second,
		Times: steps.LoadTimings(c.Layout.Timings(), c.Layout.Path("timings.json")),
	}
	return runner.Run(ctx, r.steps(selected))
}

// steps lists everything there is to do.
func (r *rise) steps(selected []parts.Part) []steps.Step {
	all := []steps.Step{
		{Name: "host", Expect: 30 * time.Second, Do: r.checkHost},
		{Name: "recover", Needs: []string{"host"}, Expect: time.Second, Do: r.recover},
		{Name: "network", Needs: []string{"recover"}, Expect: time.Second, Do: r.network},
		r.buildNode("etcd", 40*time.Second, &r.node.Etcd),
		r.buildNode("containerd", 90*time.Second, &r.node.Containerd),
		r.buildNode("kubernetes", 8*time.Minute, &r.node.Kubernetes),
		{Name: "services", Needs: []string{"network"}, Expect: 2 * time.Second, Do: r.services},
		{Name: "base images", Needs: []string{"services"}, Expect: 3 * time.Second, Do: r.baseImages},
		{Name: "certificates", Needs: []string{"services"}, Expect: time.Second, Do: r.certificates},
		r.daemon("etcd", time.Second, []string{"network", "build etcd"}, plain(r.node.EtcdDaemon)),
		r.daemon("kube-apiserver", 8*time.Second, []string{"etcd", "certificates", "build kubernetes"}, plain(r.node.APIServerDaemon)),
		r.daemon("controller-manager", 3*time.Second, []string{"kube-apiserver"}, plain(r.node.ControllerManagerDaemon)),
		r.daemon("scheduler", 2*time.Second, []string{"kube-apiserver"}, plain(r.node.SchedulerDaemon)),
		r.daemon("containerd", time.Second, []string{"network", "base images", "build containerd"}, func() (process.Daemon, error) {
			return r.node.ContainerdDaemon(r.pause)
		}),
		{Name: "forget the dead", Needs: []string{"kube-apiserver"}, Expect: time.Second, Do: r.forgetTheDead},
		r.daemon("kubelet", 2*time.Second, []string{"forget the dead", "containerd"}, r.node.KubeletDaemon),
		r.daemon("kube-proxy", 2*time.Second, []string{"kube-apiserver"}, r.node.ProxyDaemon),
		{Name: "node ready", Needs: []string{"kubelet", "kube-proxy", "controller-manager", "scheduler"}, Expect: 5 * time.Second, Do: r.nodeReady},
	}
	for _, p := range selected {
		all = append(all, r.partSteps(p)...)
	}
	last := steps.Step{Name: "all parts ready", Expect: 30 * time.Second, Do: r.allReady(selected)}
	for _, p := range selected {
		last.Needs = append(last.Needs, "install "+p.Name)
	}
	return append(all, last)
}

func plain(describe func() process.Daemon) func() (process.Daemon, error) {
	return func() (process.Daemon, error) { return describe(), nil }
}

func (r *rise) buildNode(name string, expect time.Duration, into *build.Built) steps.Step {
	return r.buildStep(name, expect, func(built build.Built) { *into = built })
}

func (r *rise) buildStep(name string, expect time.Duration, keep func(build.Built)) steps.Step {
	return steps.Step{
		Name: "build " + name, Needs: []string{"host"}, Expect: expect,
		Idle: func(ctx context.Context) bool {
			component, err := build.Find(name)
			if err != nil {
				return false
			}
			built, err := r.cache.Look(ctx, component)
			return err == nil && built.Cached
		},
		Do: func(ctx context.Context) (steps.Outcome, error) {
			component, err := build.Find(name)
			if err != nil {
				return steps.Outcome{}, err
			}
			built, err := r.cache.Build(ctx, component)
			if err != nil {
				return steps.Outcome{}, err
			}
			keep(built)
			if built.Cached {
				return steps.Outcome{Note: built.Version + ", from the cache", Idle: true}, nil
			}
			return steps.Outcome{Note: built.Version}, nil
		},
	}
}

func (r *rise) daemon(name string, expect time.Duration, needs []string, describe func() (process.Daemon, error)) steps.Step {
	return steps.Step{
		Name: name, Needs: needs, Expect: expect,
		Idle: func(context.Context) bool { _, running := r.procs.Running(name); return running },
		Do: func(ctx context.Context) (steps.Outcome, error) {
			d, err := describe()
			if err != nil {
				return steps.Outcome{}, err
			}
			return r.ensure(ctx, d)
		},
	}
}

func (r *rise) ensure(ctx context.Context, d process.Daemon) (steps.Outcome, error) {
	started, err := r.procs.Ensure(ctx, d)
	if err != nil {
		return steps.Outcome{}, err
	}
	if !started {
		return steps.Outcome{Note: "was running", Idle: true}, nil
	}
	return steps.Outcome{Note: "started"}, nil
}

func (r *rise) checkHost(ctx context.Context) (steps.Outcome, error) {
	installed, err := host.Require(ctx)
	if err != nil || len(installed) == 0 {
		return steps.Outcome{Idle: true}, err
	}
	return steps.Outcome{Note: "installed " + strings.Join(installed, ", ")}, nil
}

func (r *rise) recover(context.Context) (steps.Outcome, error) {
	found, podless, err := node.Recover(r.Layout, r.procs)
	if err != nil {
		return steps.Outcome{}, err
	}
	if podless {
		r.podlessAt = time.Now()
	}
	return steps.Outcome{Note: strings.Join(found, ", "), Idle: len(found) == 0}, nil
}

func (r *rise) network(context.Context) (steps.Outcome, error) {
	if err := r.netns.Ensure(layout.NodeIP); err != nil {
		return steps.Outcome{}, err
	}
	return steps.Outcome{Note: "namespace " + layout.Netns}, leftovers.PrepareCgroup(layout.CgroupRoot)
}

// forgetTheDead removes what the API server still says about pods that are no more. Their leases would keep those who
// come after them from working, for a minute in the case of Knative.
func (r *rise) forgetTheDead(ctx context.Context) (steps.Outcome, error) {
	client, err := manifests.Connect(r.Layout.Kubeconfig())
	if err != nil {
		return steps.Outcome{}, err
	}
	r.client = client
	if r.podlessAt.IsZero() {
		return steps.Outcome{Idle: true}, nil
	}
	for _, p := range parts.All() {
		for _, namespace := range p.Namespaces {
			if err := client.DeleteLeases(ctx, namespace); err != nil {
				return steps.Outcome{}, err
			}
		}
	}
	return steps.Outcome{}, nil
}

// services starts this program again as a daemon, from a copy: the one that runs now may be a temporary file.
func (r *rise) services(ctx context.Context) (steps.Outcome, error) {
	_, running := r.procs.Running("services")
	ports, err := services.PickPorts(r.Layout, running)
	if err != nil {
		return steps.Outcome{}, err
	}
	r.ports = ports
	password, err := services.Credentials(r.Layout, ports)
	if err != nil {
		return steps.Outcome{}, err
	}
	r.endpoints = services.EndpointsOf(r.Layout, ports)
	r.endpoints.GitPassword = password
	program, err := r.copyOfSelf()
	if err != nil {
		return steps.Outcome{}, err
	}
	goEnv, err := build.GoEnv(ctx)
	if err != nil {
		return steps.Outcome{}, err
	}
	id, err := r.netns.ID()
	if err != nil {
		return steps.Outcome{}, err
	}
	if err := os.MkdirAll(r.Layout.Path("logs"), 0o755); err != nil {
		return steps.Outcome{}, fmt.Errorf("creating the state folder: %w", err)
	}
	return r.ensure(ctx, process.Daemon{
		Name: "services",
		// Its listeners are in the namespace, so that another namespace needs another process.
		Command: []string{program, "services", fmt.Sprintf("--namespace-id=%d", id)},
		Env:     append(goEnv, layout.StateVariable+"="+r.Layout.State, layout.SourceVariable+"="+r.Layout.Source),
		Inputs:  []string{program, r.Layout.Path("conf", "ports.json"), r.Layout.Path("git", "password")},
		Ready: func(ctx context.Context) error {
			for _, name := range []string{"registry", "git-http", "ingress"} {
				address := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[name]))
				conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
				if err != nil {
					return err
				}
				_ = conn.Close()
			}
			return nil
		},
	})
}

func (r *rise) copyOfSelf() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	program := r.Layout.Path("bin", "openfunction-cluster")
	_, err = layout.WriteIfChanged(program, content, 0o755)
	return program, err
}

func (r *rise) certificates(context.Context) (steps.Outcome, error) {
	return steps.Outcome{}, r.node.Secure(net.JoinHostPort("127.0.0.1", strconv.Itoa(r.ports["apiserver"])))
}

func (r *rise) nodeReady(ctx context.Context) (steps.Outcome, error) {
	if err := r.saveEndpoints(ctx); err != nil {
		return steps.Outcome{}, err
	}
	return steps.Outcome{Idle: r.podlessAt.IsZero()}, manifests.Until(ctx, 2*time.Minute, func(ctx context.Context) (string, error) {
		return r.client.NodeNotReady(ctx, layout.NodeName, r.podlessAt)
	})
}

// saveEndpoints tells others where things are, as far as they are there by now.
func (r *rise) saveEndpoints(ctx context.Context) error {
	r.endpoints.Kubectl = r.node.Kubernetes.Binary("kubectl")
	if helm, err := build.Find("helm"); err == nil {
		if built, err := r.cache.Look(ctx, helm); err == nil && built.Cached {
			r.endpoints.Helm = built.Binary("helm")
		}
	}
	r.endpoints.DaprdImage = r.refs[parts.DaprdProgram]
	return r.endpoints.Save(r.Layout)
}

// partSteps builds, packs and installs one part. Readiness is waited for at the end, for all parts at once.
func (r *rise) partSteps(p parts.Part) []steps.Step {
	get := r.packageStep(p)
	if p.Component != "" {
		get = r.buildStep(p.Component, p.Build, func(b build.Built) { r.built[p.Component] = b })
	}
	pack := steps.Step{
		Name: "images " + p.Name, Needs: []string{"services", get.Name}, Expect: 5 * time.Second,
		Do: func(ctx context.Context) (steps.Outcome, error) { return r.images(ctx, p) },
	}
	install := steps.Step{
		Name: "install " + p.Name, Needs: []string{"node ready", pack.Name}, Expect: p.Install,
		Do: func(ctx context.Context) (steps.Outcome, error) { return r.install(ctx, p) },
	}
	for _, need := range p.Needs {
		install.Needs = append(install.Needs, "install "+need)
	}
	return []steps.Step{get, pack, install}
}

// packageStep gets the Debian package of a part.
func (r *rise) packageStep(p parts.Part) steps.Step {
	return steps.Step{
		Name: "get " + p.Name, Needs: []string{"host"}, Expect: p.Build,
		Idle: func(context.Context) bool { _, there := r.packages.Look(p.Package); return there },
		Do: func(ctx context.Context) (steps.Outcome, error) {
			bundle, err := r.packages.Fetch(ctx, p.Package)
			if err != nil {
				return steps.Outcome{}, err
			}
			if bundle.Cached {
				return steps.Outcome{Note: bundle.Version + ", from the cache", Idle: true}, nil
			}
			return steps.Outcome{Note: fmt.Sprintf("%s, %d archives", bundle.Version, len(bundle.Files))}, nil
		},
	}
}

func (r *rise) install(ctx context.Context, p parts.Part) (steps.Outcome, error) {
	var objects []manifests.Object
	if p.Objects != nil {
		var err error
		objects, err = p.Objects(ctx, parts.Kit{
			Cache: r.cache, ShellImage: r.endpoints.ShellImage, Kubectl: r.node.Kubernetes.Binary("kubectl"), Helm: r.built["helm"].Binary("helm"),
		})
		if err != nil {
			return steps.Outcome{}, err
		}
	}
	if err := manifests.ResolveKo(objects, r.refs); err != nil {
		return steps.Outcome{}, err
	}
	applied, err := r.client.ApplyPart(ctx, p.Name, objects)
	if err != nil || !applied {
		return steps.Outcome{Note: "unchanged", Idle: true}, err
	}
	return steps.Outcome{Note: fmt.Sprintf("%d objects", len(objects))}, nil
}

func (r *rise) allReady(selected []parts.Part) func(context.Context) (steps.Outcome, error) {
	return func(ctx context.Context) (steps.Outcome, error) {
		if err := r.saveEndpoints(ctx); err != nil {
			return steps.Outcome{}, err
		}
		for _, p := range selected {
			err := manifests.Until(ctx, 5*time.Minute, func(ctx context.Context) (string, error) {
				if stale, err := r.stalePods(ctx, p); err != nil || stale != "" {
					return stale, err
				}
				return missing(ctx, r.client, p)
			})
			if err != nil {
				return steps.Outcome{}, fmt.Errorf("waiting for %s: %w; look with: kubectl get pods -A", p.Name, err)
			}
		}
		return steps.Outcome{Note: "kubeconfig: " + r.Layout.Kubeconfig(), Idle: r.podlessAt.IsZero()}, nil
	}
}

// stalePods says which pods of a part are still told to run although they ended with the node.
func (r *rise) stalePods(ctx context.Context, p parts.Part) (string, error) {
	if r.podlessAt.IsZero() {
		return "", nil
	}
	for _, namespace := range p.Namespaces {
		if stale, err := r.client.PodsFromBefore(ctx, namespace, r.podlessAt); err != nil || len(stale) > 0 {
			return "not started again: " + strings.Join(stale, ", "), err
		}
	}
	return "", nil
}

// missing says what a part still lacks.
func missing(ctx context.Context, client *manifests.Client, p parts.Part) (string, error) {
	for _, namespace := range p.Namespaces {
		unavailable, err := client.Unavailable(ctx, namespace, p.Workloads...)
		if err != nil || len(unavailable) > 0 {
			return strings.Join(unavailable, ", "), err
		}
	}
	if p.Missing != nil {
		return p.Missing(ctx, client)
	}
	return "", nil
}
