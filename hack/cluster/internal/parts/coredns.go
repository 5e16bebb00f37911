package parts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

var coredns = Part{
	Name:       "coredns",
	Component:  "coredns",
	Build:      90 * time.Second,
	Install:    8 * time.Second,
	Namespaces: []string{"kube-system"},
	Objects: func(context.Context, Kit) ([]manifests.Object, error) {
		quoted, err := json.Marshal(corefile())
		if err != nil {
			return nil, err
		}
		return embedded("coredns.yaml", "COREFILE", string(quoted))
	},
}

// corefile knows Services, the servers on the node, and the functions' domain. Of the world outside it says that it does
// not exist: a build that asks for it fails at once and understandably, instead of waiting.
func corefile() string {
	return fmt.Sprintf(`%[1]s in-addr.arpa ip6.arpa {
    errors
    health :8080
    ready :8181
    kubernetes %[1]s in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
        fallthrough in-addr.arpa ip6.arpa
    }
    cache 5 {
        disable denial
    }
    loadbalance
}
local {
    hosts {
        %[2]s registry.local %[3]s %[4]s
    }
}
%[5]s {
    template IN A %[5]s {
        answer "{{ .Name }} 30 IN A %[6]s"
    }
    template IN ANY %[5]s {
        rcode NOERROR
    }
}
. {
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
`, layout.ClusterDomain, layout.NodeIP, layout.GitName, layout.GoproxyName, layout.IngressDomain, layout.IngressIP)
}
