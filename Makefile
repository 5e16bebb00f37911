# SPDX-License-Identifier: Apache-2.0
# `make` lists the targets. The README's two commands are `make demo` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# One set of build flags for everything but the race detector, so that every package is compiled once: the programs in the images are
# static and the same wherever they are built.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

CLUSTER := go run -C hack/cluster .

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## a cluster if needed, the platform on it, a Function from source to an answer, to zero and back
	go run ./hack/demo

.PHONY: fast
fast: ## build, vet, unit and golden tests, in under a minute
	go build ./...
	go vet ./...
	go test -short ./pkg/... ./cmd/...

# Memory is there and the cores are not: each etcd, kube-apiserver and test collects its garbage a quarter as often, up to 3 GiB.
.PHONY: test
test: export GOGC := 400
test: export GOMEMLIMIT := 3GiB
test: ## unit, golden and control plane tests under the race detector
	@command -v gcc >/dev/null || { apt-get update -qq && apt-get install -y -qq gcc libc6-dev; } || \
		{ echo "The race detector needs gcc and libc6-dev; install them" >&2; exit 1; }
	@for component in etcd kubernetes helm; do $(CLUSTER) build $$component >/dev/null; done # once; the suites would wait for it past their time
	@rm -rf bin/audit && mkdir -p bin/audit
	@# Side by side: where the one waits for controllers, the other works.
	@$(MAKE) --no-print-directory -j2 test-race test-apart
	-go run ./test/sec/privileges config bin/audit # make sec fails on a difference

# Vet is a part of make lint. Three packages at once: the longest one waits for controllers more than it works.
.PHONY: test-race
test-race:
	OPENFUNCTION_AUDIT=$(CURDIR)/bin/audit CGO_ENABLED=1 go test -race -p=3 -vet=off -ldflags=-w -count=1 -timeout=30m $$(go list ./... | grep -v -E '/test/(e2e|perf)')

.PHONY: test-apart
test-apart: # what the race detector is too slow for, 10,000 objects a kind and direction, and the cluster's own module
	go test -count=1 -timeout=30m ./apis/core/v1beta1
	go test -C hack/cluster ./...

.PHONY: sec
sec: ## rights that are granted and not used, or used and not granted; secret values in what the platform puts out
	@rm -rf bin/audit && mkdir -p bin/audit
	OPENFUNCTION_AUDIT=$(CURDIR)/bin/audit go test -count=1 -timeout=30m ./controllers/... ./test/faults ./test/sec/...
	go run ./test/sec/privileges config bin/audit

.PHONY: e2e
e2e: ## Ginkgo suite on the local cluster, or the one KUBECONFIG names
	go run github.com/onsi/ginkgo/v2/ginkgo --procs=4 --flake-attempts=2 --timeout=80m -v ./test/e2e

.PHONY: faults
faults: ## the fault campaign: some plans under the race detector, then every scenario under every fault; PLAN='…' runs one plan again
ifdef PLAN
	CGO_ENABLED=1 FAULTS=all FAULTS_PLAN="$(PLAN)" go test -race -count=1 -v -timeout=30m ./test/faults
else
	race=0; CGO_ENABLED=1 FAULTS=all FAULTS_LIMIT=4 FAULTS_SEED=2 go test -race -count=1 -v -timeout=60m ./test/faults || race=$$?; \
	FAULTS=all go test -count=1 -v -timeout=60m ./test/faults; exit $$race
endif

.PHONY: perf
perf: ## print the performance figures, one `name value unit` a line
	go run ./test/perf

.PHONY: bugs
bugs: ## plant known bugs one at a time, and print which oracle of the fault campaign catches each; BUGS="07 26" for some
	go run ./test/faults/bugs/run -parallel=2 $(BUGS)

.PHONY: golden
golden: ## rewrite the golden files; read the difference like code
	UPDATE_GOLDEN=1 go test ./pkg/... -run Golden

.PHONY: ends
ends: ## rewrite the ends of the fault campaign's scenarios (test/faults/testdata/ends); read the difference like code
	UPDATE_GOLDEN=1 FAULTS_KINDS=nothing go test -count=1 ./test/faults

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@for target in $$(grep -rhoE '^func Fuzz\w+' --include=*_test.go pkg cmd apis agent router builders | sed 's/func //' | sort -u); do \
		for package in $$(grep -rlE "^func $$target\(" --include=*_test.go pkg cmd apis agent router builders | xargs -n1 dirname | sort -u); do \
			go test "./$$package" -run='^$$' -fuzz="^$$target$$" -fuzztime=$${FUZZTIME:-30s}; done; done

.PHONY: generate
generate: ## write what is generated: deep copies, CRDs, roles
	./hack/generate.sh

.PHONY: verify
verify: ## fail if what is generated is not what is committed
	@before=$$(git status --porcelain -- apis config); ./hack/generate.sh >/dev/null; after=$$(git status --porcelain -- apis config); \
	if [ "$$before" != "$$after" ] || ! git diff --quiet -- apis config; then \
		git --no-pager diff --stat -- apis config; echo "Generated files differ: run make generate and commit" >&2; exit 1; fi

.PHONY: reproducible
reproducible: ## fail unless two clean builds of each binary are the same to the bit; minutes the first time
	./hack/reproducible.sh

.PHONY: lint
lint: ## golangci-lint, pinned in hack/tools
	./hack/lint.sh

.PHONY: cluster
cluster: ## start the local cluster, or what is missing of it; WITH="keda dapr redis" adds parts
	$(CLUSTER) up --with="$(WITH)"

.PHONY: cluster-down
cluster-down: ## stop the local cluster and remove all it made, but for cached binaries
	$(CLUSTER) down

.PHONY: cluster-status
cluster-status: ## what runs, and what does not
	$(CLUSTER) status

.PHONY: kubeconfig
kubeconfig: ## print the path of the local cluster's kubeconfig
	@$(CLUSTER) kubeconfig

.PHONY: install
install: ## build this checkout and install it on the cluster
	go run ./hack/platform/install
