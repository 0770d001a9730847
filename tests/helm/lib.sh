# shellcheck shell=bash
# What the scripts of this folder share. They source it; it is no program.
# shellcheck disable=SC2034 # what it assigns is for them
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CHART=$ROOT/examples/helm

log() { printf 'helm: %s\n' "$*" >&2; }
die() {
	log "error: $*"
	exit 1
}

# refused WHAT TEXT COMMAND...: runs a command that has to fail, and to say TEXT.
refused() {
	local what=$1 wanted=$2 said
	shift 2
	if said=$("$@" 2>&1); then die "$what: it was not refused"; fi
	[[ $said == *"$wanted"* ]] || die "$what: wanted '$wanted', found: $said"
	log "ok: $what is refused"
}

# beside_a_cluster HELM NAMESPACE: what scripts need that use one. WORK is theirs, and goes when they end.
beside_a_cluster() {
	HELM=$1 NAMESPACE=$2
	: "${KUBECONFIG:?this wants a cluster: tests/helm/run}" "${BLUEGREEN_KUBECTL:?}"
	WORK=$(mktemp -d)
	MAJOR=$("$HELM" version --template '{{.Version}}' | cut -c 2)
	# Nothing of Helm's own is kept, and nothing of the user's is read.
	export HELM_CACHE_HOME=$WORK/cache HELM_CONFIG_HOME=$WORK/config HELM_DATA_HOME=$WORK/data HELM_PLUGINS=$WORK/plugins
	# What the API server says about another version; Helm 4 may also hear that a field is a release's.
	CONFLICT='the object has been modified'
	((MAJOR == 3)) || CONFLICT='conflict occurred while applying object'
}

new_namespace() {
	log "$("$HELM" version --template '{{.Version}}') in namespace $NAMESPACE"
	"$BLUEGREEN_KUBECTL" delete namespace "$NAMESPACE" --ignore-not-found >/dev/null
	"$BLUEGREEN_KUBECTL" create namespace "$NAMESPACE" >/dev/null
}

kubectl() { "$BLUEGREEN_KUBECTL" --namespace "$NAMESPACE" "$@"; }

wait_for() { # SECONDS WHAT COMMAND...
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		((SECONDS < deadline)) || die "waited in vain for $what"
		sleep 0.1
	done
}

equals() { # WHAT WANTED FOUND
	[[ $3 == "$2" ]] || die "$1: found '$3', wanted '$2'"
	log "ok: $1: $3"
}

# of KIND NAME: what releases write of an object, with the number of its changes.
of() { # KIND NAME
	kubectl get "$1" "$2" -o 'jsonpath={.metadata.generation} {.metadata.annotations} {.metadata.labels} {.spec}'
}

# kept WHAT COMMAND...: what releases write, as `snapshot` of the script has it, is to the byte the same afterwards.
kept() {
	local what=$1 before after
	shift
	before=$(snapshot)
	"$@"
	after=$(snapshot)
	[[ $after == "$before" ]] || {
		diff <(tr ',' '\n' <<<"$before") <(tr ',' '\n' <<<"$after") >&2 || true
		die "$what: it has changed what is a release's"
	}
	log "ok: $what: everything of a release is as it was"
}

field() { kubectl get "$1" "$2" -o "jsonpath=$3"; }

# upgrade [OPTION...]: `again` of the script, which has to succeed. Where pods of a slot come or go it may have to be
# said again, as the README has it.
upgrade() {
	local try said
	for try in 1 2 3 4 5; do
		if said=$(again "$@" 2>&1); then
			printf '%s\n' "$said" >>"$WORK/helm.log"
			return
		fi
		[[ $said == *"$CONFLICT"* ]] || break
		log "helm upgrade came between others, time $try"
	done
	die "helm upgrade $*: $said"
}

# between COMMAND LINE: the option that has it run after Helm has rendered and before it writes. It is in BETWEEN.
between() {
	local plugin=$HELM_PLUGINS/between
	mkdir -p "$plugin"
	printf '#!/usr/bin/env bash\nset -e\n%s >/dev/null\ncat\n' "$1" >"$plugin/run"
	chmod +x "$plugin/run"
	BETWEEN=(--post-renderer "$plugin/run")
	((MAJOR == 3)) && return
	BETWEEN=(--post-renderer between)
	cat >"$plugin/plugin.yaml" <<-'YAML'
		apiVersion: v1
		type: postrenderer/v1
		name: between
		version: 0.1.0
		runtime: subprocess
		runtimeConfig:
		  platformCommand: [{command: "${HELM_PLUGIN_DIR}/run"}]
	YAML
}

# An older revision, as it was rendered then, has another slot live.
refuse_to_go_back() {
	kept "helm rollback to the first revision" \
		refused "helm rollback to the first revision" "$CONFLICT" "$HELM" rollback agent 1 --namespace "$NAMESPACE"
}
