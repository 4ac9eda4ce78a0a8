{{/* What the pods of all three services have alike. Each takes (list $ "gateway"). */}}

{{- define "angarium.image" -}}
{{- $root := index . 0 -}}
{{- $image := (index $root.Values (index . 1)).image -}}
{{- $name := printf "%s/%s" $root.Values.image.registry $image.repository -}}
{{ if $image.digest }}{{ $name }}@{{ $image.digest }}{{ else }}{{ $name }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* How many pods. A HorizontalPodAutoscaler's number is its own: what runs is taken over where Helm can look it up (to leave
it out would set it to 1 once, when autoscaling is turned on), and left out otherwise. */}}
{{- define "angarium.replicas" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
{{- if not (dig "autoscaling" "enabled" false $values) -}}
replicas: {{ $values.replicas }}
{{- else -}}
{{- with lookup "apps/v1" "Deployment" $root.Release.Namespace (printf "%s-%s" (include "angarium.fullname" $root) (index . 1)) -}}
replicas: {{ .spec.replicas }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Least number of pods that there are */}}
{{- define "angarium.leastReplicas" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- if dig "autoscaling" "enabled" false $values }}{{ $values.autoscaling.minReplicas }}{{ else }}{{ $values.replicas }}{{ end }}
{{- end }}

{{- define "angarium.strategy" -}}
{{- $rollout := (index (index . 0).Values (index . 1)).rollout -}}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: {{ $rollout.maxSurge }}
    maxUnavailable: {{ $rollout.maxUnavailable }}
{{- end }}

{{- define "angarium.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
labels:
  {{- include "angarium.labels" (list $root (index . 1) $values.podLabels) | nindent 2 }}
  angarium.dev/metrics: "true" # for the Service of the ServiceMonitor, which must leave out the bundled Valkey
{{- $annotations := dict }}
{{- if $root.Values.redis.url }}
{{- $_ := set $annotations "checksum/redis" (sha256sum $root.Values.redis.url) }}
{{- end }}
{{- with merge $annotations $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Whose it is, how it ends, where it runs: what a pod's spec begins with */}}
{{- define "angarium.podSpec" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
serviceAccountName: {{ include "angarium.account" . }}
# Only the operator speaks to Kubernetes.
automountServiceAccountToken: {{ eq $component "operator" }}
# Service links would set ANGARIUM_GATEWAY_PORT=tcp://… and the like, which our settings would read.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- include "angarium.scheduling" . | nindent 0 }}
{{- include "angarium.spread" . | nindent 0 }}
securityContext:
  {{- include "angarium.podSecurity" $root | nindent 2 }}
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
{{- with $root.Values.redis.tls }}
{{- if .caSecret.name }}
- name: ANGARIUM_REDIS_CA
  value: /etc/angarium/redis-ca/ca.crt
{{- end }}
{{- if .clientSecret.name }}
- name: ANGARIUM_REDIS_CERT
  value: /etc/angarium/redis-client/tls.crt
- name: ANGARIUM_REDIS_KEY
  value: /etc/angarium/redis-client/tls.key
{{- end }}
{{- end }}
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

{{/* Where traces go, for those on a notification's way */}}
{{- define "angarium.tracesEnv" -}}
{{- if .Values.tracing.endpoint }}
- name: ANGARIUM_TRACES_ENDPOINT
  value: {{ .Values.tracing.endpoint | quote }}
- name: ANGARIUM_TRACES_RATIO
  value: {{ .Values.tracing.sampleRatio | quote }}
{{- end }}
{{- end }}

{{/* Files that every process reads: each Secret a volume, and where it is mounted */}}
{{- define "angarium.redisMounts" -}}
- name: redis
  mountPath: /etc/angarium/redis
  readOnly: true
{{- if .Values.redis.tls.caSecret.name }}
- name: redis-ca
  mountPath: /etc/angarium/redis-ca
  readOnly: true
{{- end }}
{{- if .Values.redis.tls.clientSecret.name }}
- name: redis-client
  mountPath: /etc/angarium/redis-client
  readOnly: true
{{- end }}
{{- end }}

{{- define "angarium.redisVolumes" -}}
{{- $secret := include "angarium.redisSecret" . | fromYaml -}}
- name: redis
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
    items:
      - key: {{ $secret.key }}
        path: url
{{- with .Values.redis.tls.caSecret }}
{{- if .name }}
- name: redis-ca
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .Values.redis.tls.clientSecret.name }}
- name: redis-client
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- define "angarium.sealMount" -}}
- name: seal-keys
  mountPath: /etc/angarium/seal
  readOnly: true
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
