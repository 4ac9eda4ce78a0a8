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

{{/* (list $ "gateway" more?) -> all labels. Ours win: selectors go by them. */}}
{{- define "angarium.labels" -}}
{{- $root := index . 0 -}}
{{- $ours := include "angarium.selector" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "angarium" -}}
{{- $_ := set $ours "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $more := dict -}}
{{- if gt (len .) 2 }}{{ $more = index . 2 | default dict }}{{ end -}}
{{ merge $ours $more $root.Values.commonLabels | toYaml }}
{{- end }}

{{/* (dict "root" $ "component" "gateway" "name"? "labels"? "annotations"? "namespace"? "cluster"?) -> what stands under
metadata; the name is that of the component unless it is given */}}
{{- define "angarium.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "angarium.fullname" .root) .component) }}
{{- if not .cluster }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "angarium.labels" (list .root .component .labels) | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* (list $ "gateway") -> name of its ServiceAccount */}}
{{- define "angarium.account" -}}
{{- $account := (index (index . 0).Values (index . 1)).serviceAccount -}}
{{ $account.name | default (printf "%s-%s" (include "angarium.fullname" (index . 0)) (index . 1)) }}
{{- end }}

{{/* "https" where the gateway serves TLS; also the name of its ports */}}
{{- define "angarium.scheme" -}}
http{{ if .Values.gateway.tls.secretName }}s{{ end }}
{{- end }}

{{- define "angarium.gatewayPort" -}}
{{ int .Values.gateway.service.port | default (ternary 443 80 (ne .Values.gateway.tls.secretName "")) }}
{{- end }}

{{/* The Service, as pods of any namespace reach it */}}
{{- define "angarium.serviceURL" -}}
{{- $scheme := include "angarium.scheme" . -}}
{{- $port := include "angarium.gatewayPort" . | int -}}
{{ $scheme }}://{{ include "angarium.fullname" . }}-gateway.{{ .Release.Namespace }}.svc
{{- if ne $port (ternary 443 80 (eq $scheme "https")) }}:{{ $port }}{{ end }}
{{- end }}

{{- define "angarium.gatewayURL" -}}
{{ .Values.gateway.url | default (include "angarium.serviceURL" .) }}
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
