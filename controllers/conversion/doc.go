// SPDX-License-Identifier: Apache-2.0

// Package conversion serves the conversion webhook of core.openfunction.io and keeps its certificate.
//
// It owns one Secret, with a certificate authority and the certificate that it signed, and the caBundle of the definitions that name the
// webhook. Every replica serves and every replica keeps the certificate: writes are conditional, so it does not matter which is first. What
// is converted into what is the matter of the apis packages.
package conversion
