// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Setup adds our controllers to a manager, as cmd/core does.
type Setup func(mgr ctrl.Manager) error

// Program is how our controllers are run.
type Program struct {
	Setup Setup
	// Config is who it runs as; nil means the administrator.
	Config *rest.Config
	// Cache is what it asks of its cache, as in cmd/core.
	Cache cache.Options
	// NewCache makes its cache; nil means as controller-runtime does.
	NewCache cache.NewCacheFunc
	// Namespaces the manager looks at; none means all.
	Namespaces []string
	// Recorder counts its writes and may end it; nil means neither.
	Recorder *Recorder
	// Interference comes between it and the API server; nil means nothing does.
	Interference Interference
	// Resync makes every informer deliver all it holds again this often; 0 means the default of ten hours.
	Resync time.Duration
	// OwnDiscovery keeps it from sharing the kit's knowledge of which kinds are served; for suites that install CRDs.
	OwnDiscovery bool
}

// Running is a program under supervision: when its plan ends it, it is started again, as the kubelet would.
type Running struct {
	cancel   context.CancelFunc
	done     chan struct{}
	mu       sync.Mutex
	restarts int
	err      error
}

// Restarts is how many times the program was started again.
func (r *Running) Restarts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.restarts
}

// Stop ends the program and waits until it is gone. A program that failed by itself is an error.
func (r *Running) Stop() error {
	r.cancel()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Run starts the program and returns once its cache is there; its controllers may still wait for their first lists.
func (cp *ControlPlane) Run(ctx context.Context, p Program) (*Running, error) {
	if p.Recorder == nil {
		p.Recorder = NewRecorder(nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Running{cancel: cancel, done: make(chan struct{})}
	synced := make(chan error, 1)
	go func() {
		defer close(r.done)
		for {
			err := cp.live(ctx, p, synced)
			r.mu.Lock()
			if !errors.Is(err, errCrashed) || ctx.Err() != nil {
				if !errors.Is(err, errCrashed) {
					r.err = err
				}
				r.mu.Unlock()
				return
			}
			r.restarts++
			r.mu.Unlock()
		}
	}()
	select {
	case err := <-synced:
		if err != nil {
			return nil, errors.Join(err, r.Stop())
		}
		return r, nil
	case <-r.done:
		return nil, fmt.Errorf("the manager ended before its caches were filled: %w", r.err)
	}
}

// live is one life of a program: until ctx ends (nil), it fails, or its plan ends it (errCrashed).
func (cp *ControlPlane) live(ctx context.Context, p Program, synced chan<- error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &life{recorder: p.Recorder, interference: p.Interference, dead: make(chan struct{})}
	if p.Config == nil {
		p.Config = cp.Config
	}
	cfg := rest.CopyConfig(p.Config)
	cfg.ContentType = runtime.ContentTypeJSON // the recorder reads names from bodies
	if p.Interference == nil {
		cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON // nobody reads answers on their way
	}
	cfg.Wrap(func(base http.RoundTripper) http.RoundTripper {
		return wire{l, base}
	})
	mgr, err := ctrl.NewManager(cfg, cp.managerOptions(p))
	if err != nil {
		return err
	}
	if err := p.Setup(mgr); err != nil {
		return err
	}
	go func() {
		select {
		case <-l.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	go func() {
		if mgr.GetCache().WaitForCacheSync(ctx) {
			select {
			case synced <- nil:
			default: // a later life
			}
		}
	}()
	err = mgr.Start(ctx)
	select {
	case <-l.dead:
		return errCrashed
	default:
		l.crash() // whatever is still running must not write into the next life
		return err
	}
}

func (cp *ControlPlane) managerOptions(p Program) ctrl.Options {
	shared := true
	// A life ends at once: its requests no longer go anywhere, so there is nothing to wait for. (Waiting can take for ever:
	// the priority queue of controller-runtime v0.24.1 may hold its lock while it hands an item to a worker that has left.)
	grace := time.Duration(0)
	o := ctrl.Options{
		Scheme:                  cp.Scheme,
		Cache:                   p.Cache,
		NewCache:                p.NewCache,
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: &grace,
		Controller:              config.Controller{SkipNameValidation: &shared},
	}
	if !p.OwnDiscovery {
		o.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return cp.mapper, nil }
	}
	if len(p.Namespaces) > 0 {
		o.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range p.Namespaces {
			o.Cache.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	if p.Resync > 0 {
		o.Cache.SyncPeriod = &p.Resync
	}
	return o
}
