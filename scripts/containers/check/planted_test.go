package check

import (
	"maps"
	"os"
	"strings"
	"testing"
)

// TestTheFilesAreRight judges the files as they are.
func TestTheFilesAreRight(t *testing.T) {
	if _, err := judgeDockerfile(read(t, dockerfilePath)); err != nil {
		t.Error(err)
	}
	if err := judgeCompose(read(t, composePath)); err != nil {
		t.Error(err)
	}
	files, err := readManifests()
	if err != nil {
		t.Fatal(err)
	}
	if err := judgeKubernetes(files); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mistake is a small edit that must be refused, with these words.
type mistake struct{ old, new, says string }

// plant makes the edit, everywhere.
func (m mistake) plant(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, m.old) {
		t.Fatalf("there is no %q to plant a mistake in", m.old)
	}
	return strings.ReplaceAll(text, m.old, m.new)
}

func (m mistake) expect(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), m.says) {
		t.Errorf("%q in the place of %q: %v; want it refused with %q", m.new, m.old, err, m.says)
	}
}

func TestMistakesInTheDockerfile(t *testing.T) {
	text := string(read(t, dockerfilePath))
	for _, m := range []mistake{
		{"USER 65532:65532\n", "", "run as root"},
		{"USER 65532:65532\n", "USER nonroot\n", "two numbers"},
		{"USER 65532:65532\n", "USER 0:0\n", "root's"},
		{"USER ", "USR ", "unknown instruction"},
		{`CMD ["muster", "healthcheck"]`, "CMD muster healthcheck", "needs a shell"},
		{"HEALTHCHECK", "# HEALTHCHECK", "no HEALTHCHECK"},
		{"--retries=6", "--retry=6", "unknown flag"},
		{`ENTRYPOINT ["muster"]`, "ENTRYPOINT muster", "needs a shell"},
		{`CMD ["--help"]`, "CMD muster --help", "needs a shell"},
		{"STOPSIGNAL SIGTERM", "STOPSIGNAL SIGINT", "SIGTERM"},
		{"EXPOSE 7101 8101 9101", "EXPOSE 7101 8101", "9101 is not exposed"},
		{"FROM scratch", "FROM debian", "not with scratch"},
		{"GO_VERSION=1.26", "GO_VERSION=1.25", "go.mod needs Go"},
		{"ENV PATH=/usr/bin", "RUN true", "no shell in it"},
	} {
		_, err := judgeDockerfile([]byte(m.plant(t, text)))
		m.expect(t, err)
	}
}

func TestMistakesInCompose(t *testing.T) {
	text := string(read(t, composePath))
	for _, m := range []mistake{
		{"restart: unless-stopped", `restart: "no"`, "must come back"},
		{"restart: unless-stopped", "restrt: always", "restrt"},
		{"stop_grace_period: 60s", "stop_grace_period: 10s", "it may need 1m0s"},
		{"--drain-timeout 30s", "--drain-timeout 45s", "it may need 1m15s"},
		{"--id m2", "--id m1", "not that of the service"},
		{"--raft-listen :7101 --raft-advertise m3:7101", "--raft-listen :7102 --raft-advertise m3:7101", "not that of the service"},
		{"--raft-advertise m2:7101 --api-listen :8101 --api-advertise http://m2:8101\n      --masters m1=m1:7101", "--raft-advertise m2:7101 --api-listen :8101 --api-advertise http://m2:8101\n      --masters m1=m1:7102", "all founders are"},
		{"--followers forward", "--followers redirect", "must forward"},
		{"127.0.0.1:8102:8101", "8102:8101", "127.0.0.1 alone"},
		{"127.0.0.1:8102:8101", "127.0.0.1:8101:8101", "same port"},
		{"m2:/var/lib/muster", "m1:/var/lib/muster", "share the volume"},
		{"m2:/var/lib/muster", "m2:/data", "no volume of its own"},
		{"m2:/var/lib/muster", "m4:/var/lib/muster", "m4"},
		{"http://127.0.0.1:9101", "http://127.0.0.1:8101", "its health check asks"},
		{"test: [CMD, muster, healthcheck, --ready]", "test: muster healthcheck --ready", "health check is not"},
		{"--advertise http://slave-2:9101", "--advertise http://slave-1:9101", "not that of the service"},
		{"read_only: true", "privileged: true", "more rights"},
		{"GOMEMLIMIT: 1843MiB", "GOMEMLIMIT: 2048MiB", "9 are wanted"},
		{"MUSTER_ADDRESS: &api http://m1:8101,", "MUSTER_ADDRESS: &api http://m4:8101,", "does not name"},
		{"    GOMEMLIMIT: 1843MiB", "    GOMEMLIMIT: 1843MiB\n    MUSTER_ID: m1", "is a setting"},
		{"  slave-2:\n", "  slave-1:\n", "slave-1"},
		{"dockerfile: scripts/containers/Dockerfile", "dockerfile: Dockerfile", "not built from"},
		{"mem_limit: 1g", "cpus: 1", "no limit"},
	} {
		m.expect(t, judgeCompose([]byte(m.plant(t, text))))
	}
}

