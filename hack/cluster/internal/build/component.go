// Package build makes the components' binaries from their Go modules and keeps them in a cache, by version and by
// everything else that goes into them. A component is a folder with a go.mod whose tool lines are the programs to build.
package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/sys/unix"
)

// Component says what a go.mod cannot: how its programs are built.
type Component struct {
	// Name is the folder's name.
	Name string
	// Module is the module whose version is the component's.
	Module string
	// Tags are build tags.
	Tags string
	// Link are further linker flags; VERSION stands for the component's version, NUMBER for the same without its "v".
	Link string
	// Rename gives programs another name than the last part of their path.
	Rename map[string]string
	// Instead are files of the component's folder that are compiled in the place of files of modules.
	Instead []Instead
}

// Instead is a file that is compiled in the place of another.
type Instead struct {
	// File is its path in the component's folder.
	File string
	// Module has the other, at the version that the component requires.
	Module string
	// Of is the path of the other in the module.
	Of string
}

// Components are the parts of the cluster that are built from modules.
var Components = []Component{
	{Name: "kubernetes", Module: "k8s.io/kubernetes", Link: kubernetesVersion},
	{Name: "etcd", Module: "go.etcd.io/etcd/server/v3", Rename: map[string]string{"server": "etcd"}},
	{Name: "containerd", Module: "github.com/containerd/containerd/v2", Tags: "no_btrfs no_zfs no_devmapper"},
	{Name: "coredns", Module: "github.com/coredns/coredns"},
	{Name: "tekton", Module: "github.com/tektoncd/pipeline"},
	{Name: "knative", Module: "knative.dev/serving"},
	{Name: "traefik", Module: "github.com/traefik/traefik/v3", Instead: []Instead{
		{File: "instead/dns_providers.go", Module: "github.com/go-acme/lego/v4", Of: "providers/dns/zz_gen_dns_providers.go"}}},
	{Name: "keda", Module: "github.com/kedacore/keda/v2", Link: "-X github.com/kedacore/keda/v2/version.Version=NUMBER"},
	{Name: "keda-http", Module: "github.com/kedacore/http-add-on"},
	// Its main package tells which components there are beside the stable ones.
	{Name: "dapr", Module: "github.com/dapr/dapr", Tags: "stablecomponents", Link: "-X github.com/dapr/dapr/pkg/buildinfo.version=NUMBER" +
		" -X github.com/dapr/kit/logger.DaprVersion=NUMBER"},
	{Name: "helm", Module: "helm.sh/helm/v4", Link: "-X helm.sh/helm/v4/internal/version.version=VERSION"},
}

// kubernetesVersion gives the programs a version: built from the module without it, the API server reports one that is
// no version, and everything made with Knative's libraries refuses to start.
const kubernetesVersion = "-X k8s.io/component-base/version.gitVersion=VERSION" +
	" -X k8s.io/component-base/version.gitMajor=1" +
	" -X k8s.io/component-base/version.gitMinor=36" +
	" -X k8s.io/component-base/version.gitTreeState=clean" +
	" -X k8s.io/component-base/version.gitCommit=VERSION" +
	" -X k8s.io/component-base/version.buildDate=2026-11-20T00:00:00Z"

