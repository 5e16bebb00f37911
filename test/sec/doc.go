// SPDX-License-Identifier: Apache-2.0

// Package sec holds the suite that shows what the platform's programs may not do: it runs them as they are installed, with the rights of their
// ServiceAccounts and no others, and looks for secret values in all that they put out.
package sec
