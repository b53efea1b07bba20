{{/* What `mode: cluster` makes of the settings, and what it refuses: a pod may go at any time, with its disk. */}}

{{/* "true" where a HorizontalPodAutoscaler says how many there are. */}}
{{- define "boxbridge.scales" -}}
{{- if and (eq .Values.mode "cluster") .Values.autoscaling.enabled -}}true{{- end -}}
{{- end -}}

{{/* Where nothing else is said, boxes are answered once Kafka and the bucket have their event, and every MQTT broker is fed from Kafka. */}}
{{- define "boxbridge.setForCluster" -}}
{{- $holder := default "kafka" .queue.answer_from -}}
{{- $_ := set .queue "answer_from" $holder -}}
{{- range $name, $destination := .send -}}
{{- if and (kindIs "map" $destination) (eq "mqtt" (default $name $destination.kind)) $destination.url (not $destination.from) -}}
{{- $_ := set $destination "from" $holder -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What may lie on the disk of a pod: by their settings, and where those say nothing by the program's own. */}}
{{- define "boxbridge.keeps" -}}
queue.max_bytes: {{ .Values.queue.max_bytes | quote }}
queue.aside_max_bytes: {{ default "1GiB" .Values.queue.aside_max_bytes | quote }}
ingest.quarantine.max_bytes: {{ dig "quarantine" "max_bytes" "256MiB" .Values.ingest | quote }}
the rest: 256MiB
{{- end -}}

{{/* One problem a line. */}}
{{- define "boxbridge.clusterProblems" -}}
{{- if eq .Values.mode "cluster" -}}
{{- $holder := default "kafka" .Values.queue.answer_from -}}
{{- $kafka := get .Values.send $holder | default dict -}}
{{- if eq $holder "disk" }}
mode=cluster: queue.answer_from=disk answers from a disk that goes with the pod: leave it out, or say mode=edge
{{- else if not (and (kindIs "map" $kafka) (eq "kafka" (default $holder $kafka.kind)) $kafka.brokers) }}
mode=cluster: send.{{ $holder }}.brokers is empty: a box is answered once Kafka has its event, for example send.{{ $holder }}.brokers=kafka-1:9092,kafka-2:9092,kafka-3:9092
{{- else if and (eq 1 (int (default -1 $kafka.replication))) (not .Values.acceptOneCopy) }}
mode=cluster: send.{{ $holder }}.replication=1: an event that was answered is gone with one node of Kafka; 3, or leave it to the brokers, or say acceptOneCopy=true
{{- end -}}
{{- range $name, $destination := .Values.send -}}
{{- if and (kindIs "map" $destination) (eq "store" (default $name $destination.kind)) (hasPrefix "file:" $destination.url) }}
mode=cluster: send.{{ $name }}.url={{ $destination.url }} lies on a disk that goes with the pod: send.{{ $name }}.url=s3://BUCKET/PREFIX
{{- end -}}
{{- end -}}
{{- $keeps := 0 -}}
{{- $said := list -}}
{{- range $key, $size := include "boxbridge.keeps" . | fromYaml -}}
{{- $keeps = add $keeps (include "boxbridge.bytes" (list $key $size)) -}}
{{- $said = append $said (printf "%s (%v)" $key $size) -}}
{{- end -}}
{{- if gt $keeps (include "boxbridge.volume" . | int64) }}
mode=cluster: {{ join ", " $said }} exceed the pod's emptyDir ({{ include "boxbridge.volume" . | include "boxbridge.quantity" }}), and a pod that does is evicted with its disk: persistence.size={{ include "boxbridge.quantity" $keeps }}, or less of them
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- if lt (int .Values.autoscaling.maxReplicas) (int .Values.replicas) }}
autoscaling.maxReplicas={{ .Values.autoscaling.maxReplicas }} is under replicas={{ .Values.replicas }}, the least there are: more, or say autoscaling.enabled=false
{{- end -}}
{{- if not (dig "requests" "cpu" "" .Values.resources) }}
autoscaling.cpu is a share of resources.requests.cpu, which is not given: for example resources.requests.cpu=1, or say autoscaling.enabled=false
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
