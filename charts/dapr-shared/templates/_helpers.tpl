{{/* The name of what the release makes, but for the Service. */}}
{{- define "dapr-shared.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "dapr-shared.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dapr-shared.labels" -}}
{{ include "dapr-shared.selector" . }}
app.kubernetes.io/component: daprd
app.kubernetes.io/version: {{ .Values.shared.daprd.image.tag | trunc 63 | replace ":" "-" | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "dapr-shared.serviceAccount" -}}
{{- with .Values.shared.serviceAccount -}}
{{- .name | default (ternary (include "dapr-shared.fullname" $) "default" .create) -}}
{{- end -}}
{{- end -}}

{{/* registry/name:tag, or @ when the tag is a digest. */}}
{{- define "dapr-shared.image" -}}
{{- if .registry }}{{ .registry }}/{{ end }}{{ .name }}{{ ternary "@" ":" (hasPrefix "sha256:" .tag) }}{{ .tag -}}
{{- end -}}

{{/* The Dapr API token, empty when none is asked for. */}}
{{- define "dapr-shared.token" -}}
{{- with .Values.shared -}}
{{- if and .daprd.token .initContainer.token (ne .daprd.token .initContainer.token) -}}
{{- fail "shared.daprd.token and shared.initContainer.token are both the Dapr API token: set one of them, or both to the same" -}}
{{- end -}}
{{- .daprd.token | default .initContainer.token -}}
{{- end -}}
{{- end -}}

{{/* The host in shared.remoteURL. */}}
{{- define "dapr-shared.host" -}}
{{- $host := regexReplaceAll "^[A-Za-z][A-Za-z0-9+.-]*://" .Values.shared.remoteURL "" | trimSuffix "/" -}}
{{- if regexMatch "^(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9._-]+)$" $host -}}
{{- $host -}}
{{- else if regexMatch ":[0-9]+(/|$)" $host -}}
{{- fail (printf "shared.remoteURL must not have a port, set shared.remotePort to it: %q" .Values.shared.remoteURL) -}}
{{- else -}}
{{- fail (printf "shared.remoteURL must be a host, such as my-app.default.svc.cluster.local, without a path: %q" .Values.shared.remoteURL) -}}
{{- end -}}
{{- end -}}

{{/* The application's protocol: a scheme with TLS adds TLS to it. */}}
{{- define "dapr-shared.protocol" -}}
{{- $protocol := .Values.shared.daprd.app.protocol -}}
{{- $scheme := regexFind "^[A-Za-z][A-Za-z0-9+.-]*://" .Values.shared.remoteURL | trimSuffix "://" | lower -}}
{{- if and $scheme (not (has $scheme (list "http" "https" "grpc" "grpcs" "h2c"))) -}}
{{- fail (printf "shared.remoteURL has the scheme %q, which daprd cannot call: use http, https, grpc or grpcs" $scheme) -}}
{{- end -}}
{{- if and (has $scheme (list "https" "grpcs")) (has $protocol (list "http" "grpc")) -}}
{{- printf "%ss" $protocol -}}
{{- else -}}
{{- $protocol -}}
{{- end -}}
{{- end -}}

{{/* Refuses what the schema cannot see, with a sentence that says what to do. */}}
{{- define "dapr-shared.check" -}}
{{- with .Values.shared -}}
{{- if not .appId }}{{ fail "shared.appId is required: the Dapr app id, such as --set shared.appId=orders" }}{{ end -}}
{{- if not .remoteURL }}{{ fail "shared.remoteURL is required: the host where the application is, such as --set shared.remoteURL=orders.default.svc.cluster.local" }}{{ end -}}
{{- if not .remotePort }}{{ fail "shared.remotePort is required: the port where the application is, such as --set shared.remotePort=8080" }}{{ end -}}
{{- $taken := dict -}}
{{- $ports := dict "shared.daprd.httpPort" .daprd.httpPort "shared.daprd.publicPort" .daprd.publicPort "shared.daprd.grpcPort" .daprd.grpcPort "shared.daprd.internalGrpcPort" .daprd.internalGrpcPort -}}
{{- if .daprd.metrics.enabled }}{{ $_ := set $ports "shared.daprd.metrics.port" .daprd.metrics.port }}{{ end -}}
{{- range $name, $port := $ports -}}
{{- $key := $port | int | toString -}}
{{- if hasKey $taken $key }}{{ fail (printf "%s and %s are both %s: each needs a port of its own" (get $taken $key) $name $key) }}{{ end -}}
{{- $_ := set $taken $key $name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A Service of Dapr's control plane: list of the root, its name and its port. */}}
{{- define "dapr-shared.controlPlane" -}}
{{- $s := (index . 0).Values.shared.controlPlane -}}
{{ index . 1 }}.{{ $s.namespace }}.svc.{{ $s.clusterDomain }}:{{ index . 2 }}
{{- end -}}

{{- define "dapr-shared.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}
