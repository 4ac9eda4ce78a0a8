{{/* What a schema can't say. */}}
{{- define "angarium.guards" -}}
{{- $operator := printf "%s-operator" (include "angarium.fullname" .) }}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace $operator }}
{{- if and (gt (int .spec.replicas) 0) (not (contains "ANGARIUM_OPERATOR_LEASE" (toJson .spec.template.spec.containers))) }}
{{- fail (printf "the operator of 0.1.0 runs, which would answer the same objects as the new one for some seconds: first do kubectl scale deployment/%s -n %s --replicas=0" $operator $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- with .Values.gateway }}
{{- if le (float64 .terminationGracePeriodSeconds) (addf .drainDelaySeconds .shutdownSeconds) }}
{{- fail "gateway.terminationGracePeriodSeconds must be more than gateway.drainDelaySeconds and gateway.shutdownSeconds together, or requests are cut off" }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- fail "gateway.httpRoute.parentRefs must name a Gateway, or the route leads nowhere" }}
{{- end }}
{{- end }}
{{- with .Values.deliverer }}
{{- if lt (float64 .terminationGracePeriodSeconds) (addf .drainSeconds 5) }}
{{- fail "deliverer.terminationGracePeriodSeconds must be more than deliverer.drainSeconds by 5 at least, or what is in flight is killed" }}
{{- end }}
{{- if and .autoscaling.enabled (eq .autoscaling.kind "KEDA") (not .autoscaling.keda.prometheusURL) }}
{{- fail "deliverer.autoscaling.keda.prometheusURL is needed for deliverer.autoscaling.kind KEDA" }}
{{- end }}
{{- end }}
{{- range $service := list "gateway" "deliverer" }}
{{- with (index $.Values $service).autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "%s.autoscaling.minReplicas is more than maxReplicas" $service) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $service := list "gateway" "deliverer" "operator" }}
{{- with index $.Values $service }}
{{- if and (has (toString .rollout.maxSurge) (list "0" "0%")) (has (toString .rollout.maxUnavailable) (list "0" "0%")) }}
{{- fail (printf "%s.rollout.maxSurge and maxUnavailable can't both be 0: no pod could be replaced" $service) }}
{{- end }}
{{- if not (or .serviceAccount.create .serviceAccount.name) }}
{{- fail (printf "%s.serviceAccount.name is needed where serviceAccount.create is false" $service) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}
{{- fail "set one of metrics.podMonitor.enabled and metrics.serviceMonitor.enabled: with both, everything counts twice" }}
{{- end }}
{{- with .Values.redis }}
{{- if and (or .tls.caSecret.name .tls.clientSecret.name) (not .existingSecret.name) (not (hasPrefix "rediss" .url)) }}
{{- fail "redis.tls is for TLS: redis.url must begin with rediss" }}
{{- end }}
{{- end }}
{{- if and .Values.gateway.tls.caSecret.name (not .Values.gateway.tls.secretName) (not .Values.gateway.url) }}
{{- fail "gateway.tls.caSecret is for services that reach the gateway by HTTPS: set gateway.tls.secretName, or gateway.url" }}
{{- end }}
{{- if and .Values.redis.url .Values.redis.existingSecret.name }}
{{- fail "set one of redis.url and redis.existingSecret.name" }}
{{- end }}
{{- end }}
