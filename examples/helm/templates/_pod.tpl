{{/* The pods of a slot that is made now, before `pod` comes on top. */}}
{{- define "agent.template" -}}
{{- $initial := .root.Values.initial }}
metadata:
  labels:
    app: {{ include "agent.service" .root }}
    slot: {{ .color }}
    version: {{ $initial.version | quote }}
spec:
  containers:
    - name: agent
      image: {{ $initial.image | quote }}
      env:
        {{- with $initial.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        - name: AGENT_VERSION
          value: {{ $initial.version | quote }}
      {{- if $initial.prompts }}
      volumeMounts:
        - name: prompts
          mountPath: {{ $initial.promptsPath | quote }}
          readOnly: true
      {{- end }}
  {{- if $initial.prompts }}
  volumes:
    - name: prompts
      configMap:
        name: {{ include "agent.prompts" .root }}
  {{- end }}
{{- end }}

{{/*
Puts `pod` of the values into the dict `template`: a new one, or that of the idle slot. Images, variables, volumes,
the version and what a release noted there stay.
*/}}
{{- define "agent.put-pod" -}}
{{- $pod := .root.Values.pod }}
{{- $spec := .template.spec }}
{{- range $key := list "affinity" "imagePullSecrets" "nodeSelector" "priorityClassName" "runtimeClassName" "securityContext" "serviceAccountName" "terminationGracePeriodSeconds" "tolerations" "topologySpreadConstraints" }}
{{- include "agent.put" (dict "into" $spec "key" $key "value" (get $pod $key)) }}
{{- end }}
{{- /* An old name of serviceAccountName, which the API server fills in. */}}
{{- $_ := unset $spec "serviceAccount" }}
{{- range $container := $spec.containers }}
{{- if eq $container.name "agent" }}
{{- range $key := list "args" "command" "lifecycle" "livenessProbe" "readinessProbe" "resources" "startupProbe" }}
{{- include "agent.put" (dict "into" $container "key" $key "value" (get $pod $key)) }}
{{- end }}
{{- include "agent.put" (dict "into" $container "key" "securityContext" "value" $pod.containerSecurityContext) }}
{{- $_ := set $container "ports" (list (dict "name" "http" "containerPort" $pod.port)) }}
{{- end }}
{{- end }}
{{- $metadata := .template.metadata }}
{{- $_ := set $metadata "labels" (merge (pick $metadata.labels "app" "slot" "version") $pod.labels) }}
{{- $annotations := deepCopy $pod.annotations }}
{{- range $key, $value := get $metadata "annotations" | default dict }}
{{- if or (hasPrefix "bluegreen.dev/" $key) (hasPrefix "kubectl.kubernetes.io/" $key) }}
{{- $_ := set $annotations $key $value }}
{{- end }}
{{- end }}
{{- include "agent.put" (dict "into" $metadata "key" "annotations" "value" $annotations) }}
{{- end }}

{{- define "agent.put" -}}
{{- if .value }}
{{- $_ := set .into .key .value }}
{{- else }}
{{- $_ := unset .into .key }}
{{- end }}
{{- end }}
