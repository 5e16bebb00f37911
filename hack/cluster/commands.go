package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/openfunction/openfunction/hack/cluster/gitserver"
	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/cluster"
	"github.com/openfunction/openfunction/hack/cluster/internal/images"
	"github.com/openfunction/openfunction/hack/cluster/internal/parts"
	"github.com/openfunction/openfunction/hack/cluster/internal/services"
)

func commands() []command {
	return []command{
		{"up", "[--with=PART,...]", "start the cluster, or what of it does not run", up},
		{"down", "", "stop and remove it; built binaries are kept", down},
		{"status", "", "tell how every part is; fails when not all are well", status},
		{"kubeconfig", "", "print the path of a kubeconfig for the host", kubeconfig},
		{"endpoints", "[--env]", "print addresses of registry, git server, ingress, ...", endpoints},
		{"detect", "", "print which cluster would be used: $KUBECONFIG or the local one", detect},
		{"load-image", "[--entrypoint=P] [--user=U] NAME BINARY", "push an image made of one static program", loadImage},
		{"load-git", "[--private] DIR NAME", "commit a folder to a repository of the git server", loadGit},
		{"build", "COMPONENT", "build a component, or get a broker's packages, and print their folder", buildComponent},
		{"services", "", "", serve},
	}
}

// parse reads flags and checks the number of arguments that remain.
func parse(fs *flag.FlagSet, args []string, want int) ([]string, error) {
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() != want {
		return nil, fmt.Errorf("%s takes %d arguments, not %d", fs.Name(), want, fs.NArg())
	}
	return fs.Args(), nil
}

func flags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }

func up(ctx context.Context, c *cluster.Cluster, args []string) error {
	fs := flags("up")
	with := fs.String("with", "", "further parts to install, separated by commas or spaces")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if cluster.KindThere() {
		fmt.Println("docker and kind are here too: with a kind cluster in KUBECONFIG, `make demo` uses that one instead")
	}
	return c.Up(ctx, names(*with), os.Stdout)
}

// names splits a list at commas and spaces.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

func down(_ context.Context, c *cluster.Cluster, args []string) error {
	if _, err := parse(flags("down"), args, 0); err != nil {
		return err
	}
	return c.Down(os.Stdout)
}

func status(ctx context.Context, c *cluster.Cluster, args []string) error {
	if _, err := parse(flags("status"), args, 0); err != nil {
		return err
	}
	return c.Status(ctx, os.Stdout)
}

func kubeconfig(_ context.Context, c *cluster.Cluster, args []string) error {
	if _, err := parse(flags("kubeconfig"), args, 0); err != nil {
		return err
	}
	if _, err := os.Stat(c.Layout.Kubeconfig()); err != nil {
		return errors.New("there is no local cluster; start it with `make cluster`")
	}
	fmt.Println(c.Layout.Kubeconfig())
	return nil
}

func endpoints(_ context.Context, c *cluster.Cluster, args []string) error {
	fs := flags("endpoints")
	env := fs.Bool("env", false, "print shell variables in place of JSON")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	e, err := services.LoadEndpoints(c.Layout)
	if err != nil {
		return err
	}
	if *env {
		fmt.Print(e.Env())
		return nil
	}
	fmt.Print(string(e.JSON()))
	return nil
}

func detect(ctx context.Context, c *cluster.Cluster, args []string) error {
	if _, err := parse(flags("detect"), args, 0); err != nil {
		return err
	}
	kind, path := c.Detect(ctx)
	fmt.Println(kind, path)
	return nil
}

func loadImage(ctx context.Context, c *cluster.Cluster, args []string) error {
	fs := flags("load-image")
	entrypoint := fs.String("entrypoint", "", "path of the program in the image; /NAME-OF-THE-BINARY when empty")
	user := fs.String("user", images.Nonroot, "user and group the image runs as")
	tag := fs.String("tag", "latest", "tag to push beside the digest")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	e, err := services.LoadEndpoints(c.Layout)
	if err != nil {
		return err
	}
	path := *entrypoint
	if path == "" {
		path = "/" + filepath.Base(rest[1])
	}
	spec := images.Spec{
		Repository: rest[0], Tag: *tag, User: *user,
		Files: map[string]string{path: rest[1]}, Entrypoint: []string{path},
	}
	img, err := images.Assemble(ctx, spec)
	if err != nil {
		return err
	}
	ref, _, err := images.Push(ctx, e.RegistryHost, e.RegistryCluster, spec, img)
	if err != nil {
		return err
	}
	fmt.Println(ref)
	return nil
}

func loadGit(ctx context.Context, c *cluster.Cluster, args []string) error {
	fs := flags("load-git")
	private := fs.Bool("private", false, "put it into the part that needs a password or a key")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	e, err := services.LoadEndpoints(c.Layout)
	if err != nil {
		return err
	}
	part := gitserver.Public
	if *private {
		part = gitserver.Private
	}
	folder, err := filepath.Abs(rest[0])
	if err != nil {
		return fmt.Errorf("finding %s: %w", rest[0], err)
	}
	commit, err := gitserver.Load(ctx, c.Layout.Path("git", "repositories"), part, rest[1], folder)
	if err != nil {
		return err
	}
	fmt.Printf("%s/%s/%s.git %s\n", e.GitCluster, part, strings.TrimSuffix(rest[1], ".git"), commit)
	return nil
}

func buildComponent(ctx context.Context, c *cluster.Cluster, args []string) error {
	rest, err := parse(flags("build"), args, 1)
	if err != nil {
		return err
	}
	for _, p := range parts.All() {
		if p.Name == rest[0] && p.Package != "" {
			bundle, err := c.Packages().Fetch(ctx, p.Package)
			if err != nil {
				return err
			}
			fmt.Println(filepath.Dir(bundle.Files[0]))
			return nil
		}
	}
	component, err := build.Find(rest[0])
	if err != nil {
		return err
	}
	built, err := c.Build().Build(ctx, component)
	if err != nil {
		return err
	}
	fmt.Println(built.Dir)
	return nil
}

// serve is what the daemon named services runs.
func serve(ctx context.Context, c *cluster.Cluster, args []string) error {
	fs := flags("services")
	_ = fs.Uint64("namespace-id", 0, "the namespace it is for; only to tell processes apart")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	ports, err := services.LoadPorts(c.Layout)
	if err != nil {
		return err
	}
	return services.Run(ctx, c.Layout, ports)
}
