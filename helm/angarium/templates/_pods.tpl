{{/* What the pods of all three services have alike. Each takes (list $ "gateway"). */}}

{{- define "angarium.image" -}}
{{- $root := index . 0 -}}
{{- $image := (index $root.Values (index . 1)).image -}}
{{- $name := printf "%s/%s" $root.Values.image.registry $image.repository -}}
{{ if $image.digest }}{{ $name }}@{{ $image.digest }}{{ else }}{{ $name }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "angarium.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
labels:
  {{- include "angarium.labels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := dict }}
{{- if $root.Values.redis.url }}
{{- $_ := set $annotations "checksum/redis" (sha256sum $root.Values.redis.url) }}
{{- end }}
{{- with merge $annotations $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where it runs */}}
{{- define "angarium.scheduling" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Over zones and nodes, where there are several */}}
{{- define "angarium.spread" -}}
{{- $root := index . 0 -}}
topologySpreadConstraints:
{{- with (index $root.Values (index . 1)).topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- else }}
{{- $selector := . }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "angarium.selector" $selector | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Pod Security: restricted */}}
{{- define "angarium.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "angarium.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Environment that every process reads. Secrets come as files, so that no environment shows them. */}}
{{- define "angarium.env" -}}
{{- $root := index . 0 -}}
- name: ANGARIUM_POD
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: ANGARIUM_REDIS_URL_FILE
  value: /etc/angarium/redis/url
- name: ANGARIUM_SHARDS
  value: {{ $root.Values.shards | int | quote }}
- name: ANGARIUM_LOG_LEVEL
  value: {{ $root.Values.logLevel | quote }}
{{- end }}

{{/* The guard's rules, for those who judge addresses */}}
{{- define "angarium.egressEnv" -}}
{{- with .Values.egress.allowedCIDRs }}
- name: ANGARIUM_EGRESS_ALLOWED_CIDRS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.egress.deniedCIDRs }}
- name: ANGARIUM_EGRESS_DENIED_CIDRS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{- define "angarium.redisVolume" -}}
{{- $secret := include "angarium.redisSecret" . | fromYaml -}}
- name: redis
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
    items:
      - key: {{ $secret.key }}
        path: url
{{- end }}

{{- define "angarium.sealVolume" -}}
{{- $secret := include "angarium.sealSecret" . | fromYaml -}}
- name: seal-keys
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
    items:
      - key: {{ $secret.key }}
        path: keys
{{- end }}

{{/* Two minutes to start (Redis or the CRDs may come later), then a minute without life is the end. */}}
{{- define "angarium.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: probes
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: probes
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet:
    path: /readyz
    port: probes
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
