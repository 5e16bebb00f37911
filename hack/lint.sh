#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the pinned golangci-lint once into the user's cache folder and runs it over every module of this repository.
set -eu -o pipefail
cd "$(dirname "$0")/.."
module=github.com/golangci/golangci-lint/v2
version=$(go list -C hack/tools/lint -m -f '{{.Version}}' $module)
bin=${XDG_CACHE_HOME:-$HOME/.cache}/openfunction/tools/golangci-lint-$version
if [ ! -x "$bin" ]; then
	echo "building golangci-lint $version, once: some minutes"
	mkdir -p "$(dirname "$bin")"
	go build -C hack/tools/lint -o "$bin.new" $module/cmd/golangci-lint
	mv "$bin.new" "$bin"
fi
"$bin" run --timeout=15m ./...
(cd hack/cluster && "$bin" run --timeout=15m ./...)
