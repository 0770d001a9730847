{{/* Objects that agent.yaml is made of. */}}

{{- define "agent.one-service" }}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  {{- with .guard }}
  {{- . | nindent 2 }}
  {{- end }}
  labels:
    {{- include "agent.labels" .root | nindent 4 }}
  {{- with .root.Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .root.Values.service.type }}
  selector:
    {{- toYaml .selector | nindent 4 }}
  ports:
    # By name, so that each pod says itself which port it is.
    - name: http
      port: {{ .root.Values.service.port }}
      targetPort: http
{{- end }}

{{/*
A release freezes an autoscaler by `behavior.scaleDown.selectPolicy`, which is therefore never written here, while
`scaleDown` always is: taken away as a whole it would take the freeze with it.
*/}}
{{- define "agent.autoscaler" }}
{{- $wanted := .root.Values.autoscaling }}
{{- if .live.busy }}
{{- $wanted = get .live (printf "%s-scaler" .color) | dig "spec" dict }}
{{- end }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "agent.name" .root }}-{{ .color }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "agent.labels" .root | nindent 4 }}
    slot: {{ .color }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "agent.name" .root }}-{{ .color }}
  minReplicas: {{ $wanted.minReplicas }}
  maxReplicas: {{ $wanted.maxReplicas }}
  metrics:
    {{- toYaml $wanted.metrics | nindent 4 }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: {{ .root.Values.autoscaling.scaleDownAfterSeconds }}
{{- end }}

{{/* With weights, the rules are what a release made of them: to the API server they are one field. */}}
{{- define "agent.route" }}
{{- $service := include "agent.service" .root }}
{{- $port := .root.Values.service.port }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "agent.name" .root }}
  namespace: {{ .root.Release.Namespace }}
  {{- if eq .root.Values.traffic "weights" }}
  {{- with include "agent.guard" (dict "found" .live.route "connected" .live.connected) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- end }}
  labels:
    {{- include "agent.labels" .root | nindent 4 }}
  {{- with .root.Values.httpRoute.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml .root.Values.httpRoute.parentRefs | nindent 4 }}
  {{- with .root.Values.httpRoute.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- if eq .root.Values.traffic "service" }}
    - backendRefs:
        - name: {{ $service }}
          port: {{ $port }}
    {{- else if .live.route }}
    {{- toYaml .live.route.spec.rules | nindent 4 }}
    {{- else }}
    - backendRefs:
        {{- range $color := list "blue" "green" }}
        - name: {{ $service }}-{{ $color }}
          port: {{ $port }}
          weight: {{ ternary 1 0 (eq $color $.first) }}
        {{- end }}
    {{- end }}
{{- end }}

{{/* Never changed: pods read these files while they run, and no gate would have seen the new ones. */}}
{{- define "agent.prompts-map" }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "agent.prompts" .root }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "agent.labels" .root | nindent 4 }}
immutable: true
{{- if .found }}
{{- with .found.data }}
data:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
data:
  {{- toYaml .root.Values.initial.prompts | nindent 2 }}
{{- end }}
{{- end }}
