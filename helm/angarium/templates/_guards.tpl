{{/* What a schema can't say. */}}
{{- define "angarium.guards" -}}
{{- if le (int .Values.deliverer.terminationGracePeriodSeconds) (int .Values.deliverer.drainSeconds) }}
{{- fail "deliverer.terminationGracePeriodSeconds must be more than deliverer.drainSeconds, or what is in flight is killed" }}
{{- end }}
{{- if and .Values.redis.url .Values.redis.existingSecret.name }}
{{- fail "set one of redis.url and redis.existingSecret.name" }}
{{- end }}
{{- end }}
