// SPDX-License-Identifier: Apache-2.0

// Dapr-shared brings a daprd that Dapr's injector never sees the certificates by which it knows Dapr's control plane: `init` waits for
// them before the pod starts, `run` hands them to daprd, which takes them from its environment only, and becomes daprd. `check` asks a
// daprd whether it is what it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: dapr-shared init [flags]             wait for Dapr's trust bundle, and put it and this program into --dir
       dapr-shared run [flags] -- /daprd ...   set DAPR_TRUST_ANCHORS and become daprd
       dapr-shared check [flags]            ask a daprd for its health and its metadata; DAPR_API_TOKEN is sent along
dapr-shared init -h lists the flags; a flag --some-name may also be given as the environment variable DAPR_SHARED_SOME_NAME.`

// The files of the folder that the init container and daprd's container share.
const (
	anchorsFile = "trust-anchors.pem"
	programFile = "dapr-shared"
)

// Where Dapr keeps its trust anchors, and where daprd reads them. They are pkg/daprd's constants; importing it would bring all of
// Kubernetes' types into an image that every shared daprd pulls.
const (
	trustAnchorsKey      = "ca.crt"
	trustAnchorsVariable = "DAPR_TRUST_ANCHORS"
)

// errUsage is a command line that cannot be understood.
var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run carries out one subcommand and returns the exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	commands := map[string]func(context.Context, settings) error{"init": prepare, "run": become, "check": check}
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprintln(stderr, usage)
		return 2
	}
	s, err := parse(args[0], args[1:], stderr)
	if err == nil {
		err = commands[args[0]](ctx, s)
	}
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, err)
		return 2
	default:
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return 1
	}
}

// settings are what the flags say.
type settings struct {
	namespace, name     string        // of the ConfigMap
	dir                 string        // shared with daprd's container
	serviceAccount      string        // folder of the pod's credentials
	timeout, poll, tell time.Duration // how long to wait, how often to ask, how often to say the same again
	command             []string      // daprd's
	expected            expected
	log                 io.Writer
}

func parse(command string, args []string, stderr io.Writer) (settings, error) {
	s := settings{log: stderr}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.namespace, "namespace", "dapr-system", "namespace of Dapr's control plane")
	flags.StringVar(&s.name, "trust-bundle", "dapr-trust-bundle", "ConfigMap in which Dapr's sentry keeps its certificates")
	flags.StringVar(&s.dir, "dir", "/var/run/dapr-shared", "folder that the init container and daprd's container share")
	flags.StringVar(&s.serviceAccount, "service-account-dir", "/var/run/secrets/kubernetes.io/serviceaccount", "folder of the pod's credentials")
	flags.DurationVar(&s.timeout, "timeout", 2*time.Minute, "how long init and check wait before they fail; run waits no longer than 5s for the API server")
	flags.DurationVar(&s.poll, "poll", time.Second, "how often init and check ask")
	flags.DurationVar(&s.tell, "tell", 30*time.Second, "how often they say again what they wait for")
	if command == "check" {
		flags.StringVar(&s.expected.url, "url", "", "daprd's HTTP API, such as http://orders-dapr:3500 (required)")
		flags.StringVar(&s.expected.appID, "app-id", "", "app id that daprd must have (required)")
		flags.StringVar(&s.expected.appAddress, "app-address", "", "host at which daprd must call the application")
		flags.IntVar(&s.expected.appPort, "app-port", 0, "port on which daprd must call the application")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return s, err
		}
		return s, fmt.Errorf("%w: %w", errUsage, err)
	}
	if err := fromEnvironment(flags); err != nil {
		return s, err
	}
	s.command = flags.Args()
	switch {
	case command == "run" && len(s.command) == 0:
		return s, fmt.Errorf("%w: run needs the command line of daprd after --", errUsage)
	case command == "check" && (s.expected.url == "" || s.expected.appID == ""):
		return s, fmt.Errorf("%w: check needs --url and --app-id", errUsage)
	case command != "run" && len(s.command) > 0:
		return s, fmt.Errorf("%w: unexpected argument %q", errUsage, s.command[0])
	case s.timeout <= 0 || s.poll <= 0 || s.tell <= 0:
		return s, fmt.Errorf("%w: --timeout, --poll and --tell must be more than nothing", errUsage)
	}
	return s, nil
}

// fromEnvironment sets the flags that the command line does not.
func fromEnvironment(flags *flag.FlagSet) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	flags.VisitAll(func(f *flag.Flag) {
		variable := "DAPR_SHARED_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(variable)
		if !set || given[f.Name] {
			return
		}
		if refused := f.Value.Set(value); refused != nil {
			err = fmt.Errorf("%w: environment variable %s: %w", errUsage, variable, refused)
		}
	})
	return err
}

// prepare is `init`.
func prepare(ctx context.Context, s settings) error {
	api, err := inCluster(s.serviceAccount)
	if err != nil {
		return err
	}
	anchors, err := wait(ctx, s, func(ctx context.Context) ([]byte, error) { return api.trustAnchors(ctx, s.namespace, s.name) })
	if err != nil {
		return err
	}
	if err := write(filepath.Join(s.dir, anchorsFile), 0o444, strings.NewReader(string(anchors))); err != nil {
		return err
	}
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("reading this program: %w", err)
	}
	defer program.Close()
	if err := write(filepath.Join(s.dir, programFile), 0o555, program); err != nil {
		return err
	}
	fmt.Fprintf(s.log, "Dapr's trust bundle is in place: %s\n", describe(anchors))
	return nil
}

// wait asks until there is an answer, and says what it waits for whenever that changes, and every now and then.
func wait(ctx context.Context, s settings, ask func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("gave up after %s", s.timeout))
	defer cancel()
	ticker := time.NewTicker(s.poll)
	defer ticker.Stop()
	var said string
	var at time.Time
	for {
		answer, err := ask(ctx)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() == nil && (err.Error() != said || time.Since(at) >= s.tell) {
			said, at = err.Error(), time.Now()
			fmt.Fprintf(s.log, "Waiting: %s\n", said)
		}
		select {
		case <-ctx.Done():
			if said == "" {
				said = err.Error()
			}
			return nil, fmt.Errorf("%w: %s", context.Cause(ctx), said)
		case <-ticker.C:
		}
	}
}
