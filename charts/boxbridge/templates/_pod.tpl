{{/* The pod of both modes. In mode edge the StatefulSet gives it the volume `data`. */}}
{{- define "boxbridge.pod" -}}
metadata:
  labels:
    {{- include "boxbridge.selector" . | nindent 4 }}
    {{- include "boxbridge.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "boxbridge.takenAtStart" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "boxbridge.serviceAccount" . }}
  automountServiceAccountToken: false
  # Their variables would begin like ours.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ default (add (include "boxbridge.drain" .) 5) .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - name: boxbridge
      image: {{ include "boxbridge.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [--config, /etc/boxbridge/boxbridge.toml]
      env:
        {{- include "boxbridge.env" . | nindent 8 }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: ingest
          containerPort: {{ include "boxbridge.port" .Values.ingest.listen }}
        {{- with .Values.ingest.tls_listen }}
        - name: ingest-tls
          containerPort: {{ include "boxbridge.port" . }}
        {{- end }}
        - name: admin
          containerPort: {{ include "boxbridge.port" .Values.admin.listen }}
        {{- with include "boxbridge.linksPort" . }}
        - name: links
          containerPort: {{ . }}
        {{- end }}
      readinessProbe:
        httpGet:
          path: /readyz
          port: admin
          {{- if .Values.admin.tls_cert_file }}
          scheme: HTTPS
          {{- end }}
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      livenessProbe:
        httpGet:
          path: /livez
          port: admin
          {{- if .Values.admin.tls_cert_file }}
          scheme: HTTPS
          {{- end }}
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: {{ include "boxbridge.dataDir" . }}
        - name: config
          mountPath: /etc/boxbridge
          readOnly: true
        {{- if .Values.tokens.existingSecret }}
        - name: tokens
          mountPath: {{ include "boxbridge.tokensDir" . }}
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- if eq .Values.mode "cluster" }}
    # It holds nothing that is not on Kafka and in the bucket, but for what is on its way there.
    - name: data
      emptyDir:
        sizeLimit: {{ include "boxbridge.volume" . | include "boxbridge.quantity" }}
    {{- end }}
    - name: config
      configMap:
        name: {{ include "boxbridge.fullname" . }}
    {{- with .Values.tokens.existingSecret }}
    - name: tokens
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  topologySpreadConstraints:
    {{- range default (include "boxbridge.spread" . | fromYamlArray) .Values.topologySpreadConstraints }}
    {{- $constraint := hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" (dict "matchLabels" (include "boxbridge.selector" $ | fromYaml))) .) }}
    {{- list $constraint | toYaml | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
