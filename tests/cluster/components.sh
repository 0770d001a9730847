# shellcheck shell=bash
# The command lines of the cluster's programs, and how one is started. `init` sources it when
# the cluster starts, and lib.sh's `run_inside` when a test starts one anew: both within the
# cluster's namespaces, after `load_settings`.
# shellcheck disable=SC2154 # lib.sh and the cluster's settings file assign them

# Private to the cluster's mount namespace, in memory, and gone with it.
STATE=/run/cluster

# launch PROGRAM: starts it, with its log and its number (in the PID namespace) in the run folder.
launch() {
	"start_${1//-/_}" >>"$RUN/logs/$1.log" 2>&1 9>&- &
	echo $! >"$RUN/$1.pid"
}

start_etcd() {
	exec "$PROGRAMS/etcd" --name "$NODE" --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
		--initial-cluster "$NODE=http://127.0.0.1:2380"
}

# With an issuer and a signing key the TokenRequest API works, so that a test can act as any
# ServiceAccount. The front proxy's keys are for aggregated APIs such as that of metrics.
start_kube_apiserver() {
	exec "$PROGRAMS/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
		--advertise-address="$NODE_IP" --bind-address=0.0.0.0 --secure-port=6443 \
		--tls-cert-file="$RUN/pki/apiserver.crt" --tls-private-key-file="$RUN/pki/apiserver.key" \
		--client-ca-file="$RUN/pki/ca.crt" --authorization-mode=Node,RBAC \
		--enable-admission-plugins=NodeRestriction --service-cluster-ip-range="$SERVICE_CIDR" \
		--service-account-issuer=https://kubernetes.default.svc \
		--service-account-key-file="$RUN/pki/service-account.pub" \
		--service-account-signing-key-file="$RUN/pki/service-account.key" \
		--kubelet-client-certificate="$RUN/pki/kubelet-client.crt" \
		--kubelet-client-key="$RUN/pki/kubelet-client.key" \
		--kubelet-preferred-address-types=InternalIP --enable-aggregator-routing=true \
		--proxy-client-cert-file="$RUN/pki/front-proxy-client.crt" \
		--proxy-client-key-file="$RUN/pki/front-proxy-client.key" \
		--requestheader-client-ca-file="$RUN/pki/front-proxy-ca.crt" \
		--requestheader-allowed-names=front-proxy-client \
		--requestheader-username-headers=X-Remote-User \
		--requestheader-group-headers=X-Remote-Group \
		--requestheader-extra-headers-prefix=X-Remote-Extra-
}

# With the default client limits the controllers start some five seconds late. The autoscaler's
# times are shorter than the defaults so that a test sees it act. A node counts as dead later than
# by default (50 s): it is not, where a test takes the API server away for a minute.
start_kube_controller_manager() {
	local me=$RUN/kube-controller-manager.kubeconfig
	exec "$PROGRAMS/kube-controller-manager" --kubeconfig="$me" \
		--authentication-kubeconfig="$me" --authorization-kubeconfig="$me" \
		--bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials \
		--service-account-private-key-file="$RUN/pki/service-account.key" \
		--root-ca-file="$RUN/pki/ca.crt" --allocate-node-cidrs --cluster-cidr="$POD_CIDR" \
		--service-cluster-ip-range="$SERVICE_CIDR" --kube-api-qps=500 --kube-api-burst=1000 \
		--cluster-signing-cert-file="$RUN/pki/ca.crt" --cluster-signing-key-file="$RUN/pki/ca.key" \
		--node-monitor-grace-period=10m \
		--horizontal-pod-autoscaler-sync-period=5s \
		--horizontal-pod-autoscaler-cpu-initialization-period=10s \
		--horizontal-pod-autoscaler-initial-readiness-delay=5s \
		--horizontal-pod-autoscaler-downscale-stabilization=10s
}

start_kube_scheduler() {
	local me=$RUN/kube-scheduler.kubeconfig
	exec "$PROGRAMS/kube-scheduler" --kubeconfig="$me" --authentication-kubeconfig="$me" \
		--authorization-kubeconfig="$me" --bind-address=127.0.0.1 --leader-elect=false
}

# The reclaiming thresholds are off: how full the machine's disk is must decide no test.
start_kubelet() {
	cat >"$STATE/kubelet.yaml" <<-YAML
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		cgroupDriver: cgroupfs
		cgroupRoot: /$CGROUP
		failSwapOn: false
		containerRuntimeEndpoint: unix://$STATE/containerd.sock
		authentication:
		  anonymous: {enabled: false}
		  webhook: {enabled: true}
		  x509: {clientCAFile: $RUN/pki/ca.crt}
		authorization: {mode: Webhook}
		resolvConf: ""
		evictionHard:
		  {memory.available: 50Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
		imageGCHighThresholdPercent: 100
		serializeImagePulls: false
		localStorageCapacityIsolation: false
		maxPods: 200
	YAML
	exec "$PROGRAMS/kubelet" --config="$STATE/kubelet.yaml" --kubeconfig="$RUN/kubelet.kubeconfig" \
		--root-dir="$STATE/kubelet" --node-ip="$NODE_IP" --hostname-override="$NODE"
}

# The limits of connection tracking are left alone: they are the whole machine's.
start_kube_proxy() {
	cat >"$STATE/kube-proxy.yaml" <<-YAML
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: nftables
		nftables: {minSyncPeriod: $MIN_SYNC}
		clientConnection: {kubeconfig: $RUN/kube-proxy.kubeconfig}
		clusterCIDR: $POD_CIDR
		hostnameOverride: $NODE
		conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	YAML
	exec "$PROGRAMS/kube-proxy" --config="$STATE/kube-proxy.yaml"
}

# Without CAP_SYS_RESOURCE a container's score can't be lowered, and without the setting every
# sandbox would fail at that. The ptp plugin needs no bridge, and so no br_netfilter module.
start_containerd() {
	mkdir -p "$STATE/cni"
	cat >"$STATE/cni/10-pods.conflist" <<-JSON
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipMasq": false, "mtu": 1500,
		 "ipam": {"type": "host-local", "dataDir": "$STATE/cni-addresses", "routes": [{"dst": "0.0.0.0/0"}],
		          "ranges": [[{"subnet": "${POD_CIDR%/*}/24"}]]}}]}
	JSON
	cat >"$STATE/containerd.toml" <<-TOML
		version = 2
		root = "$STATE/containerd"
		state = "$STATE/containerd-state"
		[grpc]
		  address = "$STATE/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:1"
		  disable_apparmor = true
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$STATE/cni"
		  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		    runtime_type = "io.containerd.runc.v2"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		      SystemdCgroup = false
	TOML
	exec containerd --config "$STATE/containerd.toml"
}

# import_images ARCHIVE: loads the images, and names each by its digest too, as a pull would:
# a pod's status then shows repository@digest.
import_images() {
	local ctr=(ctr --address "$STATE/containerd.sock" --namespace k8s.io) name digest
	until "${ctr[@]}" version >/dev/null 2>&1; do sleep 0.05; done
	"${ctr[@]}" images import "$1"
	"${ctr[@]}" images list | while read -r name _ digest _; do
		[[ $name != *:*.*.* || $name == *@* ]] || "${ctr[@]}" images tag --force "$name" "${name%:*}@$digest"
	done
	echo "$1" >"$RUN/images"
}
