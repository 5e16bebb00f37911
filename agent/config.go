// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net"
	"strings"
	"time"
)

// Protocol is how daprd speaks to its application: Dapr's app protocol.
type Protocol string

// The protocols the agent speaks, with daprd and with the function.
const (
	GRPC Protocol = "grpc"
	HTTP Protocol = "http"
)

// Config is what one agent is told. Every flag may also be given as AGENT_<FLAG> in the environment; the flag wins.
type Config struct {
	AppProtocol       Protocol      // what daprd speaks to the agent
	AppPort           int           // where daprd finds it
	FunctionAddress   string        // HOST:PORT of the function, or several with commas; every address of a host is a replica
	FunctionProtocol  Protocol      // what the function speaks; as AppProtocol when empty
	FunctionAuthority string        // Host or :authority of calls to the function; its host when empty
	Triggers          string        // JSON, see ParseTriggers
	TokenDir          string        // folder of the files token and previous
	ScalerPort        int           // KEDA's external push scaler
	StatusPort        int           // health, metrics, and what is pending
	Peers             string        // HOST:PORT of the status ports of all replicas of the agent
	MaxBody           int64         // bytes of the largest event
	MaxPendingBytes   int64         // bytes of all events that wait, with what each costs besides its body
	MaxInFlight       int           // events one replica of the function works on at once
	Hold              time.Duration // how long an event waits for a replica
	AnswerTimeout     time.Duration // how long a replica may work on an event
	Drain             time.Duration // how long what is pending may take after SIGTERM
}

// ParseConfig reads the command line, and the environment for what the command line leaves out.
func ParseConfig(flags *flag.FlagSet, args []string, lookup func(string) (string, bool)) (Config, error) {
	c := Config{}
	app := flags.String("app-protocol", "grpc", "what daprd speaks to the agent: grpc or http")
	flags.IntVar(&c.AppPort, "app-port", 8080, "port daprd speaks to")
	flags.StringVar(&c.FunctionAddress, "function-address", "", "HOST:PORT of the function; every address of HOST is a replica (required)")
	function := flags.String("function-protocol", "", "what the function speaks, grpc or http; by default as --app-protocol")
	flags.StringVar(&c.FunctionAuthority, "function-authority", "", "Host or :authority of calls to the function; by default its host")
	flags.StringVar(&c.Triggers, "triggers", "[]", `JSON list of {"component","kind":"bindings|pubsub","topic","path"}`)
	flags.StringVar(&c.TokenDir, "token-dir", "", "folder of the app token's files, token and previous (required)")
	flags.IntVar(&c.ScalerPort, "scaler-port", 9090, "port of KEDA's external push scaler")
	flags.IntVar(&c.StatusPort, "status-port", 8081, "port of /healthz, /readyz, /metrics and /pending")
	flags.StringVar(&c.Peers, "peers", "", "HOST:PORT of the status ports of all replicas of the agent; empty when there is one")
	flags.Int64Var(&c.MaxBody, "max-body", 4<<20, "bytes of the largest event")
	flags.Int64Var(&c.MaxPendingBytes, "max-pending-bytes", 16<<20, "bytes of all events that wait; more are refused, so that the broker keeps them")
	flags.IntVar(&c.MaxInFlight, "max-in-flight", 100, "events one replica of the function works on at once; more wait in the agent")
	flags.DurationVar(&c.Hold, "hold", time.Minute, "how long an event waits for a replica before daprd is told to redeliver it")
	flags.DurationVar(&c.AnswerTimeout, "answer-timeout", 15*time.Minute, "how long a replica may work on an event; 0 is for ever")
	flags.DurationVar(&c.Drain, "drain", 25*time.Second, "how long what is pending may take after SIGTERM")
	if err := flags.Parse(args); err != nil {
		return Config{}, err
	}
	if flags.NArg() > 0 {
		return Config{}, errors.New("the agent takes flags only")
	}
	if err := fromEnvironment(flags, lookup); err != nil {
		return Config{}, err
	}
	c.AppProtocol = Protocol(*app)
	c.FunctionProtocol = Protocol(cmp.Or(*function, *app))
	return c, c.Validate()
}

// envelope is what a message may have around an event of the largest size.
const envelope = 64 << 10

// largest is the size of the largest message.
func (c Config) largest() int64 { return c.MaxBody + envelope }

// fromEnvironment sets every flag that was not given from AGENT_<FLAG>.
func fromEnvironment(flags *flag.FlagSet, lookup func(string) (string, bool)) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var errs []error
	flags.VisitAll(func(f *flag.Flag) {
		variable := "AGENT_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, ok := lookup(variable); ok && !given[f.Name] {
			if err := flags.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("the environment variable %s has no value for --%s", variable, f.Name))
			}
		}
	})
	return errors.Join(errs...)
}

// Validate says what is wrong with the configuration, without repeating its values.
func (c Config) Validate() error {
	var errs []error
	require := func(ok bool, problem string) {
		if !ok {
			errs = append(errs, errors.New(problem))
		}
	}
	require(c.AppProtocol == GRPC || c.AppProtocol == HTTP, "--app-protocol is grpc or http")
	require(c.FunctionProtocol == GRPC || c.FunctionProtocol == HTTP, "--function-protocol is grpc or http")
	require(c.TokenDir != "", "--token-dir is required: the agent does not work without a token")
	for _, port := range []int{c.AppPort, c.ScalerPort, c.StatusPort} {
		require(port >= 0 && port <= 65535, "a port is between 1 and 65535")
	}
	require(c.MaxBody > 0 && c.MaxBody <= 1<<30, "--max-body is between 1 byte and 1 GiB")
	require(c.MaxPendingBytes >= c.largest()+costOfCall, "--max-pending-bytes has room for one event of --max-body, and 96 KiB")
	require(c.MaxInFlight > 0, "--max-in-flight is at least 1")
	require(c.Hold > 0 && c.Drain >= 0 && c.AnswerTimeout >= 0, "--hold is more than 0, --drain and --answer-timeout are not negative")
	if _, err := splitAddresses(c.FunctionAddress); err != nil {
		errs = append(errs, fmt.Errorf("--function-address: %w", err))
	}
	if c.Peers != "" {
		if _, err := splitAddresses(c.Peers); err != nil {
			errs = append(errs, fmt.Errorf("--peers: %w", err))
		}
	}
	if _, err := ParseTriggers(c.Triggers); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// hostPort is one HOST:PORT of the command line.
type hostPort struct{ host, port string }

func splitAddresses(list string) ([]hostPort, error) {
	var out []hostPort
	for address := range strings.SplitSeq(list, ",") {
		host, port, err := net.SplitHostPort(strings.TrimSpace(address))
		if err != nil || host == "" || port == "" {
			return nil, errors.New("HOST:PORT is wanted")
		}
		if number, err := net.LookupPort("tcp", port); err != nil || number == 0 {
			return nil, errors.New("a port is between 1 and 65535")
		}
		out = append(out, hostPort{host, port})
	}
	return out, nil
}
