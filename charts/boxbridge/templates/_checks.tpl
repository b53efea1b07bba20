{{/* What values.schema.json cannot say: rules that join two values, all problems at once. */}}
{{- define "boxbridge.check" -}}
{{- $problems := list -}}
{{- $mqtt := .Values.send.mqtt.url -}}
{{- $queue := include "boxbridge.bytes" (list "queue.max_bytes" .Values.queue.max_bytes) | int64 -}}
{{- $volume := include "boxbridge.volume" . | int64 -}}

{{- $others := list -}}
{{- range $name, $destination := .Values.send -}}
{{- if and (kindIs "map" $destination) (not (has $name (list "mqtt" "kafka" "store"))) -}}
{{- if ne $destination.kind "store" -}}{{- $others = append $others $name -}}{{- end -}}
{{- if contains "@" (toString $destination.url) -}}
{{- $problems = append $problems (printf "send.%s.url must not hold a user or password: send.%s.username and send.%s.password.secretKeyRef do" $name $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (or $mqtt .Values.send.kafka.brokers $others) -}}
{{- $problems = append $problems "send.mqtt.url and send.kafka.brokers are both empty: events would go nowhere, set one of them, for example send.mqtt.url=mqtt://mosquitto:1883" -}}
{{- end -}}
{{- if eq $mqtt "embedded" -}}
{{- $problems = append $problems "send.mqtt.url=embedded: each pod would have a broker of its own, on its own loopback, that keeps nothing: run a broker and name it" -}}
{{- end -}}
{{- if contains "@" $mqtt -}}
{{- $problems = append $problems "send.mqtt.url must not hold a user or password: send.mqtt.username and send.mqtt.password.secretKeyRef do" -}}
{{- end -}}

{{- $tokens := or .Values.tokens.existingSecret .Values.ingest.tokens_file -}}
{{- if not (or .Values.allowedCidrs .Values.insecure $tokens) -}}
{{- $problems = append $problems "allowedCidrs is empty: anyone who reaches the boxes' port could post events; give the boxes' networks, for example allowedCidrs={192.168.1.0/24}, or their tokens by tokens.existingSecret, or say insecure=true" -}}
{{- else if not (or .Values.insecure $tokens .Values.networkPolicy.enabled .Values.ingress.enabled (eq .Values.service.type "LoadBalancer")) -}}
{{- $problems = append $problems "allowedCidrs would be enforced by nothing: it needs networkPolicy.enabled, service.type=LoadBalancer or ingress.enabled, or say insecure=true" -}}
{{- end -}}
{{- if and .Values.tokens.existingSecret .Values.ingest.tokens_file -}}
{{- $problems = append $problems "tokens.existingSecret and ingest.tokens_file: give one of them, the chart sets the file of the Secret" -}}
{{- end -}}
{{- if and .Values.ingress.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.extraFrom) -}}
{{- $problems = append $problems "ingress.enabled: give networkPolicy.extraFrom the ingress controller's pods, for example [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}], or the NetworkPolicy shuts it out" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingest.trusted_proxies) -}}
{{- $problems = append $problems "ingress.enabled: give ingest.trusted_proxies the network of the ingress controller's pods, for example {10.42.0.0/16}, or all boxes count as one sender and share its limits" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- $problems = append $problems "serviceMonitor.enabled: give networkPolicy.metricsFrom Prometheus' pods, for example [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], or the NetworkPolicy shuts it out" -}}
{{- end -}}

