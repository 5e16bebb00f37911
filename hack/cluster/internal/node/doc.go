// Package node describes the daemons of the one node: the control plane, containerd, the kubelet and kube-proxy. It
// writes their configuration and says how each is run and when it is ready; it starts nothing itself.
//
// Many settings are there because the machine is a container or a small virtual machine: no systemd, cgroup v1 perhaps,
// no right to protect processes from the out-of-memory killer, sysctls that cannot be written.
package node
