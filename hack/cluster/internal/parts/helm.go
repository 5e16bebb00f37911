package parts

import "time"

// helm installs nothing on the node: it is a program for the host, whose path is among the endpoints.
var helm = Part{
	Name:      "helm",
	Optional:  true,
	Component: "helm",
	Build:     3 * time.Minute,
}