{{/* The API refuses the NetworkPolicy alone, and Helm goes on to make the rest: a gateway that is open to everyone. */}}
{{- $networks := .Values.allowedCidrs -}}
{{- range concat .Values.networkPolicy.extraFrom .Values.networkPolicy.metricsFrom -}}
{{- with .ipBlock -}}{{- $networks = concat $networks (list .cidr) (default list (get . "except")) -}}{{- end -}}
{{- end -}}
{{- range $networks -}}
{{- $network := include "boxbridge.networkOf" . -}}
{{- if ne . $network -}}
{{- $problems = append $problems (printf "%s is an address in a network: give the network, %s, or the address alone, %s/32" . $network (splitList "/" . | first)) -}}
{{- end -}}
{{- end -}}
{{- range $label := concat (include "boxbridge.selector" . | fromYaml | keys) (list "helm.sh/chart" "app.kubernetes.io/version" "app.kubernetes.io/managed-by") -}}
{{- if or (hasKey $.Values.commonLabels $label) (hasKey $.Values.podLabels $label) -}}
{{- $problems = append $problems (printf "commonLabels and podLabels: %s is the chart's own" $label) -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" (include "boxbridge.fullname" .)) -}}
{{- $problems = append $problems (printf "%s is no name for a Service: small letters, digits and -, a letter first; give fullnameOverride" (include "boxbridge.fullname" .)) -}}
{{- end -}}
{{- if eq (include "boxbridge.port" .Values.ingest.listen) (include "boxbridge.port" .Values.admin.listen) -}}
{{- $problems = append $problems (printf "ingest.listen and admin.listen have the same port, %s" (include "boxbridge.port" .Values.admin.listen)) -}}
{{- end -}}

{{/* Other pods have other disks: several at once, or one after the other. */}}
{{- $hasOthers := or (gt (int .Values.replicas) 1) (eq .Values.mode "cluster") -}}
{{- $links := .Values.send.store.links -}}
{{- $opener := include "boxbridge.links" . -}}
{{- if has $opener (list "gateway" "presigned") -}}
{{- if and (not $links.url) (or (eq $opener "gateway") .Values.send.store.endpoint) -}}
{{- $problems = append $problems "send.store.links.url is empty: people could not open the links to pictures in events; give the address by which they reach them, for example send.store.links.url=https://gate.example.com/pictures, or say send.store.links.mode=off" -}}
{{- end -}}
{{- end -}}
{{- if and (eq $opener "gateway") $hasOthers -}}
{{- if hasPrefix "file:" .Values.send.store.url -}}
{{- $problems = append $problems "send.store.links.mode=gateway: each replica shows only the pictures on its own volume, and the Service asks any: send.store.url=s3://BUCKET, or say send.store.links.mode=off" -}}
{{- else if not $links.secret_file -}}
{{- $problems = append $problems "send.store.links.mode=gateway: each replica would sign with a secret of its own, and the Service asks any: give all of them one by send.store.links.secret_file, a Secret mounted with extraVolumes" -}}
{{- end -}}
{{- end -}}
{{- with include "boxbridge.linksPort" . -}}
{{- range $key, $listen := dict "ingest.listen" $.Values.ingest.listen "admin.listen" $.Values.admin.listen -}}
{{- if eq (include "boxbridge.port" $listen) (include "boxbridge.linksPort" $) -}}
{{- $problems = append $problems (printf "%s and send.store.links.listen have the same port, %s" $key (include "boxbridge.linksPort" $)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $redacts := regexMatch `"(pseudonym":true|redact":\[")` (toJson .Values.route) -}}
{{- if and $redacts $hasOthers (not .Values.route.redact_key_file) -}}
{{- $problems = append $problems "route.redact_key_file is empty: each replica would make other stand-ins for one person and for one event; give all of them one key, a Secret mounted with extraVolumes" -}}
{{- end -}}

{{- if lt $queue 268435456 -}}
{{- $problems = append $problems (printf "queue.max_bytes (%v) is under 256MiB, the least that the program takes" .Values.queue.max_bytes) -}}
{{- else if gt $queue $volume -}}
{{- $problems = append $problems (printf "queue.max_bytes (%v) exceeds the volume (persistence.size %s)" .Values.queue.max_bytes (include "boxbridge.quantity" $volume)) -}}
{{- else if and .Values.send.store.max_bytes (include "boxbridge.storeOnVolume" .) -}}
{{- $store := include "boxbridge.bytes" (list "send.store.max_bytes" .Values.send.store.max_bytes) | int64 -}}
{{- if gt (add $store $queue) $volume -}}
{{- $problems = append $problems (printf "send.store.max_bytes (%v) and queue.max_bytes (%v) exceed the volume (%s): persistence.size=%s, or less of either, or send.store.url=s3://BUCKET" .Values.send.store.max_bytes .Values.queue.max_bytes (include "boxbridge.quantity" $volume) (include "boxbridge.quantity" (add $store $queue))) -}}
{{- end -}}
{{- end -}}

{{- if and (lt (int .Values.replicas) 2) (not .Values.acceptDowntime) -}}
{{- $problems = append $problems (printf "replicas=%d: events are lost whenever the pod is rolled or moved, since a box never sends twice; at least 2, or say acceptDowntime=true" (int .Values.replicas)) -}}
{{- end -}}
{{- with .Values.terminationGracePeriodSeconds -}}
{{- if le (int .) (include "boxbridge.drain" $ | int) -}}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds=%d: must be over %s, ingest.drain_delay, queue.drain_limit and the 10 s that the program takes after them" (int .) (include "boxbridge.drain" $)) -}}
{{- end -}}
{{- end -}}
{{- $problems = concat $problems (include "boxbridge.clusterProblems" . | trim | splitList "\n" | compact) -}}
{{- $problems = concat $problems (include "boxbridge.installed" . | trim | splitList "\n" | compact) -}}
{{- if $problems -}}
{{- fail (printf "\n\n  %s\n" (join "\n  " $problems)) -}}
{{- end -}}
{{- end -}}
