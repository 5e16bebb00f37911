// Package debian gets Debian packages with all they depend on, for images, without installing anything, and keeps them in the
// cache. What is in the cache is used for ever: a broker for tests need not follow every update. Remove the folder to renew it.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Bundle is a package with all it depends on.
type Bundle struct {
	// Version is the version of the package itself.
	Version string
	// Files are the archives, sorted by name.
	Files []string
	// Cached tells that nothing had to be downloaded.
	Cached bool
}

// Cache downloads packages and keeps them.
type Cache struct {
	// Dir holds a folder for every package and version.
	Dir string
}

// Look returns what is in the cache; nothing if the package is not.
func (c Cache) Look(pkg string) (Bundle, bool) {
	dirs, err := filepath.Glob(filepath.Join(c.Dir, prefix(pkg)+"*"))
	if err != nil || len(dirs) == 0 {
		return Bundle{}, false
	}
	dir := slices.MaxFunc(dirs, func(a, b string) int { return int(changed(a) - changed(b)) })
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(files) == 0 {
		return Bundle{}, false
	}
	return Bundle{Version: strings.TrimPrefix(filepath.Base(dir), prefix(pkg)), Files: files, Cached: true}, true
}

func prefix(pkg string) string { return "debian-" + pkg + "_" + runtime.GOARCH + "-" }

func changed(dir string) int64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	return info.ModTime().Unix()
}

// Fetch makes sure that a package is in the cache. A folder in the cache is complete, because it gets its name last.
func (c Cache) Fetch(ctx context.Context, pkg string) (Bundle, error) {
	if bundle, ok := c.Look(pkg); ok {
		return bundle, nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return Bundle{}, fmt.Errorf("creating the cache: %w", err)
	}
	tmp, err := os.MkdirTemp(c.Dir, ".downloading-"+pkg+"-")
	if err != nil {
		return Bundle{}, fmt.Errorf("creating the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := download(ctx, tmp, pkg); err != nil {
		// The lists may be missing, or name versions that the mirror no longer has.
		if updateErr := aptGet(ctx, "update", "-qq"); updateErr != nil {
			return Bundle{}, fmt.Errorf("%w; %w", err, updateErr)
		}
		if err := download(ctx, tmp, pkg); err != nil {
			return Bundle{}, err
		}
	}
	version, err := versionIn(tmp, pkg)
	if err != nil {
		return Bundle{}, err
	}
	for _, leftover := range []string{"partial", "lock", "nothing-installed"} {
		if err := os.RemoveAll(filepath.Join(tmp, leftover)); err != nil {
			return Bundle{}, fmt.Errorf("tidying the cache: %w", err)
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return Bundle{}, fmt.Errorf("keeping %s: %w", pkg, err)
	}
	if err := os.Rename(tmp, filepath.Join(c.Dir, prefix(pkg)+version)); err != nil {
		if bundle, ok := c.Look(pkg); ok {
			return bundle, nil // another process was faster
		}
		return Bundle{}, fmt.Errorf("keeping %s: %w", pkg, err)
	}
	bundle, _ := c.Look(pkg)
	bundle.Cached = false
	return bundle, nil
}

// download has apt work out what the package needs on a machine that has nothing yet, and get that.
func download(ctx context.Context, dir, pkg string) error {
	nothing := filepath.Join(dir, "nothing-installed")
	if err := os.WriteFile(nothing, nil, 0o644); err != nil {
		return fmt.Errorf("downloading %s: %w", pkg, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o755); err != nil {
		return fmt.Errorf("downloading %s: %w", pkg, err)
	}
	return aptGet(ctx,
		"-o", "Dir::State::status="+nothing, "-o", "Dir::Cache::archives="+dir+"/",
		// Neither wait for others nor leave them a cache in which nothing is installed.
		"-o", "Debug::NoLocking=true", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root",
		// Without the second, apt takes the package that merges /usr, which needs Perl.
		"install", "--download-only", "-y", "-qq", "--no-install-recommends", pkg, "usr-is-merged")
}

// versionIn reads the version of a package from the name of its archive.
func versionIn(dir, pkg string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, pkg+"_*.deb"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("downloading %s gave %d archives of it, want one", pkg, len(files))
	}
	version := strings.TrimPrefix(filepath.Base(files[0]), pkg+"_")
	version = version[:strings.LastIndexByte(version, '_')]
	if _, after, epoch := strings.Cut(version, "%3a"); epoch {
		version = after
	}
	return version, nil
}

// forScripts are packages that only the scripts run at installation use, by path.Match pattern.
var forScripts = []string{
	"adduser", "cron", "cron-daemon-common", "debconf", "dpkg", "init-system-helpers", "libperl*", "libpython*", "logrotate", "lsb-base",
	"passwd", "perl*", "python*", "sensible-utils", "sysvinit-utils", "tar", "usr-is-merged", "usrmerge", "*-perl",
}

// Needed leaves out the archives that only installing uses.
func (b Bundle) Needed() []string {
	return slices.DeleteFunc(slices.Clone(b.Files), func(file string) bool {
		pkg, _, _ := strings.Cut(filepath.Base(file), "_")
		return slices.ContainsFunc(forScripts, func(pattern string) bool {
			matches, _ := path.Match(pattern, pkg) // Only a bad pattern is an error.
			return matches
		})
	})
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", args[len(args)-1], err, strings.TrimSpace(out.String()))
	}
	return nil
}
