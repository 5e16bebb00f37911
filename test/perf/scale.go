// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

const (
	// user is who the controller is to the API server.
	user = "openfunction-core"
	// creators apply Functions at the same time, as many tenants would.
	creators = 8
)

// plane is the control plane that the figures at scale are taken on.
type plane struct {
	*kit.World
	functions int
	quiet     time.Duration
	profiles  string
	core      *controller
}

// scale takes the figures on an API server of its own.
func scale(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "openfunction-perf-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	progress("starting etcd, kube-apiserver and kube-controller-manager, building cmd/core")
	core, err := buildController(ctx, dir)
	if err != nil {
		return err
	}
	back := setenv("GOGC", s.planeGOGC)
	cp, err := kit.Start(ctx, kit.Options{Audit: true, StatusesOnly: true})
	back()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cp.Stop()) }()
	playing, end := context.WithCancel(ctx)
	defer end()
	if err := cp.PlayEngines(playing); err != nil {
		return err
	}
	_, kubeconfig, err := cp.UserWith(ctx, user, "config/rbac/role.yaml")
	if err != nil {
		return err
	}
	p := &plane{functions: s.functions, quiet: s.quiet, profiles: s.profiles}
	if p.World, err = cp.NewWorld(ctx); err != nil {
		return err
	}
	for _, life := range []func(context.Context) error{p.create, p.restart} {
		if p.core, err = startController(core, kubeconfig); err != nil {
			return err
		}
		if err := errors.Join(life(ctx), p.core.stop()); err != nil {
			return err
		}
	}
	return nil
}

// setenv sets a variable of the environment that programs started from now on get, and returns what puts back what it was.
func setenv(name, value string) (back func()) {
	was, is := os.LookupEnv(name)
	_ = os.Setenv(name, value)
	return func() {
		if is {
			_ = os.Setenv(name, was)
		} else {
			_ = os.Unsetenv(name)
		}
	}
}

// create settles one Function to warm up, then all the others, then watches them rest.
func (p *plane) create(ctx context.Context) error {
	if err := p.Client.Create(ctx, p.function("warm-up")); err != nil {
		return err
	}
	if err := p.ready(ctx, 1); err != nil {
		return err
	}
	before, err := p.rest(ctx)
	if err != nil {
		return err
	}
	profiles, err := p.profile(ctx)
	if err != nil {
		return err
	}
	progress("creating %d Functions", p.functions)
	begin := time.Now()
	if err := p.createAll(ctx); err != nil {
		return err
	}
	progress("created after %s", time.Since(begin).Round(time.Millisecond))
	if err := p.ready(ctx, p.functions+1); err != nil {
		return err
	}
	figure("functions_settled_per_second", float64(p.functions)/time.Since(begin).Seconds(), "1/s")
	if err := profiles(); err != nil {
		return err
	}
	after, err := p.rest(ctx)
	if err != nil {
		return err
	}
	n := float64(p.functions)
	figure("api_writes_per_new_function", float64(after.sum(false)-before.sum(false))/n, "requests")
	figure("api_writes_per_new_function_with_events", float64(after.sum(true)-before.sum(true))/n, "requests")
	for _, what := range slices.Sorted(maps.Keys(after)) {
		progress("  %s: %.3f for each new Function", what, float64(after[what]-before[what])/n)
	}
	progress("watching the settled Functions for %s", p.quiet)
	if err := sleep(ctx, p.quiet); err != nil {
		return err
	}
	resting, err := readAudit(p.AuditLog, user)
	if err != nil {
		return err
	}
	figure(fmt.Sprintf("writes_in_%.0fs_settled", p.quiet.Seconds()), float64(resting.sum(true)-after.sum(true)), "requests")
	return p.memory(fmt.Sprintf("controller_resident_memory_%d", p.functions))
}

// restart takes how long a new process needs until it has looked at everything and found nothing to do.
func (p *plane) restart(ctx context.Context) error {
	begin := time.Now()
	before, err := readAudit(p.AuditLog, user)
	if err != nil {
		return err
	}
	if err := waitUntil(ctx, seldom, 5*time.Minute, "the restarted controller to have looked at everything", func() (bool, error) {
		for _, name := range []string{"function", "serving"} {
			if done, waiting, err := p.core.reconciled(name); err != nil || done < p.functions+1 || waiting > 0 {
				return false, err
			}
		}
		return true, nil
	}); err != nil {
		return err
	}
	figure(fmt.Sprintf("restart_settle_seconds_%d", p.functions), time.Since(begin).Seconds(), "s")
	after, err := p.rest(ctx)
	if err != nil {
		return err
	}
	figure("writes_after_restart", float64(after.sum(true)-before.sum(true)), "requests")
	return p.memory(fmt.Sprintf("controller_resident_memory_after_restart_%d", p.functions))
}

func (p *plane) memory(name string) error {
	memory, err := p.core.residentMiB()
	if err == nil {
		figure(name, memory, "MiB")
	}
	return err
}

func (p *plane) createAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i := range p.functions {
		group.Go(func() error { return p.Client.Create(ctx, p.function(fmt.Sprintf("fn-%04d", i))) })
	}
	return group.Wait()
}

// function is one that needs no build.
func (p *plane) function(name string) *corev1beta2.Function {
	return &corev1beta2.Function{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name},
		Spec: corev1beta2.FunctionSpec{
			Image:   "registry.example.test/perf/hello:v1",
			Serving: &corev1beta2.ServingImpl{Params: map[string]string{"NAME": name}},
		},
	}
}

// ready waits until n Functions are Ready for their current generation.
func (p *plane) ready(ctx context.Context, n int) error {
	return waitUntil(ctx, seldom, 10*time.Minute, fmt.Sprintf("%d Functions to be ready", n), func() (bool, error) {
		ready, err := p.CountReady(ctx, p.Namespace, "Function")
		return ready == n, err
	})
}

// rest waits until our controller has not written for a while, and returns what it wrote until then.
func (p *plane) rest(ctx context.Context) (now writes, err error) {
	last, since := -1, time.Now()
	err = waitUntil(ctx, seldom, 2*time.Minute, "the last writes", func() (bool, error) {
		if now, err = readAudit(p.AuditLog, user); now.sum(true) != last {
			last, since = now.sum(true), time.Now()
		}
		return time.Since(since) > 5*time.Second, err
	})
	return now, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
