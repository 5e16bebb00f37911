// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// renamed are the resources that the API server keeps under another name than their own (kubernetes/pkg/kubeapiserver, default_storage_factory_builder.go).
var renamed = map[schema.GroupResource]string{
	{Resource: "replicationcontrollers"}:                "controllers",
	{Resource: "services"}:                              "services/specs",
	{Group: "networking.k8s.io", Resource: "ingresses"}: "ingress",
}

// prefix begins the keys of a namespace's objects in etcd, whatever their version. What a CRD defines is kept under its group too.
func prefix(of schema.GroupResource, namespace string) string {
	resource, found := renamed[of]
	switch {
	case found:
	case clientgoscheme.Scheme.IsGroupRegistered(of.Group):
		resource = of.Resource
	default:
		resource = of.Group + "/" + of.Resource
	}
	return "/registry/" + resource + "/" + namespace + "/"
}

// versions are the resourceVersions of a namespace's objects, by resource and name. What is not there has none: 0.
type versions map[schema.GroupResource]map[string]uint64

// stored reads the versions of these resources in a namespace from etcd, where an object's is the revision that wrote it last. All are of one moment, later
// than every write that was answered before. It costs one small request, where lists of the API server would wait for the watch cache of each resource and
// make all the objects.
func (cp *ControlPlane) stored(ctx context.Context, namespace string, resources []schema.GroupResource) (versions, error) {
	var reads []clientv3.Op
	for _, r := range resources {
		reads = append(reads, clientv3.OpGet(prefix(r, namespace), clientv3.WithPrefix(), clientv3.WithKeysOnly()))
	}
	answer, err := cp.etcd.Txn(ctx).Then(reads...).Commit()
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %s from etcd: %w", namespace, err)
	}
	all := versions{}
	for i, r := range resources {
		all[r] = map[string]uint64{}
		for _, kv := range answer.Responses[i].GetResponseRange().Kvs {
			all[r][strings.TrimPrefix(string(kv.Key), prefix(r, namespace))] = uint64(kv.ModRevision)
		}
	}
	return all, nil
}

// dialEtcd makes the client that stored asks.
func (cp *ControlPlane) dialEtcd() (err error) {
	cp.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{cp.env.ControlPlane.Etcd.URL.String()}, Logger: zap.NewNop()})
	return err
}
