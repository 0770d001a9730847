{{/*
What is there, read into the dict `live`: the objects, `traffic` (blue, green, or empty where that is not
clear), and `busy`, whether a release is under way. Without a cluster (`helm template`) nothing is there.

The order matters. The record is read last: where it says that no release is under way, one that begins
later writes to a slot after that slot was read, so that Helm's write is refused (agent.guard).
*/}}
{{- define "agent.read" -}}
{{- $live := .live }}
{{- $namespace := .root.Release.Namespace }}
{{- $name := include "agent.name" .root }}
{{- $service := include "agent.service" .root }}
{{- /* A list is there even if nothing is on it. */}}
{{- $all := lookup "apps/v1" "Deployment" $namespace "" }}
{{- $_ := set $live "connected" (not (empty $all)) }}
{{- $_ := set $live "deployments" (get $all "items" | default list) }}
{{- $_ := set $live "prompts" (lookup "v1" "ConfigMap" $namespace (include "agent.prompts" .root)) }}
{{- range $color := list "blue" "green" }}
{{- $_ := set $live $color (lookup "apps/v1" "Deployment" $namespace (printf "%s-%s" $name $color)) }}
{{- $_ := set $live (printf "%s-scaler" $color) (lookup "autoscaling/v2" "HorizontalPodAutoscaler" $namespace (printf "%s-%s" $name $color)) }}
{{- end }}
{{- $_ := set $live "service" (lookup "v1" "Service" $namespace $service) }}
{{- $_ := set $live "route" dict }}
{{- if eq .root.Values.traffic "weights" }}
{{- $_ := set $live "route" (lookup "gateway.networking.k8s.io/v1" "HTTPRoute" $namespace $name) }}
{{- end }}
{{- include "agent.read-traffic" (dict "live" $live "service" $service) }}
{{- $record := lookup "v1" "ConfigMap" $namespace (printf "%s-bluegreen" $service) }}
{{- $_ := set $live "busy" false }}
{{- if $record }}
{{- /* A record that can't be read is one of a release that may be under way. */}}
{{- $text := dig "data" "record.json" "" $record }}
{{- $phase := get ($text | fromJson) "phase" }}
{{- $over := and (kindIs "map" $phase) (eq (toString (get ($phase | default dict) "name")) "done") }}
{{- $_ := set $live "busy" (not $over) }}
{{- end }}
{{- range $color := list "blue" "green" }}
{{- if hasKey (dig "metadata" "annotations" dict (get $live $color)) "bluegreen.dev/found" }}
{{- $_ := set $live "busy" true }}
{{- end }}
{{- end }}
{{- end }}

{{/* Which slot has all traffic. */}}
{{- define "agent.read-traffic" -}}
{{- $live := .live }}
{{- $_ := set $live "traffic" (dig "spec" "selector" "slot" "" $live.service) }}
{{- if $live.route }}
{{- $with := list }}
{{- range $rule := dig "spec" "rules" list $live.route }}
{{- range $backend := get $rule "backendRefs" | default list }}
{{- range $color := list "blue" "green" }}
{{- if and (eq $backend.name (printf "%s-%s" $.service $color)) (gt (int (get $backend "weight" | default 0)) 0) }}
{{- $with = append $with $color }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $with = uniq $with }}
{{- $_ := set $live "traffic" (ternary (join "" $with) "" (eq (len $with) 1)) }}
{{- end }}
{{- if not (has $live.traffic (list "blue" "green")) }}
{{- $_ := set $live "traffic" "" }}
{{- end }}
{{- end }}

{{/*
Lets Helm write only to the very object that was rendered: the API server refuses to write to another
version of it (409). So a switch between rendering and writing is not undone, and `helm rollback`, which
writes what was rendered long ago, moves nothing. What makes an object does not mind the line, and none has
ever had version 1, so with it going back to the very first revision is refused too. Without a cluster it is
left out: `kubectl create` would mind.
*/}}
{{- define "agent.guard" -}}
{{- if .found -}}
resourceVersion: {{ .found.metadata.resourceVersion | quote }}
{{- else if .connected -}}
resourceVersion: "1"
{{- end -}}
{{- end }}
