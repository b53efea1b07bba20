{{/* What this release may not change any more: a StatefulSet and its volumes are made once. Refused before Helm has changed the ConfigMap and
the Services and then fails half-way. One problem a line; none where there is no cluster to look into (helm template). */}}
{{- define "boxbridge.installed" -}}
{{- $name := include "boxbridge.fullname" . -}}
{{- $volume := include "boxbridge.volume" . | int64 -}}
{{- $isSaid := false -}}
{{- range (lookup "apps/v1" "StatefulSet" .Release.Namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- if and (eq "gateway" (get $labels "app.kubernetes.io/component")) (eq $.Release.Name (get $labels "app.kubernetes.io/instance")) -}}
{{- $had := include "boxbridge.bytes" (list "the volume" (first .spec.volumeClaimTemplates).spec.resources.requests.storage) | int64 -}}
{{- if eq $.Values.mode "cluster" }}
this release keeps queues on volumes, and mode=cluster would leave behind what waits in data-{{ .metadata.name }}-*: go by "From edge to cluster" in the chart's README
{{- else if ne .metadata.name $name }}
this release runs as {{ .metadata.name }}: as {{ $name }} it would begin with empty volumes and leave behind what waits in data-{{ .metadata.name }}-*; put nameOverride and fullnameOverride back
{{- else if ne (toJson .spec.selector.matchLabels) (include "boxbridge.selector" $ | fromYaml | toJson) }}
nameOverride cannot change after the install: the Services would find no pod; put it back
{{- else if ne $had $volume -}}
{{- $isSaid = true }}
the volumes were made with {{ include "boxbridge.quantity" $had }}, and a StatefulSet does not let that become {{ include "boxbridge.quantity" $volume }}: go by "Resizing" in the chart's README, or give persistence.size={{ include "boxbridge.quantity" $had }}
{{- end -}}
{{- end -}}
{{- end -}}
{{/* Left by an uninstall or by more replicas. */}}
{{- range ternary 0 (int .Values.replicas) (or $isSaid (eq .Values.mode "cluster")) | until -}}
{{- $claim := printf "data-%s-%d" $name . -}}
{{- with (lookup "v1" "PersistentVolumeClaim" $.Release.Namespace $claim).spec -}}
{{- $has := include "boxbridge.bytes" (list $claim .resources.requests.storage) | int64 -}}
{{- if lt $has $volume }}
the volume {{ $claim }} is there already, with {{ include "boxbridge.quantity" $has }}: make it {{ include "boxbridge.quantity" $volume }} first ("Resizing" in the chart's README), or give persistence.size={{ include "boxbridge.quantity" $has }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
