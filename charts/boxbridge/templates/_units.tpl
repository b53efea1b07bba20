{{/* Sizes and durations as the program and as Kubernetes write them, counted. */}}

{{/* (list key value) → bytes: 512, 64KiB, 1MB, 20Gi, 1.5Ti */}}
{{- define "boxbridge.bytes" -}}
{{- $key := index . 0 -}}
{{- $value := index . 1 -}}
{{- $text := kindIs "string" $value | ternary ($value | toString) (printf "%d" (int64 $value)) | trim -}}
{{- $units := dict "" 1 "B" 1
    "k" 1000 "K" 1000 "kB" 1000 "KB" 1000 "M" 1000000 "MB" 1000000 "G" 1000000000 "GB" 1000000000 "T" 1000000000000 "TB" 1000000000000
    "Ki" 1024 "KiB" 1024 "Mi" 1048576 "MiB" 1048576 "Gi" 1073741824 "GiB" 1073741824 "Ti" 1099511627776 "TiB" 1099511627776 -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text | trim -}}
{{- if or (not $number) (not (hasKey $units $unit)) -}}
{{- fail (printf "%s: %q is not a size such as 512MiB or 20Gi" $key $text) -}}
{{- end -}}
{{- contains "." $number | ternary (mulf (float64 $number) (get $units $unit) | int64) (mul (atoi $number) (get $units $unit)) -}}
{{- end -}}

{{/* bytes → 20Gi */}}
{{- define "boxbridge.quantity" -}}
{{- $bytes := int64 . -}}
{{- if not (mod $bytes 1073741824) -}}{{ div $bytes 1073741824 }}Gi
{{- else if not (mod $bytes 1048576) -}}{{ div $bytes 1048576 }}Mi
{{- else -}}{{ $bytes }}
{{- end -}}
{{- end -}}

{{/* 1m30s → 90, rounded up */}}
{{- define "boxbridge.seconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" . -1 -}}
{{- $factor := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) (regexFind "[a-z]+$" .) -}}
{{- $milliseconds = add $milliseconds (mul (regexFind "^[0-9]+" . | atoi) $factor) -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end -}}

{{/* 192.168.1.5/24 → 192.168.1.0/24; what is no IPv4 stays as it is. */}}
{{- define "boxbridge.networkOf" -}}
{{- if contains ":" . -}}{{ . }}{{- else -}}
{{- $length := splitList "/" . | last -}}
{{- $address := 0 -}}
{{- range splitList "/" . | first | splitList "." -}}{{- $address = add (mul $address 256) (atoi .) -}}{{- end -}}
{{- $size := 1 -}}
{{- range until (sub 32 (atoi $length) | int) -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- $first := sub $address (mod $address $size) -}}
{{- printf "%d.%d.%d.%d/%s" (div $first 16777216) (mod (div $first 65536) 256) (mod (div $first 256) 256) (mod $first 256) $length -}}
{{- end -}}
{{- end -}}

{{/* Bytes of each replica's volume, on which its queue lies. */}}
{{- define "boxbridge.volume" -}}
{{- with .Values.persistence.size -}}
{{- include "boxbridge.bytes" (list "persistence.size" .) -}}
{{- else -}}
{{- mul 2 (include "boxbridge.bytes" (list "queue.max_bytes" .Values.queue.max_bytes)) -}}
{{- end -}}
{{- end -}}

{{/* Seconds that stopping takes at the most: drain_delay, drain_limit, and the ten that the program promises. */}}
{{- define "boxbridge.drain" -}}
{{- $limit := default (eq .Values.mode "cluster" | ternary "60s" "0s") .Values.queue.drain_limit -}}
{{- add (include "boxbridge.seconds" .Values.ingest.drain_delay) (include "boxbridge.seconds" $limit) 10 -}}
{{- end -}}
