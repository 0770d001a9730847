// Package ext stands for a part of Traefik's module that its archive leaves out: it is empty there,
// too.
package ext

// HTTP is empty.
type HTTP struct{}

// Router is empty.
type Router struct{}
