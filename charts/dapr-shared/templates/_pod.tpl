{{/* The pod of either strategy. What daprd is given is what Dapr's injector gives it; pkg/daprd is the same in Go. */}}
{{- define "dapr-shared.pod" -}}
{{- include "dapr-shared.check" . -}}
{{- $s := .Values.shared -}}
{{- $token := include "dapr-shared.token" . -}}
metadata:
  labels:
    {{- include "dapr-shared.labels" . | nindent 4 }}
    {{- with $s.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- with $s.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    dapr.io/app-id: {{ $s.appId | quote }}
    {{- with $s.daprd.config }}
    dapr.io/config: {{ . | quote }}
    {{- end }}
    {{- if $token }}
    checksum/token: {{ $token | sha256sum }}
    {{- end }}
spec:
  serviceAccountName: {{ include "dapr-shared.serviceAccount" . }}
  automountServiceAccountToken: true
  {{- with $s.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
  initContainers:
  - name: dapr-shared
    image: {{ include "dapr-shared.image" $s.initContainer.image | quote }}
    imagePullPolicy: {{ $s.initContainer.image.pullPolicy }}
    args: [init, --namespace={{ $s.controlPlane.namespace }}, --dir=/var/run/dapr-shared]
    terminationMessagePolicy: FallbackToLogsOnError
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    securityContext:
      {{- include "dapr-shared.containerSecurity" . | nindent 6 }}
    volumeMounts:
    - name: dapr-shared
      mountPath: /var/run/dapr-shared
  containers:
  - name: daprd
    image: {{ include "dapr-shared.image" $s.daprd.image | quote }}
    imagePullPolicy: {{ $s.daprd.image.pullPolicy }}
    command:
    - /var/run/dapr-shared/dapr-shared
    - run
    - --namespace={{ $s.controlPlane.namespace }}
    - --dir=/var/run/dapr-shared
    - --
    - /daprd
    args:
    - --mode
    - kubernetes
    - --app-id
    - {{ $s.appId | quote }}
    - --app-protocol
    - {{ include "dapr-shared.protocol" . | quote }}
    - --control-plane-address
    - {{ include "dapr-shared.controlPlane" (list . "dapr-api" 443) | quote }}
    - --sentry-address
    - {{ include "dapr-shared.controlPlane" (list . "dapr-sentry" 443) | quote }}
    - --dapr-listen-addresses
    - {{ $s.daprd.listenAddresses | nospace | quote }}
    - --dapr-http-port
    - {{ $s.daprd.httpPort | int | quote }}
    - --dapr-public-port
    - {{ $s.daprd.publicPort | int | quote }}
    - --dapr-grpc-port
    - {{ $s.daprd.grpcPort | int | quote }}
    - --dapr-internal-grpc-port
    - {{ $s.daprd.internalGrpcPort | int | quote }}
    - --enable-metrics={{ $s.daprd.metrics.enabled }}
    - --metrics-port
    - {{ $s.daprd.metrics.port | int | quote }}
    - --log-level
    - {{ $s.log.level | quote }}
    - --app-port
    - {{ $s.remotePort | int | quote }}
    - --app-channel-address
    - {{ include "dapr-shared.host" . | quote }}
    {{- with $s.daprd.appHealth }}
    {{- if .enabled }}
    - --enable-app-health-check
    - --app-health-check-path
    - {{ .checkPath | quote }}
    - --app-health-probe-interval
    - {{ .probeInterval | int | quote }}
    - --app-health-probe-timeout
    - {{ .probeTimeout | int | quote }}
    - --app-health-threshold
    - {{ .threshold | int | quote }}
    {{- end }}
    {{- end }}
    {{- if $s.controlPlane.actors.enabled }}
    - --placement-host-address
    - {{ include "dapr-shared.controlPlane" (list . "dapr-placement-server" 50005) | quote }}
    {{- if not (regexMatch "^v?1\\.([0-9]|1[0-4])\\." $s.daprd.image.tag) }}
    - --scheduler-host-address
    - {{ include "dapr-shared.controlPlane" (list . "dapr-scheduler-server-a" 443) | quote }}
    {{- end }}
    {{- end }}
    {{- with $s.daprd.config }}
    - --config
    - {{ . | quote }}
    {{- end }}
    - --enable-api-logging={{ $s.daprd.apiLogging.enabled }}
    {{- if $s.daprd.mtls.enabled }}
    - --enable-mtls
    {{- end }}
    {{- if $s.log.json }}
    - --log-as-json
    {{- end }}
    ports:
    - name: dapr-http
      containerPort: {{ $s.daprd.httpPort | int }}
    - name: dapr-grpc
      containerPort: {{ $s.daprd.grpcPort | int }}
    - name: dapr-internal
      containerPort: {{ $s.daprd.internalGrpcPort | int }}
    - name: dapr-public
      containerPort: {{ $s.daprd.publicPort | int }}
    {{- if $s.daprd.metrics.enabled }}
    - name: dapr-metrics
      containerPort: {{ $s.daprd.metrics.port | int }}
    {{- end }}
    env:
    - name: NAMESPACE
      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    - name: POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    - name: DAPR_HOST_IP
      valueFrom: {fieldRef: {fieldPath: status.podIP}}
    - name: DAPR_CONTROLPLANE_NAMESPACE
      value: {{ $s.controlPlane.namespace | quote }}
    - name: DAPR_CONTROLPLANE_TRUST_DOMAIN
      value: {{ $s.controlPlane.trustDomain | quote }}
    {{- if $token }}
    - name: DAPR_API_TOKEN
      valueFrom: {secretKeyRef: {name: {{ include "dapr-shared.fullname" . }}, key: token}}
    {{- end }}
    readinessProbe:
      # Ready when Dapr's API is; /v1.0/healthz would wait for the application.
      httpGet: {path: /v1.0/healthz/outbound, port: dapr-public}
      initialDelaySeconds: 1
      timeoutSeconds: 1
      periodSeconds: 1
      failureThreshold: 5
    livenessProbe:
      tcpSocket: {port: dapr-public}
      initialDelaySeconds: 180
      timeoutSeconds: 3
      periodSeconds: 10
      failureThreshold: 5
    {{- with $s.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "dapr-shared.containerSecurity" . | nindent 6 }}
    volumeMounts:
    - name: dapr-shared
      mountPath: /var/run/dapr-shared
      readOnly: true
    - name: dapr-identity-token
      mountPath: /var/run/secrets/dapr.io/sentrytoken
      readOnly: true
  volumes:
  - name: dapr-shared
    emptyDir: {sizeLimit: 64Mi}
  - name: dapr-identity-token
    projected:
      defaultMode: 0644
      sources:
      - serviceAccountToken:
          audience: {{ printf "spiffe://%s/ns/%s/dapr-sentry" $s.controlPlane.trustDomain $s.controlPlane.namespace | quote }}
          expirationSeconds: 7200
          path: token
  {{- with $s.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $s.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $s.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
