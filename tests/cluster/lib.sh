# shellcheck shell=bash
# What the scripts of the test cluster share. They source it; it is no program.
# shellcheck disable=SC2034 # what it assigns is for them
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${BLUEGREEN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bluegreen}
# One place for the whole machine, whoever's checkout started the cluster: namespaces,
# links and routes are the machine's too.
RUNS=/run/bluegreen-cluster
NODE=node1

log() { printf 'cluster: %s\n' "$*" >&2; }
die() {
	log "error: $*"
	exit 1
}

# use_cluster [NAME]: sets the names that belong to one cluster.
use_cluster() {
	NAME=${1:-${BLUEGREEN_CLUSTER:-testbed}}
	[[ $NAME =~ ^[a-z][a-z0-9-]{0,30}$ ]] || die "'$NAME' is no cluster name: lower case letters, digits and '-' are"
	RUN=$RUNS/$NAME
	NETNS=bluegreen-$NAME
	CGROUP=bluegreen-$NAME
	KUBECONFIG_PATH=$RUN/kubeconfig
}

# use_block N: sets the addresses of a cluster, all within 10.N.0.0/16.
use_block() {
	LINK=bluegreen$1
	HOST_IP=10.$1.0.1
	NODE_IP=10.$1.0.2
	SERVICE_CIDR=10.$1.64.0/18
	SERVICE_IP=10.$1.64.1
	POD_CIDR=10.$1.128.0/17
}

# load_settings: what `up` chose for this cluster.
load_settings() {
	# shellcheck source=/dev/null
	source "$RUN/settings"
	use_block "$BLOCK"
}

# lock: holds this cluster's lock until the script ends, as file descriptor 9. `down` removes
# the file while it holds the lock, so whoever got the lock of a removed file tries again.
lock() {
	while :; do
		mkdir -p "$RUNS"
		{ exec 9>"$RUN.lock"; } 2>/dev/null || continue
		flock -n 9 || {
			log "another command is at work on $NAME; waiting for it"
			flock 9
		}
		[[ /proc/self/fd/9 -ef $RUN.lock ]] && return
	done
}

# running: whether the process that holds the cluster's namespaces lives. A process that only
# has its old number is not in its network namespace.
running() {
	local pid
	pid=$(cat "$RUN/pid" 2>/dev/null) && [[ -e /run/netns/$NETNS && /proc/$pid/ns/net -ef /run/netns/$NETNS ]]
}

# inside COMMAND...: runs a command in all of the cluster's namespaces.
inside() {
	local ns
	ns=/proc/$(cat "$RUN/pid")/ns
	nsenter --net="$ns/net" --mount="$ns/mnt" --pid="$ns/pid_for_children" -- "$@"
}

# run_inside FUNCTION [ARGUMENT...]: calls a function of components.sh in there.
run_inside() {
	# shellcheck disable=SC2016 # the inner shell is to expand these
	inside setsid bash -c 'source "$1/lib.sh"; use_cluster "$2"; load_settings
		source "$1/components.sh"; shift 2; "$@"' bash "$HERE" "$NAME" "$@"
}

# api PATH: asks the API server as its administrator. The time limit is that of a server
# which is paused, not of one that is slow.
api() {
	curl --silent --fail --max-time 5 --cacert "$RUN/pki/ca.crt" --cert "$RUN/pki/admin.crt" \
		--key "$RUN/pki/admin.key" "https://$NODE_IP:6443$1" 2>/dev/null
}

api_ready() { [[ $(api /readyz) == ok ]]; }

# Asked by curl, Kubernetes writes its JSON with spaces. No pipe to `grep -q`: its early end
# would now and then fail the writer, and with pipefail a healthy node.
node_ready() { [[ $(api "/api/v1/nodes/$NODE") == *'"reason": "KubeletReady"'* ]]; }

controllers_ready() { api /api/v1/namespaces/default/serviceaccounts/default >/dev/null; }

# healthy: whether the cluster works. It is asked more than once, since whoever asks ends a cluster
# that does not, and on a busy machine one answer may be late.
healthy() {
	local try
	for try in 1 2 3; do
		running || return 1
		api_ready && node_ready && return
		((try == 3)) || sleep 1
	done
	return 1
}

# wait_for SECONDS WHAT COMMAND...: polls a command until it succeeds.
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		if [[ -e $RUN/pid ]] && ! running; then
			show_logs
			die "the cluster $NAME ended while waiting for $what"
		fi
		((SECONDS < deadline)) || {
			show_logs
			die "waited in vain for $what"
		}
		sleep 0.05
	done
}

# show_logs: the ends of all logs, which `down` would remove.
show_logs() { tail -n 5 "$RUN"/logs/*.log >&2 || true; }

# cgroups: the cluster's folder in each hierarchy of control groups (one with version 2).
cgroups() {
	local hierarchy
	if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
		echo "/sys/fs/cgroup/$CGROUP"
	else
		for hierarchy in /sys/fs/cgroup/*/; do echo "$hierarchy$CGROUP"; done
	fi
}

# links: this side's ends of the cluster's link.
links() { ip -oneline link show type veth | sed -n "s/^[0-9]*: \([^@]*\)@.* link-netns $NETNS\$/\1/p"; }

# remains: what of the cluster is left on this machine, one a line; nothing when it is gone.
remains() {
	local group
	[[ ! -e /run/netns/$NETNS ]] || echo "network namespace $NETNS"
	[[ ! -e $RUN && ! -e $RUN.lock ]] || echo "files at $RUN"
	links | sed 's/^/link /'
	for group in $(cgroups); do
		[[ ! -e $group ]] || echo "control group $group"
	done
}

# end_cluster: ends everything of the cluster, whatever state it is in. Its PID namespace dies
# with its first process, its mounts with its mount namespace, its routes with its link.
end_cluster() {
	local pids group link
	# Explicitly, since the kernel takes its time to remove the link of a namespace that is gone.
	for link in $(links); do ip link delete "$link"; done
	if [[ -e /run/netns/$NETNS ]]; then
		pids=$(ip netns pids "$NETNS")
		# shellcheck disable=SC2086 # one word for each process is what is meant
		[[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
		wait_for_silence
		ip netns delete "$NETNS"
	fi
	for group in $(cgroups); do
		remove_cgroup "$group"
	done
	if [[ -n ${BLUEGREEN_LOGS:-} && -d $RUN/logs ]]; then
		mkdir -p "$BLUEGREEN_LOGS"
		cp -rT "$RUN/logs" "$BLUEGREEN_LOGS/$NAME"
	fi
	rm -rf "$RUN"
}

wait_for_silence() {
	local deadline=$((SECONDS + 20))
	while [[ -n $(ip netns pids "$NETNS") ]]; do
		((SECONDS < deadline)) || die "processes in $NETNS do not end: $(ip netns pids "$NETNS" | xargs)"
		sleep 0.05
	done
}

# The containers' processes are in namespaces of their own and end a moment later; until then
# their groups can't be removed.
remove_cgroup() {
	local deadline=$((SECONDS + 20))
	while [[ -d $1 ]]; do
		find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
		[[ -d $1 ]] || return 0
		((SECONDS < deadline)) || die "can't remove the control group $1"
		sleep 0.05
	done
}
