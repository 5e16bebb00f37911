// Package ext supplies the two types that the Traefik module expects from a folder that is not part of it.
package ext

// HTTP is an empty extension of an HTTP configuration.
type HTTP struct{}

// Router is an empty extension of a router.
type Router struct{}
