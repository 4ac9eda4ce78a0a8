{{/* The rules of the egress guard (core/angarium/egress.py) as blocks of a NetworkPolicy, from the same values.

A network is a dict of cidr and bits, as files/egress-ranges.yaml explains: it lies within another if its bits begin with the
other's. Lists go in and out as JSON, for a template gives nothing but text. */}}

{{/* "10.0.0.0/8" -> its network */}}
{{- define "angarium.network" -}}
{{- $parts := splitList "/" . -}}
{{- $address := index $parts 0 -}}
{{- $length := index $parts 1 | int -}}
{{- $six := contains ":" $address -}}
{{- if gt $length (ternary 128 32 $six) }}{{ fail (printf "egress: %s is no network" .) }}{{ end -}}
{{- $bits := "" -}}
{{- if $six -}}
  {{- $bits = include "angarium.bitsOfSix" $address -}}
{{- else -}}
  {{- range splitList "." $address -}}
    {{- if gt (int .) 255 }}{{ fail (printf "egress: %s is no network" $address) }}{{ end -}}
    {{- $bits = printf "%s%08b" $bits (int .) -}}
  {{- end -}}
{{- end -}}
{{ dict "cidr" . "bits" (printf "%s:%s" (ternary "6" "4" $six) (trunc $length $bits)) | toJson }}
{{- end }}

{{- define "angarium.bitsOfSix" -}}
{{- $halves := splitList "::" . -}}
{{- $left := splitList ":" (index $halves 0) | compact -}}
{{- $right := list -}}
{{- if eq (len $halves) 2 }}{{ $right = splitList ":" (index $halves 1) | compact }}{{ end -}}
{{- $missing := sub 8 (add (len $left) (len $right)) | int -}}
{{- if or (gt (len $halves) 2) (lt $missing 0) (and (eq (len $halves) 1) (ne $missing 0)) }}{{ fail (printf "egress: %s is no address" .) }}{{ end -}}
{{- range concat $left (until $missing) $right -}}
  {{- range (kindIs "int" . | ternary "0000" (printf "%04s" (toString . | lower))) | splitList "" -}}
    {{- printf "%04b" (int (index (dict "0" 0 "1" 1 "2" 2 "3" 3 "4" 4 "5" 5 "6" 6 "7" 7 "8" 8 "9" 9 "a" 10 "b" 11 "c" 12 "d" 13 "e" 14 "f" 15 " " 0) .)) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* (dict "of" network "closed" networks) -> what is left of it as an ipBlock, or {} when all of it is closed */}}
{{- define "angarium.block" -}}
{{- $of := .of -}}
{{- $inside := list -}}
{{- $known := dict -}}
{{- $open := true -}}
{{- range .closed -}}
  {{- if hasPrefix .bits $of.bits }}{{ $open = false }}{{ end -}}
  {{- if and (hasPrefix $of.bits .bits) (not (hasKey $known .bits)) }}{{ $inside = append $inside . }}{{ end -}}
  {{- $_ := set $known .bits true -}}
{{- end -}}
{{- if not $open -}}
  {}
{{- else -}}
  {{- $except := list -}}
  {{- range $each := $inside -}}
    {{- $widest := true -}}
    {{- range $inside -}}
      {{- if and (ne .bits $each.bits) (hasPrefix .bits $each.bits) }}{{ $widest = false }}{{ end -}}
    {{- end -}}
    {{- if $widest }}{{ $except = append $except $each }}{{ end -}}
  {{- end -}}
  {{ dict "of" $of "except" $except | toJson }}
{{- end -}}
{{- end }}

{{/* An IPv4 network -> where NAT64 puts it */}}
{{- define "angarium.translated" -}}
{{- $parts := splitList "/" .of.cidr -}}
{{- $octets := splitList "." (index $parts 0) -}}
{{- $high := add (mul (index $octets 0 | int) 256) (index $octets 1 | int) -}}
{{- $low := add (mul (index $octets 2 | int) 256) (index $octets 3 | int) -}}
{{- $address := ternary "64:ff9b::" (printf "64:ff9b::%x:%x" $high $low) (and (eq $high 0) (eq $low 0)) -}}
{{ dict "cidr" (printf "%s/%d" $address (add 96 (index $parts 1 | int))) "bits" (printf "%s%s" .prefix (trimPrefix "4:" .of.bits)) | toJson }}
{{- end }}

{{/* All that may be dialled, as a list of peers in YAML */}}
{{- define "angarium.egressPeers" -}}
{{- $ranges := .Files.Get "files/egress-ranges.yaml" | fromYaml -}}
{{- $denied := list -}}
{{- range .Values.egress.deniedCIDRs }}{{ $denied = append $denied (include "angarium.network" . | fromJson) }}{{ end -}}
{{- $always := concat $ranges.never $ranges.carriers $ranges.translated $denied -}}
{{- $blocks := list -}}
{{- range $ranges.open -}}
  {{- with dict "of" . "closed" (concat $always $ranges.metadata $ranges.byName $ranges.byAny) | include "angarium.block" | fromJson }}{{ $blocks = append $blocks . }}{{ end -}}
{{- end -}}
{{- range .Values.egress.allowedCIDRs -}}
  {{- $network := include "angarium.network" . | fromJson -}}
  {{- $closed := $denied -}}
  {{- $exact := false -}}
  {{- range $ranges.metadata }}{{ if eq .bits $network.bits }}{{ $exact = true }}{{ end }}{{ end -}}
  {{- if not $exact -}}
    {{- $closed = concat $always $ranges.metadata -}}
    {{- range $ranges.byName }}{{ if not (hasPrefix .bits $network.bits) }}{{ $closed = append $closed . }}{{ end }}{{ end -}}
  {{- end -}}
  {{- with dict "of" $network "closed" $closed | include "angarium.block" | fromJson }}{{ $blocks = append $blocks . }}{{ end -}}
{{- end -}}
{{- $prefix := (first $ranges.translated).bits -}}
{{- range $block := $blocks -}}
  {{- if hasPrefix "4:" .of.bits -}}
    {{- $closed := $denied -}}
    {{- range .except }}{{ $closed = append $closed (dict "of" . "prefix" $prefix | include "angarium.translated" | fromJson) }}{{ end -}}
    {{- $of := dict "of" .of "prefix" $prefix | include "angarium.translated" | fromJson -}}
    {{- with dict "of" $of "closed" $closed | include "angarium.block" | fromJson }}{{ $blocks = append $blocks . }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- $peers := list -}}
{{- range $blocks -}}
  {{- $peer := dict "cidr" .of.cidr -}}
  {{- $except := list -}}
  {{- range .except }}{{ $except = append $except .cidr }}{{ end -}}
  {{- if $except }}{{ $_ := set $peer "except" $except }}{{ end -}}
  {{- $peers = append $peers (dict "ipBlock" $peer) -}}
{{- end -}}
{{ toYaml $peers }}
{{- end }}