// Find returns the component of a name.
func Find(name string) (Component, error) {
	names := make([]string, 0, len(Components))
	for _, c := range Components {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Component{}, fmt.Errorf("there is no component %q; there are %s", name, strings.Join(names, ", "))
}

// Built is a component whose binaries are in the cache.
type Built struct {
	// Version is the version of the component's module.
	Version string
	// Dir holds the binaries.
	Dir string
	// Cached tells that nothing had to be built.
	Cached bool
}

// Binary is the path of a program.
func (b Built) Binary(name string) string { return filepath.Join(b.Dir, name) }

// Cache builds components and keeps the results.
type Cache struct {
	// Source is the folder that holds the components' folders.
	Source string
	// Dir is where binaries are kept.
	Dir string
}

// Look returns what Build would, without building: Cached tells whether the binaries are there.
func (c Cache) Look(ctx context.Context, comp Component) (Built, error) {
	built, _, err := c.look(ctx, comp)
	return built, err
}

// Programs lists the import paths of a component's programs.
func (c Cache) Programs(component string) ([]string, error) {
	mod, err := c.goMod(component)
	if err != nil {
		return nil, err
	}
	programs := make([]string, 0, len(mod.Tool))
	for _, t := range mod.Tool {
		programs = append(programs, t.Path)
	}
	return programs, nil
}

func (c Cache) goMod(component string) (*modfile.File, error) {
	content, err := os.ReadFile(filepath.Join(c.Source, component, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("reading component %s: %w", component, err)
	}
	mod, err := modfile.Parse("go.mod", content, nil)
	if err != nil {
		return nil, fmt.Errorf("reading component %s: %w", component, err)
	}
	return mod, nil
}

// look also returns the import paths of the programs.
func (c Cache) look(ctx context.Context, comp Component) (Built, []string, error) {
	mod, err := c.goMod(comp.Name)
	if err != nil {
		return Built{}, nil, err
	}
	programs, err := c.Programs(comp.Name)
	if err != nil {
		return Built{}, nil, err
	}
	built := Built{}
	for _, r := range mod.Require {
		if r.Mod.Path == comp.Module {
			built.Version = r.Mod.Version
		}
	}
	if built.Version == "" || len(programs) == 0 {
		return Built{}, nil, fmt.Errorf("component %s must require %s and name its programs in tool lines", comp.Name, comp.Module)
	}
	key, err := c.key(ctx, filepath.Join(c.Source, comp.Name), comp, built.Version)
	if err != nil {
		return Built{}, nil, err
	}
	built.Dir = filepath.Join(c.Dir, fmt.Sprintf("%s-%s-%s", comp.Name, built.Version, key))
	_, err = os.Stat(built.Dir)
	built.Cached = err == nil
	return built, programs, nil
}

// Build makes sure that a component's binaries are in the cache. A folder in the cache is complete: it gets its name
// only after everything in it was built.
func (c Cache) Build(ctx context.Context, comp Component) (Built, error) {
	built, programs, err := c.look(ctx, comp)
	if err != nil || built.Cached {
		return built, err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return Built{}, fmt.Errorf("creating the cache: %w", err)
	}
	unlock, err := c.lock(comp)
	if err != nil {
		return Built{}, err
	}
	defer unlock()
	if built, _, err = c.look(ctx, comp); err != nil || built.Cached {
		return built, err // another process built it meanwhile
	}
	tmp, err := os.MkdirTemp(c.Dir, ".building-"+comp.Name+"-")
	if err != nil {
		return Built{}, fmt.Errorf("creating the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return Built{}, fmt.Errorf("creating the cache: %w", err)
	}
	args := append([]string{"build"}, comp.flags(built.Version)...)
	if len(comp.Instead) > 0 {
		sources, err := os.MkdirTemp(c.Dir, ".sources-"+comp.Name+"-")
		if err != nil {
			return Built{}, fmt.Errorf("creating the cache: %w", err)
		}
		defer func() { _ = os.RemoveAll(sources) }()
		changed, err := c.changed(ctx, comp, sources)
		if err != nil {
			return Built{}, fmt.Errorf("changing the sources of %s: %w", comp.Name, err)
		}
		args = append(args, "-modfile", changed)
	}
	args = append(append(args, "-o", tmp+"/"), programs...)
	if _, err := goCommand(ctx, filepath.Join(c.Source, comp.Name), args...); err != nil {
		return Built{}, fmt.Errorf("building %s %s: %w", comp.Name, built.Version, err)
	}
	for from, to := range comp.Rename {
		if err := os.Rename(filepath.Join(tmp, from), filepath.Join(tmp, to)); err != nil {
			return Built{}, fmt.Errorf("building %s: %w", comp.Name, err)
		}
	}
	if err := os.Rename(tmp, built.Dir); err != nil {
		return Built{}, fmt.Errorf("keeping %s: %w", comp.Name, err)
	}
	return built, nil
}

// changed copies the modules of which a component compiles other files into a folder, and returns the go.mod that has them replaced: go build -overlay
// leaves files of the module cache alone. A file that the module does not have is an error: the other would be compiled beside what took its place.
func (c Cache) changed(ctx context.Context, comp Component, dir string) (goMod string, err error) {
	mod, err := c.goMod(comp.Name)
	if err != nil {
		return "", err
	}
	source := filepath.Join(c.Source, comp.Name)
	copies := map[string]string{}
	for _, instead := range comp.Instead {
		changed := copies[instead.Module]
		if changed == "" {
			module, err := c.ModuleDir(ctx, comp.Name, instead.Module)
			if err != nil {
				return "", err
			}
			changed = filepath.Join(dir, strconv.Itoa(len(copies)))
			if err := errors.Join(os.CopyFS(changed, os.DirFS(module)), mod.AddReplace(instead.Module, "", changed, "")); err != nil {
				return "", err
			}
			copies[instead.Module] = changed
		}
		of := filepath.Join(changed, filepath.FromSlash(instead.Of))
		if _, err := os.Stat(of); err != nil {
			return "", fmt.Errorf("%s has no %s, which %s is to be compiled instead of: %w", instead.Module, instead.Of, instead.File, err)
		}
		if err := copyFile(filepath.Join(source, filepath.FromSlash(instead.File)), of); err != nil {
			return "", err
		}
	}
	content, err := mod.Format()
	if err != nil {
		return "", err
	}
	goMod = filepath.Join(dir, "go.mod")
	return goMod, errors.Join(os.WriteFile(goMod, content, 0o644), copyFile(filepath.Join(source, "go.sum"), filepath.Join(dir, "go.sum")))
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// lock keeps other processes from building the same component at the same time; the kernel opens it when this process ends.
func (c Cache) lock(comp Component) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(c.Dir, ".lock-"+comp.Name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// Program builds a single program of this repository to a path.
func Program(ctx context.Context, dir, pkg, out string) error {
	if _, err := goCommand(ctx, dir, "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg); err != nil {
		return fmt.Errorf("building %s: %w", pkg, err)
	}
	return nil
}

// ModuleDir returns the folder of a module's source, as a component's go.mod selects it, downloading it if need be.
func (c Cache) ModuleDir(ctx context.Context, component, module string) (string, error) {
	dir := filepath.Join(c.Source, component)
	if out, err := goCommand(ctx, dir, "list", "-m", "-f", "{{.Dir}}", module); err == nil && strings.TrimSpace(out) != "" {
		return strings.TrimSpace(out), nil
	}
	if _, err := goCommand(ctx, dir, "mod", "download", module); err != nil {
		return "", fmt.Errorf("getting the source of %s: %w", module, err)
	}
	out, err := goCommand(ctx, dir, "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", fmt.Errorf("finding the source of %s: %w", module, err)
	}
	return strings.TrimSpace(out), nil
}

// flags are the same for every program of a component.
func (comp Component) flags(version string) []string {
	link := "-s -w"
	if comp.Link != "" {
		link += " " + strings.NewReplacer("VERSION", version, "NUMBER", strings.TrimPrefix(version, "v")).Replace(comp.Link)
	}
	flags := []string{"-trimpath", "-ldflags", link}
	if comp.Tags != "" {
		flags = append(flags, "-tags", comp.Tags)
	}
	return flags
}

// GoEnv returns an environment in which the go command finds the same caches and proxies as here, whoever calls.
func GoEnv(ctx context.Context) ([]string, error) {
	names := []string{"GOROOT", "GOMODCACHE", "GOCACHE", "GOPATH", "GOPROXY", "GONOSUMDB", "GOSUMDB"}
	out, err := goCommand(ctx, "", append([]string{"env"}, names...)...)
	if err != nil {
		return nil, err
	}
	values := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(values) != len(names) {
		return nil, fmt.Errorf("unexpected answer of go env: %q", out)
	}
	env := []string{"PATH=" + filepath.Join(values[0], "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for i, name := range names[1:] {
		if values[i+1] != "" {
			env = append(env, name+"="+values[i+1])
		}
	}
	return env, nil
}

var goVersion = regexp.MustCompile(`^go\d[\w.]*$`)

// key covers the compiler, the platform, the flags and every file of the component's folder: versions, checksums and
// local replacements.
func (c Cache) key(ctx context.Context, dir string, comp Component, version string) (string, error) {
	out, err := goCommand(ctx, dir, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	compiler := strings.TrimSpace(out)
	if !goVersion.MatchString(compiler) {
		return "", fmt.Errorf("unexpected version of Go: %q", compiler)
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %s %q %v\n", compiler, runtime.GOARCH, comp.flags(version), comp.Rename)
	for _, instead := range comp.Instead {
		_, _ = fmt.Fprintf(h, "%v\n", instead)
	}
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		_, _ = fmt.Fprintf(h, "%s %x\n", path.Clean(filepath.ToSlash(name)), sha256.Sum256(content))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading component %s: %w", comp.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// goCommand runs the go tool with the settings all builds share, whatever the machine's own are.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOOS=linux")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(errOut.String()), "\n")
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return out.String(), nil
}
