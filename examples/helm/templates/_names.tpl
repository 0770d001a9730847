{{/* What things are called. */}}

{{- define "agent.name" -}}
{{ .Values.agent | default .Release.Name }}
{{- end }}

{{- define "agent.service" -}}
{{ include "agent.name" . }}-service
{{- end }}

{{- define "agent.prompts" -}}
{{ include "agent.name" . }}-prompts
{{- end }}

{{/* Of objects. Not of pods: what has the chart's version in it would start them anew with every new one. */}}
{{- define "agent.labels" -}}
app: {{ include "agent.service" . }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