func TestMistakesInTheManifests(t *testing.T) {
	files, err := readManifests()
	if err != nil {
		t.Fatal(err)
	}
	for file, mistakes := range map[string][]mistake{
		"kustomization.yaml": {
			{"  - slaves.yaml\n", "", "kustomization.yaml names"},
			{"slaves.yaml", "slave.yaml", "not there"},
			{"newTag:", "tag:", "unknown field"},
		},
		"masters.yaml": {
			{"replicas: 3", "replica: 3", "unknown field"},
			{"replicas: 3", "replicas: 3\n  replicas: 3", "already set"},
			{"replicas: 3", "replicas: 5", "5 masters, and 3 files"},
			{"apiVersion: apps/v1", "apiVersion: apps/v2", "no kind"},
			{"serviceName: muster-masters", "serviceName: muster", "pods get no names"},
			{"publishNotReadyAddresses: true", "publishNotReadyAddresses: false", "before they are"},
			{"  name: muster\n", "  name: muster\n  namespace: default\n", "has a namespace"},
			{"podManagementPolicy: Parallel", "podManagementPolicy: OrderedReady", "would wait for the others"},
			{"maxUnavailable: 1", "maxUnavailable: 2", "one master at a time"},
			{"whenScaled: Retain", "whenScaled: Delete", "must stay"},
			{"terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30", "less than the 1m0s"},
			{"fsGroup: 65532\n", "\n", "belongs to root"},
			{"mountPath: /var/lib/muster", "mountPath: /data", "no volume claim"},
			{"mountPath: /etc/muster", "mountPath: /etc", "not where --config looks"},
			{"--followers=forward", "--followers=redirect", "must forward"},
			{"livenessProbe:\n            httpGet: {path: /healthz", "livenessProbe:\n            httpGet: {path: /readyz", "none must be killed"},
			{"{path: /healthz", "{path: /health", "not in api/openapi.yaml"},
			{"path: /readyz, port: api", "path: /readyz, port: 8102", "which there is not"},
			{"targetPort: raft", "targetPort: gossip", "which no master has"},
			{"containerPort: 8101", "containerPort: 8102", "--api-listen is"},
			{"{name: GOMEMLIMIT, value: 1843MiB}", "{name: GOMEMLIMIT, value: 2048MiB}", "9 are wanted"},
			{"muster-masters-1.yaml: |\n    master:\n      id: muster-masters-1", "muster-masters-1.yaml: |\n    master:\n      id: muster-masters-0", "the pods are"},
			{"muster-masters-2.yaml: |\n    master:", "muster-masters-2.yaml: |\n    masters:", "unknown field"},
			{"--raft-advertise=$(POD_NAME).muster-masters:7101", "--raft-advertise=$(POD_NAME).muster:7101", "advertises"},
			{"- --api-advertise=http://$(POD_NAME)", "- --api-advertise=http://$(NAME)", "not set"},
			{"fieldPath: metadata.name", "fieldPath: metadata.uid", "the pods are"},
			{"enableServiceLinks: false", "enableServiceLinks: true", "must be false"},
			{"runAsNonRoot: true", "runAsNonRoot: false", "forbid root"},
			{"{type: RuntimeDefault}", "{type: Unconfined}", "system calls open"},
			{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "more rights"},
			{"capabilities: {drop: [ALL]}", "capabilities: {drop: [ALL], add: [NET_ADMIN]}", "more rights"},
			{"limits: {memory: 2Gi}", "limits: {cpu: 2}", "memory no limit"},
			{"topologyKey: kubernetes.io/hostname", "topologyKey: topology.kubernetes.io/region", "not by node"},
			{"  maxUnavailable: 1\n  selector:\n    matchLabels: {app.kubernetes.io/name: muster, app.kubernetes.io/component: master}", "  maxUnavailable: 1\n  selector:\n    matchLabels: {app.kubernetes.io/name: muster}", "selector of the budget"},
			{"clusterIP: None", "clusterIP: none", "an object is missing"},
		},
		"slaves.yaml": {
			{"matchLabels: {app.kubernetes.io/name: muster, app.kubernetes.io/component: slave}", "matchLabels: {app.kubernetes.io/name: muster, app.kubernetes.io/component: master}", "selector of the slaves"},
			{"terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 45", "less than --drain-timeout"},
			{"--drain-timeout=30s", "--drain-timeout=300s", "less than --drain-timeout"},
			{"fieldPath: status.podIP", "fieldPath: status.hostIP", "not that of the pod"},
			{"--name=$(POD_NAME)", "--name=slave", "not that of the pod"},
			{"http://muster-masters-2.muster-masters:8101", "http://muster-masters-3.muster-masters:8101", "the slaves' --masters"},
			{"port: slave", "port: api", "which there is not"},
			{"{path: /healthz", "{path: /readyz", "not in api/slave.yaml"},
			{"args:", "command: [muster]\n          args:", "entry point"},
		},
	} {
		for _, m := range mistakes {
			edited := maps.Clone(files)
			edited[file] = m.plant(t, files[file])
			m.expect(t, judgeKubernetes(edited))
		}
	}
}
