{{/* What the schema can't say, and what would take objects away that serve. All at once. */}}
{{- define "agent.check" -}}
{{- $values := .root.Values }}
{{- $live := .live }}
{{- $name := include "agent.name" .root }}
{{- $service := include "agent.service" .root }}
{{- $wrong := list }}
{{- if gt (len $name) 40 }}
{{- $wrong = append $wrong (printf "agent: found %q, wanted at most 40 characters" $name) }}
{{- end }}
{{- if not (regexMatch "(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][-A-Za-z0-9_.]*)$" $values.initial.image) }}
{{- $wrong = append $wrong (printf "initial.image: found %q, wanted one with a tag or a digest" $values.initial.image) }}
{{- else if hasSuffix ":latest" $values.initial.image }}
{{- $wrong = append $wrong (printf "initial.image: found %q, wanted a tag that stays what it is: both slots would start another image one day" $values.initial.image) }}
{{- end }}
{{- if not $values.pod.readinessProbe }}
{{- $wrong = append $wrong "pod.readinessProbe: found none: a slot without one can't be released to" }}
{{- end }}
{{- range $key := list "app" "slot" "version" }}
{{- if hasKey $values.pod.labels $key }}
{{- $wrong = append $wrong (printf "pod.labels: found %s, by which slots and versions are told apart" $key) }}
{{- end }}
{{- end }}
{{- range $where, $annotations := dict "pod" $values.pod.annotations "service" $values.service.annotations "httpRoute" $values.httpRoute.annotations }}
{{- range $key, $_ := $annotations }}
{{- if hasPrefix "bluegreen.dev/" $key }}
{{- $wrong = append $wrong (printf "%s.annotations: found %s, which is a release's" $where $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $_ := $values.initial.prompts }}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" $key) }}
{{- $wrong = append $wrong (printf "initial.prompts: found %q, wanted the name of a file: letters, digits, '-', '_' and '.'" $key) }}
{{- end }}
{{- end }}
{{- $scale := $values.autoscaling }}
{{- if $scale.enabled }}
{{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) }}
{{- $wrong = append $wrong (printf "autoscaling.minReplicas: found %d, wanted at most maxReplicas, which is %d" (int $scale.minReplicas) (int $scale.maxReplicas)) }}
{{- end }}
{{- $replicas := int $values.initial.replicas }}
{{- $made := and $live.blue $live.green }}
{{- if and (not $made) (or (lt $replicas (int $scale.minReplicas)) (gt $replicas (int $scale.maxReplicas))) }}
{{- $wrong = append $wrong (printf "initial.replicas: found %d, wanted it within the bounds of autoscaling, %d to %d" $replicas (int $scale.minReplicas) (int $scale.maxReplicas)) }}
{{- end }}
{{- end }}
{{- range $values.initial.env }}
{{- if eq .name "AGENT_VERSION" }}
{{- $wrong = append $wrong "initial.env: found AGENT_VERSION, which is made of initial.version" }}
{{- end }}
{{- end }}
{{- if eq $values.traffic "weights" }}
{{- if not $values.httpRoute.enabled }}
{{- $wrong = append $wrong "httpRoute.enabled: found false, wanted true: with `traffic: weights` the route moves traffic" }}
{{- end }}
{{- if $values.ingress.enabled }}
{{- $wrong = append $wrong "ingress.enabled: found true, wanted false: with `traffic: weights` there is no live Service that it could lead to" }}
{{- end }}
{{- end }}
{{- range $live.deployments }}
{{- $labels := get .metadata "labels" | default dict }}
{{- $ours := and (eq (get $labels "helm.sh/chart" | default "" | trunc 16) "bluegreen-agent-") (eq (get $labels "app.kubernetes.io/instance" | default "") $.root.Release.Name) }}
{{- if and $ours (not (has .metadata.name (list (printf "%s-blue" $name) (printf "%s-green" $name)))) }}
{{- $wrong = append $wrong (printf "agent: found %q, but this release has the Deployment %s: another name would take it away" $name .metadata.name) }}
{{- end }}
{{- end }}
{{- if or $live.blue $live.green }}
{{- if and (eq $values.traffic "weights") $live.service (not $live.route) }}
{{- $wrong = append $wrong (printf "traffic: found \"weights\", wanted \"service\": Service %s has the traffic, and would be taken away" $service) }}
{{- end }}
{{- if and (eq $values.traffic "service") (not $live.service) (lookup "v1" "Service" .root.Release.Namespace (printf "%s-blue" $service)) }}
{{- $wrong = append $wrong (printf "traffic: found \"service\", wanted \"weights\": Service %s-blue may have the traffic, and would be taken away" $service) }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\n* %s\n" (join "\n* " $wrong)) }}
{{- end }}
{{- end }}
