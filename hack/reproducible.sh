#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds every binary twice, as for the images, and fails unless the two are the same to the bit: here, and in a copy of the checkout elsewhere with a
# build cache of its own, on one processor. That cache is empty the first time, which takes minutes, and is kept: what is in it was compiled in the
# second place, never in the first.
set -eu -o pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/elsewhere" "$copy/first" "$copy/second"
git ls-files -z --cached --others --exclude-standard -- '*.go' '*.tmpl' '*.yaml' go.mod go.sum | while IFS= read -r -d '' file; do
	[ -e "$file" ] && printf '%s\0' "$file"
done | xargs -0 cp --parents -t "$copy/elsewhere"

build() { # folder, output
	CGO_ENABLED=0 GOFLAGS= go build -C "$1" -trimpath -buildvcs=false -ldflags="-s -w" -o "$2/" ./cmd/...
}
build . "$copy/first"
GOCACHE=${XDG_CACHE_HOME:-$HOME/.cache}/openfunction/reproducible GOMAXPROCS=1 build "$copy/elsewhere" "$copy/second"

(cd "$copy/first" && sha256sum -- *)
if ! (cd "$copy/first" && sha256sum -- *) | (cd "$copy/second" && sha256sum --check --quiet -); then
	echo "Two builds of the same source differ: what of the place, the time or the order is in them?" >&2
	exit 1
fi
