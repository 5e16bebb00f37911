// SPDX-License-Identifier: Apache-2.0

package main

import _ "embed"

// The sources of the functions that are measured.
var (
	//go:embed testdata/hello.go.txt
	hello string
	//go:embed testdata/counter.go.txt
	counter string
	//go:embed testdata/counter.mod.txt
	counterModule string
	//go:embed testdata/counter.sum.txt
	counterSum string
	//go:embed testdata/bucket.go.txt
	bucket string
	//go:embed testdata/bucket.mod.txt
	bucketModule string
	//go:embed testdata/bucket.sum.txt
	bucketSum string
)
