// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The users of the images.
const (
	buildUser   = 1000  // compiles functions
	nonrootUser = 65532 // fetches, reports, and runs functions
)

// What the images of the buildpacks builder call themselves.
const (
	stackID       = "io.openfunction.stacks.go"
	distroName    = "scratch"
	distroVersion = "1"
	platformAPI   = "0.13"
	buildpackID   = "openfunction/go"
	buildpackVer  = "0.1.0"
	lifecycleMod  = "github.com/buildpacks/lifecycle"
)

const passwd = `root:x:0:0:root:/root:/sbin/nologin
cnb:x:1000:1000:cnb:/home/cnb:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
`

const group = `root:x:0:
cnb:x:1000:
nonroot:x:65532:
`

const shellPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// image is one image to assemble.
type image struct {
	name   string // of the repository
	layers []layer
	config v1.Config
}

// base is what every image has: certificate authorities, users, and a folder for temporary files.
func base(caBundle string) layer {
	l := layer{}
	l["etc/ssl/certs/ca-certificates.crt"] = entry{mode: 0o644, from: caBundle}
	l.file("etc/passwd", passwd)
	l.file("etc/group", group)
	l.file("etc/nsswitch.conf", "hosts: files dns\n")
	l.folder("tmp", fs.ModeSticky|0o777, 0)
	l.folder("home/nonroot", 0o755, nonrootUser)
	return l
}

// programImage holds one program of this project's own, cmd/<name>, and nothing it does not need.
func programImage(w *workshop, base layer, name string) (image, error) {
	program, err := w.ours("./cmd/" + name)
	if err != nil {
		return image{}, err
	}
	l := layer{}
	l.program(name, program)
	return image{name: name, layers: []layer{base, l}, config: v1.Config{
		User: user(nonrootUser), Entrypoint: []string{"/" + name}, Env: []string{"PATH=" + shellPath, "HOME=/home/nonroot"},
	}}, nil
}

// dockerfileImage holds kaniko. It has all it needs below /kaniko, since it replaces every other folder while it builds.
func dockerfileImage(w *workshop, base layer, caBundle string) (image, error) {
	program, err := w.pinned("kaniko", "github.com/GoogleContainerTools/kaniko/cmd/executor", "-s -w")
	if err != nil {
		return image{}, err
	}
	l := layer{}
	l.program("kaniko/executor", program)
	l["kaniko/ssl/certs/ca-certificates.crt"] = entry{mode: 0o644, from: caBundle}
	l.folder("kaniko/.docker", 0o777, 0)
	return image{name: "dockerfile", layers: []layer{base, l}, config: v1.Config{
		Entrypoint: []string{"/kaniko/executor"},
		WorkingDir: "/workspace",
		Env: []string{"PATH=" + shellPath + ":/kaniko", "HOME=/root", "USER=root",
			"DOCKER_CONFIG=/kaniko/.docker/", "SSL_CERT_DIR=/kaniko/ssl/certs"},
	}}, nil
}

