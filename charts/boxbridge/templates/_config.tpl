{{/* The settings of the program, from the values under its own words. */}}

{{- define "boxbridge.dataDir" -}}/var/lib/boxbridge{{- end -}}

{{/* Where the Secret with the tokens file is mounted. */}}
{{- define "boxbridge.tokensDir" -}}/etc/boxbridge-tokens{{- end -}}

{{/* Settings that may be, or must be, a reference to a Secret; values.schema.json says which. */}}
{{- define "boxbridge.referable" -}}
{{- $paths := list -}}
{{- range $name, $destination := .Values.send -}}
{{- if kindIs "map" $destination -}}
{{- range list "username" "password" "access_key_id" "secret_access_key" -}}
{{- if hasKey $destination . -}}{{- $paths = append $paths (printf "send.%s.%s" $name .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join " " $paths -}}
{{- end -}}

{{/* boxbridge.toml: what is given, without what travels by environment. */}}
{{- define "boxbridge.config" -}}
{{- $config := pick .Values "site" "log" "ingest" "admin" "normalize" "queue" "route" "send" | deepCopy -}}
{{- $_ := set $config "data_dir" (include "boxbridge.dataDir" .) -}}
{{- if eq .Values.mode "cluster" -}}{{- include "boxbridge.setForCluster" $config -}}{{- end -}}
{{- range splitList " " (include "boxbridge.referable" .) -}}
{{- $path := splitList "." . -}}
{{- $section := get (get $config (index $path 0)) (index $path 1) -}}
{{- if kindIs "map" (get $section (index $path 2)) -}}{{- $_ := unset $section (index $path 2) -}}{{- end -}}
{{- end -}}
{{- range $destination := $config.send -}}
{{- if kindIs "map" $destination -}}{{- $_ := unset $destination "client_id" -}}{{- end -}}
{{- end -}}
{{- if .Values.tokens.existingSecret -}}
{{- $_ := set $config.ingest "tokens_file" (printf "%s/%s" (include "boxbridge.tokensDir" .) .Values.tokens.key) -}}
{{- end -}}
{{- if and (include "boxbridge.storeOnVolume" .) (not $config.send.store.max_bytes) -}}
{{- $_ := set $config.send.store "max_bytes" (include "boxbridge.storeBytes" .) -}}
{{- else if not (and (hasPrefix "file:" $config.send.store.url) $config.send.store.max_bytes) -}}
{{- $_ := unset $config.send.store "max_bytes" -}}
{{- end -}}
{{- include "boxbridge.wholeNumbers" $config -}}
{{- toToml $config -}}
{{- end -}}

{{/* What only a start takes (x-reload in values.schema.json): a change of it rolls the pods. All else a running gateway takes itself. */}}
{{- define "boxbridge.takenAtStart" -}}
{{- $settings := pick .Values "queue" "send" | deepCopy -}}
{{- if eq .Values.mode "cluster" -}}{{- include "boxbridge.setForCluster" $settings -}}{{- end -}}
{{- $start := dict "site" .Values.site "log" (dig "format" "" (default dict .Values.log)) "queue" .Values.queue.max_bytes -}}
{{- with $settings.queue.answer_from -}}{{- $_ := set $start "answer_from" . -}}{{- end -}}
{{- $_ := set $start "ports" (list .Values.ingest.listen .Values.ingest.tls_listen .Values.admin.listen (dig "connections_max" "" .Values.ingest)) -}}
{{- $_ := set $start "links" (list .Values.send.store.links.mode .Values.send.store.links.listen) -}}
{{- range $name, $destination := $settings.send -}}
{{- if kindIs "map" $destination -}}
{{- $kind := default $name $destination.kind -}}
{{- $url := default "" $destination.url -}}
{{- $place := ternary "" "elsewhere" (empty $destination.brokers) -}}
{{- if eq $kind "store" -}}{{- $place = $url -}}{{- end -}}
{{- if eq $kind "mqtt" -}}{{- $place = has $url (list "" "embedded") | ternary $url "elsewhere" -}}{{- end -}}
{{- $_ := set $start (printf "send.%s" $name) (list $kind $place (dig "embedded" dict $destination)) -}}
{{- with $destination.from -}}{{- $_ := set $start (printf "send.%s.from" $name) . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $start -}}
{{- end -}}

{{/* Who opens links to pictures: gateway, presigned, public or off. */}}
{{- define "boxbridge.links" -}}
{{- $store := .Values.send.store -}}
{{- if eq $store.links.mode "off" -}}off
{{- else if $store.public_url -}}public
{{- else if ne $store.links.mode "auto" -}}{{ $store.links.mode }}
{{- else if hasPrefix "s3://" $store.url -}}presigned
{{- else -}}gateway
{{- end -}}
{{- end -}}

{{/* The pods' port for links; empty where they open none. */}}
{{- define "boxbridge.linksPort" -}}
{{- $listen := .Values.send.store.links.listen -}}
{{- if and $listen (eq (include "boxbridge.links" .) "gateway") -}}{{ include "boxbridge.port" $listen }}{{- end -}}
{{- end -}}

{{/* "true" where the pictures share the queue's volume. */}}
{{- define "boxbridge.storeOnVolume" -}}
{{- $url := .Values.send.store.url -}}
{{- if or (eq $url "file:") (hasPrefix (printf "file://%s/" (include "boxbridge.dataDir" .)) $url) -}}true{{- end -}}
{{- end -}}

{{/* Three quarters of what the queue leaves of the volume: the rest is for set-aside events, quarantine and the file system. */}}
{{- define "boxbridge.storeBytes" -}}
{{- $left := sub (include "boxbridge.volume" .) (include "boxbridge.bytes" (list "queue.max_bytes" .Values.queue.max_bytes)) -}}
{{- printf "%dMiB" (div (mul $left 3) 4194304 | max 1) -}}
{{- end -}}

{{/* Helm reads every number of a YAML file as a float, and would write 1000000 as 1e+06. */}}
{{- define "boxbridge.wholeNumbers" -}}
{{- $section := . -}}
{{- range $key, $value := $section -}}
{{- if kindIs "map" $value -}}{{- include "boxbridge.wholeNumbers" $value -}}
{{- else if kindIs "float64" $value -}}{{- $_ := set $section $key (int64 $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What is not in the file: where it is, references to Secrets, and what differs from pod to pod. */}}
{{- define "boxbridge.env" -}}
{{- $ := . -}}
- name: BOXBRIDGE_CONFIG
  value: /etc/boxbridge/boxbridge.toml
# The image has its own of these two, which would win over the file.
- name: BOXBRIDGE_ADMIN__LISTEN
  value: {{ .Values.admin.listen | quote }}
- name: BOXBRIDGE_SEND__STORE__LINKS__LISTEN
  value: {{ .Values.send.store.links.listen | quote }}
{{- range splitList " " (include "boxbridge.referable" .) }}
{{- $path := splitList "." . }}
{{- $value := get (get (get $.Values (index $path 0)) (index $path 1)) (index $path 2) }}
{{- if and (kindIs "map" $value) $value }}
- name: BOXBRIDGE_{{ . | upper | replace "." "__" | replace "-" "_" }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
{{- end }}
{{- end }}
{{- $named := dict }}
{{- range $name, $destination := .Values.send }}
{{- if kindIs "map" $destination }}
{{- with $destination.client_id }}{{ $_ := set $named $name . }}{{ end }}
{{- end }}
{{- end }}
{{- if $named }}
# Two replicas never share a client id.
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- range $name, $client_id := $named }}
- name: BOXBRIDGE_SEND__{{ $name | upper | replace "-" "_" }}__CLIENT_ID
  value: {{ printf "%s-$(POD_NAME)" $client_id | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
