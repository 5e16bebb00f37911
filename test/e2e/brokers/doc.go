// SPDX-License-Identifier: Apache-2.0

// Package brokers speaks with the brokers of the e2e suite, as far as the suite needs it: it sends messages whose arrival is certain, and
// reads what the functions under test write down in Redis. It is not a client library: one connection, one request at a time.
package brokers
