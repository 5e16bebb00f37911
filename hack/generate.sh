#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes everything that is generated from the Go sources: deep copies, custom resource definitions, the manager's role.
# The tools are pinned in hack/tools/go.mod.
set -eu
cd "$(dirname "$0")/.."
tools=$PWD/hack/tools
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -C "$tools" -o "$bin/" sigs.k8s.io/controller-tools/cmd/controller-gen ./crd

"$bin/controller-gen" object:headerFile=hack/boilerplate.go.txt paths=./apis/...
"$bin/crd" -root . -out config/crd/bases ./apis/...
if [ -d controllers/core ]; then
	"$bin/controller-gen" rbac:roleName=openfunction-core paths="./controllers/core;./controllers/networking" output:rbac:dir=config/rbac
fi