// runImage is what functions built by the Go builder stand on.
func runImage(base layer, goroot string) (image, error) {
	zones, err := timeZones(filepath.Join(goroot, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return image{}, err
	}
	return image{name: "run-go", layers: []layer{base, zones}, config: v1.Config{
		User:   user(nonrootUser),
		Env:    []string{"PATH=" + shellPath},
		Labels: stackLabels(),
	}}, nil
}

// timeZones unpacks Go's copy of the time zone database, so that it is the same whatever this machine has installed.
func timeZones(archive string) (layer, error) {
	zones, err := zip.OpenReader(archive)
	if err != nil {
		return nil, fmt.Errorf("reading time zones: %w", err)
	}
	defer zones.Close()
	l := layer{}
	for _, f := range zones.File {
		if f.FileInfo().IsDir() {
			continue
		}
		content, err := f.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(content)
		if err != nil {
			return nil, err
		}
		l.file(path.Join("usr/share/zoneinfo", f.Name), string(text))
	}
	return l, nil
}

func builderImage(w *workshop, base layer, goroot, runRef string) (image, error) {
	toolchain, err := goToolchain(goroot)
	if err != nil {
		return image{}, fmt.Errorf("collecting the Go toolchain: %w", err)
	}
	stdlib, err := compiledStdlib(w)
	if err != nil {
		return image{}, err
	}
	version, err := w.version("lifecycle", lifecycleMod)
	if err != nil {
		return image{}, err
	}
	version = strings.TrimPrefix(version, "v")
	lifecycle, err := lifecycleLayer(w, version)
	if err != nil {
		return image{}, err
	}
	buildpack, err := buildpackLayer(w, runRef)
	if err != nil {
		return image{}, err
	}
	labels, err := builderLabels(version, runRef)
	if err != nil {
		return image{}, err
	}
	return image{name: "builder-go", layers: []layer{base, toolchain, stdlib, lifecycle, buildpack}, config: v1.Config{
		User:       user(buildUser),
		WorkingDir: "/workspace",
		Labels:     labels,
		Env: []string{"PATH=/cnb/lifecycle:/usr/local/go/bin:" + shellPath, "HOME=/home/cnb",
			fmt.Sprintf("CNB_USER_ID=%d", buildUser), fmt.Sprintf("CNB_GROUP_ID=%d", buildUser),
			"CNB_STACK_ID=" + stackID, "CNB_PLATFORM_API=" + platformAPI, "CNB_NO_COLOR=true"},
	}}, nil
}

// reuseCacheOnce mends the lifecycle's build cache: having reused an unchanged layer of the cache image it goes on and adds the
// layer once more, which compresses all of it in every build.
var reuseCacheOnce = fix{
	module: lifecycleMod,
	file:   "phase/cache.go",
	before: "if err = cache.ReuseLayer(previousSHA); err != nil {",
	after:  "if err = cache.ReuseLayer(previousSHA); err == nil {\nreturn layer.Digest, nil\n} else {",
}

func lifecycleLayer(w *workshop, version string) (layer, error) {
	stamp := fmt.Sprintf("-s -w -X %s/cmd.Version=%s", lifecycleMod, version)
	l := layer{}
	for _, name := range []string{"lifecycle", "launcher"} {
		program, err := w.pinned("lifecycle", lifecycleMod+"/cmd/"+name, stamp, reuseCacheOnce)
		if err != nil {
			return nil, err
		}
		l.program("cnb/lifecycle/"+name, program)
	}
	for _, phase := range []string{"analyzer", "builder", "creator", "detector", "exporter", "extender", "rebaser", "restorer"} {
		l.symlink("cnb/lifecycle/"+phase, "lifecycle")
	}
	l.file("cnb/lifecycle/lifecycle.toml", fmt.Sprintf(`[apis]
[apis.buildpack]
deprecated = []
supported = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12"]

[apis.platform]
deprecated = []
supported = ["0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"]

[lifecycle]
version = %q
`, version))
	return l, nil
}

func buildpackLayer(w *workshop, runRef string) (layer, error) {
	program, err := w.ours("./builders/go/buildpack")
	if err != nil {
		return nil, err
	}
	l := layer{}
	dir := path.Join("cnb/buildpacks", strings.ReplaceAll(buildpackID, "/", "_"), buildpackVer)
	l[dir+"/buildpack.toml"] = entry{mode: 0o644, from: filepath.Join(w.root, "builders", "go", "buildpack", "buildpack.toml")}
	l.program(dir+"/bin/build", program)
	l.symlink(dir+"/bin/detect", "build")
	l.file("cnb/order.toml", fmt.Sprintf("[[order]]\n[[order.group]]\nid = %q\nversion = %q\n", buildpackID, buildpackVer))
	l.file("cnb/run.toml", fmt.Sprintf("[[images]]\nimage = %q\n", runRef))
	l.file("cnb/stack.toml", fmt.Sprintf("[run-image]\nimage = %q\n", runRef))
	for _, dir := range []string{"home/cnb", "layers", "platform", "platform/env", "workspace"} {
		l.folder(dir, 0o755, buildUser)
	}
	return l, nil
}

func stackLabels() map[string]string {
	return map[string]string{
		"io.buildpacks.stack.id":             stackID,
		"io.buildpacks.base.distro.name":     distroName,
		"io.buildpacks.base.distro.version":  distroVersion,
		"org.opencontainers.image.source":    "https://github.com/openfunction/openfunction",
		"org.opencontainers.image.licenses":  "Apache-2.0",
		"io.buildpacks.stack.homepage":       "https://github.com/openfunction/openfunction",
		"io.buildpacks.stack.maintainer":     "OpenFunction",
		"io.buildpacks.base.description":     "Certificate authorities, users and time zones",
		"io.buildpacks.base.distro.codename": distroName,
	}
}

// builderLabels describe the builder to platforms that look at it before they run it.
func builderLabels(lifecycleVersion, runRef string) (map[string]string, error) {
	type object = map[string]any
	buildpack := object{"id": buildpackID, "version": buildpackVer}
	run := object{"image": runRef, "mirrors": []string{}}
	labels := stackLabels()
	for name, value := range map[string]any{
		"io.buildpacks.builder.metadata": object{
			"description": "Builds functions in Go",
			"buildpacks":  []object{buildpack},
			"stack":       object{"runImage": run},
			"images":      []object{run},
			"lifecycle": object{"version": lifecycleVersion, "api": object{"buildpack": "0.7", "platform": "0.7"},
				"apis": object{"buildpack": object{"supported": []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12"}},
					"platform": object{"supported": []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"}}}},
			"createdBy": object{"name": "openfunction/builders", "version": buildpackVer},
		},
		"io.buildpacks.buildpack.order":  []object{{"group": []object{buildpack}}},
		"io.buildpacks.buildpack.layers": object{buildpackID: object{buildpackVer: object{"api": "0.10", "stacks": []object{{"id": "*"}}}}},
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		labels[name] = string(text)
	}
	return labels, nil
}

func user(id int) string { return fmt.Sprintf("%d:%d", id, id) }

// platform is the machine the images are for: the one that assembles them.
func platform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// caBundle finds this machine's certificate authorities.
func caBundle(given string) (string, error) {
	for _, at := range []string{given, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if info, err := os.Stat(at); at != "" && err == nil && info.Mode().IsRegular() {
			return at, nil
		}
	}
	return "", fmt.Errorf("no certificate authorities found: install ca-certificates, or give --ca-bundle")
}
