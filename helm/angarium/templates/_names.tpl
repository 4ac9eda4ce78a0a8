{{/* What things are called, and the labels they carry. */}}

{{- define "angarium.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* <release>-angarium, or the release's own name where that says it already; short enough for the longest suffix. */}}
{{- define "angarium.fullname" -}}
{{- $name := include "angarium.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* For names outside any namespace: two releases may share a name in two namespaces. */}}
{{- define "angarium.clusterName" -}}
{{ printf "%s-%s" .Release.Namespace (include "angarium.fullname" .) }}
{{- end }}

{{/* (list $ "gateway") -> labels that never change, for selectors */}}
{{- define "angarium.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "angarium.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* (list $ "gateway") -> all labels */}}
{{- define "angarium.labels" -}}
{{- $root := index . 0 -}}
{{ include "angarium.selector" . }}
app.kubernetes.io/part-of: angarium
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "angarium.gatewayURL" -}}
{{- if .Values.gateway.url -}}
{{ .Values.gateway.url }}
{{- else -}}
{{- $host := printf "%s-gateway.%s.svc" (include "angarium.fullname" .) .Release.Namespace -}}
{{- $port := int .Values.gateway.service.port -}}
{{ if eq $port 80 }}http://{{ $host }}{{ else }}http://{{ $host }}:{{ $port }}{{ end }}
{{- end }}
{{- end }}

{{/* "true" where the bundled Valkey runs */}}
{{- define "angarium.bundled" -}}
{{- if and .Values.valkey.enabled (not .Values.redis.url) (not .Values.redis.existingSecret.name) -}}true{{- end -}}
{{- end }}

{{/* Name and key of the Secret that holds the Redis URL */}}
{{- define "angarium.redisSecret" -}}
{{- if .Values.redis.existingSecret.name -}}
name: {{ .Values.redis.existingSecret.name }}
key: {{ .Values.redis.existingSecret.key }}
{{- else if or .Values.redis.url (include "angarium.bundled" .) -}}
name: {{ include "angarium.fullname" . }}-redis
key: redis-url
{{- else -}}
{{ fail "Angarium needs Redis or Valkey: set redis.url or redis.existingSecret.name, or leave valkey.enabled at true" }}
{{- end }}
{{- end }}

{{/* Name and key of the Secret that holds the seal keys */}}
{{- define "angarium.sealSecret" -}}
{{- with .Values.sealKeys.existingSecret -}}
name: {{ .name | default (printf "%s-seal-keys" (include "angarium.fullname" $)) }}
key: {{ if .name }}{{ .key }}{{ else }}seal-keys{{ end }}
{{- end }}
{{- end }}
