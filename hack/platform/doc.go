// SPDX-License-Identifier: Apache-2.0

// Package platform finds a cluster and installs this project on it from the checkout: it builds the images, pushes them to the
// cluster's registry and applies config/default. The demo, the e2e suite and `make install` share it.
package platform
