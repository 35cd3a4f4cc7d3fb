package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/intstr"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const manifestDir = "../kubernetes"

// manifests are the objects of the YAML files.
type manifests struct {
	config   *corev1.ConfigMap // a file for each pod of the masters
	headless *corev1.Service   // the masters' names
	service  *corev1.Service   // for clients
	masters  *appsv1.StatefulSet
	slaves   *appsv1.Deployment
	budget   *policyv1.PodDisruptionBudget
}

func readManifests() (map[string]string, error) {
	files := map[string]string{}
	for _, name := range []string{"kustomization.yaml", "masters.yaml", "slaves.yaml"} {
		text, err := os.ReadFile(filepath.Join(manifestDir, name))
		if err != nil {
			return nil, err
		}
		files[name] = string(text)
	}
	return files, nil
}

// decodeManifests decodes every document into the type that it names. An unknown
// field and a key that is there twice are errors.
func decodeManifests(files map[string]string) (*manifests, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), appsv1.AddToScheme(scheme), policyv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	strict := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Yaml: true, Strict: true})
	m := &manifests{}
	for name, text := range files {
		if name == "kustomization.yaml" {
			if err := judgeKustomization(text, files); err != nil {
				return nil, err
			}
			continue
		}
		documents := kyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if len(bytes.TrimSpace(comments.ReplaceAll(document, nil))) == 0 {
				continue
			}
			object, _, err := strict.Decode(document, nil, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if err := m.take(object); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if m.config == nil || m.headless == nil || m.service == nil || m.masters == nil || m.slaves == nil || m.budget == nil {
		return nil, fmt.Errorf("an object is missing: %+v", m)
	}
	return m, nil
}

var comments = regexp.MustCompile(`(?m)^#.*$`)

func (m *manifests) take(object runtime.Object) error {
	switch o := object.(type) {
	case *corev1.ConfigMap:
		m.config = o
	case *corev1.Service:
		if o.Spec.ClusterIP == corev1.ClusterIPNone {
			m.headless = o
		} else {
			m.service = o
		}
	case *appsv1.StatefulSet:
		m.masters = o
	case *appsv1.Deployment:
		m.slaves = o
	case *policyv1.PodDisruptionBudget:
		m.budget = o
	default:
		return fmt.Errorf("nobody checks a %T", object)
	}
	if meta, ok := object.(metav1.Object); ok && meta.GetNamespace() != "" {
		return fmt.Errorf("%s has a namespace; kubectl -n says which", meta.GetName())
	}
	return nil
}

// judgeKustomization wants all files to be named, and no others.
func judgeKustomization(text string, files map[string]string) error {
	var k struct {
		APIVersion string   `json:"apiVersion"` //nolint:tagliatelle // its name is Kubernetes'
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
		Images     []struct {
			Name    string `json:"name"`
			NewName string `json:"newName"` //nolint:tagliatelle // as above
			NewTag  string `json:"newTag"`  //nolint:tagliatelle // as above
		} `json:"images"`
	}
	if err := yaml.UnmarshalStrict([]byte(text), &k); err != nil {
		return fmt.Errorf("kustomization.yaml: %w", err)
	}
	if k.Kind != "Kustomization" || k.APIVersion != "kustomize.config.k8s.io/v1beta1" || len(k.Images) != 1 || k.Images[0].Name != "muster" {
		return errors.New("kustomization.yaml: kind, version or image is wrong")
	}
	if len(k.Resources) != len(files)-1 {
		return fmt.Errorf("kustomization.yaml names %q, and there are %d other files", k.Resources, len(files)-1)
	}
	for _, name := range k.Resources {
		if _, ok := files[name]; !ok {
			return fmt.Errorf("kustomization.yaml names %s, which is not there", name)
		}
	}
	return nil
}

// expand puts a container's variables into an argument, as the kubelet does: $(X),
// and what is not known stays.
func expand(arg string, env map[string]string) string {
	return reference.ReplaceAllStringFunc(arg, func(s string) string {
		if value, ok := env[s[2:len(s)-1]]; ok {
			return value
		}
		return s
	})
}

var reference = regexp.MustCompile(`\$\([A-Za-z_][A-Za-z0-9_]*\)`)

// environment is a container's, in a pod of this name and address.
func environment(c *corev1.Container, podName, podIP string) map[string]string {
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
		if v.ValueFrom != nil && v.ValueFrom.FieldRef != nil {
			env[v.Name] = map[string]string{"metadata.name": podName, "metadata.namespace": "default", "status.podIP": podIP}[v.ValueFrom.FieldRef.FieldPath]
		}
	}
	return env
}

func arguments(c *corev1.Container, env map[string]string) []string {
	args := make([]string, len(c.Args))
	for i, arg := range c.Args {
		args[i] = expand(arg, env)
	}
	return args
}

// podConfig is what is in the file of a master's pod.
type podConfig struct {
	Master struct {
		ID      string   `json:"id"`
		Masters []string `json:"masters,omitempty"`
		Join    []string `json:"join,omitempty"`
	} `json:"master"`
}

// judgeKubernetes returns what is wrong with the manifests.
func judgeKubernetes(files map[string]string) error {
	m, err := decodeManifests(files)
	if err != nil {
		return err
	}
	return errors.Join(
		m.judgeSelectors(), m.judgeMasters(), m.judgeFounders(), m.judgeSlaves(),
		judgePod("masters", &m.masters.Spec.Template), judgePod("slaves", &m.slaves.Spec.Template),
	)
}

// judgeSelectors: who selects pods selects those that it means, and no others.
func (m *manifests) judgeSelectors() error {
	var wrong []error
	masters, slaves := labels.Set(m.masters.Spec.Template.Labels), labels.Set(m.slaves.Spec.Template.Labels)
	check := func(what string, selector labels.Selector, wanted, unwanted labels.Set) {
		if selector.Empty() || !selector.Matches(wanted) || selector.Matches(unwanted) {
			wrong = append(wrong, fmt.Errorf("the selector of %s, %s, does not take the pods with %s and leave those with %s", what, selector, wanted, unwanted))
		}
	}
	of := func(s *metav1.LabelSelector) labels.Selector {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			wrong = append(wrong, err)
			return labels.Nothing()
		}
		return selector
	}
	check("the masters", of(m.masters.Spec.Selector), masters, slaves)
	check("the budget", of(m.budget.Spec.Selector), masters, slaves)
	check("the headless service", labels.SelectorFromSet(m.headless.Spec.Selector), masters, slaves)
	check("the clients' service", labels.SelectorFromSet(m.service.Spec.Selector), masters, slaves)
	check("the slaves", of(m.slaves.Spec.Selector), slaves, masters)
	affinity := m.masters.Spec.Template.Spec.Affinity
	if affinity == nil || affinity.PodAntiAffinity == nil || len(affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) != 1 {
		return errors.Join(append(wrong, errors.New("two masters may be put on one node"))...)
	}
	apart := affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
	check("the anti-affinity", of(apart.LabelSelector), masters, slaves)
	if apart.TopologyKey != "kubernetes.io/hostname" {
		wrong = append(wrong, fmt.Errorf("masters are kept apart by %q, not by node", apart.TopologyKey))
	}
	return errors.Join(wrong...)
}

func (m *manifests) judgeMasters() error {
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	spec := &m.masters.Spec
	if spec.ServiceName != m.headless.Name {
		complain("serviceName is %q; the headless service is %q, so pods get no names", spec.ServiceName, m.headless.Name)
	}
	if !m.headless.Spec.PublishNotReadyAddresses {
		complain("the headless service must publish addresses that are not ready: masters find each other before they are")
	}
	if m.service.Spec.PublishNotReadyAddresses {
		complain("the clients' service must not publish masters that are not ready")
	}
	if spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		complain("podManagementPolicy is %q: the first master would wait for the others, which wait until it is ready", spec.PodManagementPolicy)
	}
	if b := m.budget.Spec; b.MaxUnavailable == nil || b.MaxUnavailable.IntValue() != 1 || b.MinAvailable != nil {
		complain("the budget must allow one master at a time")
	}
	if r := spec.PersistentVolumeClaimRetentionPolicy; r == nil || r.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType || r.WhenScaled != appsv1.RetainPersistentVolumeClaimRetentionPolicyType {
		complain("the masters' volumes must stay")
	}
	pod := &spec.Template.Spec
	c := &pod.Containers[0]
	flags := flagsOf(c.Args)
	if grace := pod.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second < masterEnd {
		complain("masters: terminationGracePeriodSeconds is less than the %s that a master may need", masterEnd)
	}
	if pod.SecurityContext == nil || pod.SecurityContext.FSGroup == nil {
		complain("masters: without fsGroup the volume belongs to root")
	}
	if !slices.ContainsFunc(c.VolumeMounts, func(v corev1.VolumeMount) bool {
		return v.MountPath == flags["data"] && !v.ReadOnly && slices.ContainsFunc(spec.VolumeClaimTemplates, func(claim corev1.PersistentVolumeClaim) bool { return claim.Name == v.Name })
	}) {
		complain("masters: there is no volume claim at --data %s", flags["data"])
	}
	if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool {
		return v.ConfigMap != nil && v.ConfigMap.Name == m.config.Name && slices.ContainsFunc(c.VolumeMounts, func(at corev1.VolumeMount) bool {
			return at.Name == v.Name && at.MountPath == filepath.Dir(flags["config"])
		})
	}) {
		complain("masters: %s is not where --config looks", m.config.Name)
	}
	if flags["followers"] != "forward" {
		complain("followers must forward: a client outside the namespace can't follow a redirect")
	}
	if c.StartupProbe == nil || c.LivenessProbe == nil || c.ReadinessProbe == nil {
		complain("masters: a probe is missing")
	} else if c.LivenessProbe.HTTPGet.Path != "/healthz" || c.StartupProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		complain("masters: alive is /healthz and ready is /readyz: without a leader no master is ready, and none must be killed for it")
	}
	for _, service := range []*corev1.Service{m.headless, m.service} {
		for _, port := range service.Spec.Ports {
			if !hasPort(c, port.TargetPort) {
				complain("service %s: port %s leads to %s, which no master has", service.Name, port.Name, port.TargetPort.String())
			}
		}
	}
	wrong = append(wrong, judgeMemory("masters", environment(c, "", "")["GOMEMLIMIT"], c.Resources.Limits.Memory().Value()))
	return errors.Join(wrong...)
}

// judgeFounders: each pod has a file with its own id and the one list, in which it
// stands as it is reached.
func (m *manifests) judgeFounders() error {
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	replicas := int(*m.masters.Spec.Replicas)
	if len(m.config.Data) != replicas {
		complain("%d masters, and %d files in %s", replicas, len(m.config.Data), m.config.Name)
	}
	var founders, urls []string
	for i := range replicas {
		name := fmt.Sprintf("%s-%d", m.masters.Name, i)
		host := name + "." + m.headless.Name
		urls = append(urls, apiOf(host))
		founders = append(founders, founder(name, host))
	}
	for i := range replicas {
		name := fmt.Sprintf("%s-%d", m.masters.Name, i)
		c := &m.masters.Spec.Template.Spec.Containers[0]
		flags := flagsOf(arguments(c, environment(c, name, "")))
		var file podConfig
		if err := yaml.UnmarshalStrict([]byte(m.config.Data[filepath.Base(flags["config"])]), &file); err != nil {
			complain("%s: %w", flags["config"], err)
		}
		if file.Master.ID != name || !slices.Equal(file.Master.Masters, founders) || len(file.Master.Join) > 0 {
			complain("%s has id %q and founders %q; the pods are %q", flags["config"], file.Master.ID, file.Master.Masters, founders)
		}
		if flags["raft-advertise"] != fmt.Sprintf("%s.%s:%d", name, m.headless.Name, raftPort) || flags["api-advertise"] != urls[i] {
			complain("%s advertises %s and %s; its name is %s.%s", name, flags["raft-advertise"], flags["api-advertise"], name, m.headless.Name)
		}
	}
	all := strings.Join(urls, ",")
	if got := environment(&m.masters.Spec.Template.Spec.Containers[0], "", "")["MUSTER_ADDRESS"]; got != all {
		complain("MUSTER_ADDRESS is %q; the masters are %q", got, all)
	}
	if got := flagsOf(m.slaves.Spec.Template.Spec.Containers[0].Args)["masters"]; got != all {
		complain("the slaves' --masters is %q; the masters are %q", got, all)
	}
	return errors.Join(wrong...)
}

func (m *manifests) judgeSlaves() error {
	var wrong []error
	pod := &m.slaves.Spec.Template.Spec
	c := &pod.Containers[0]
	flags := flagsOf(arguments(c, environment(c, "pod", "10.0.0.1")))
	drain, err := time.ParseDuration(flags["drain-timeout"])
	if grace := pod.TerminationGracePeriodSeconds; err != nil || grace == nil || time.Duration(*grace)*time.Second < drain+slaveEnd {
		wrong = append(wrong, fmt.Errorf("slaves: terminationGracePeriodSeconds is less than --drain-timeout %s and %s", flags["drain-timeout"], slaveEnd))
	}
	if flags["name"] != "pod" || flags["advertise"] != fmt.Sprintf("http://10.0.0.1:%d", slavePort) {
		wrong = append(wrong, fmt.Errorf("slaves: name %q or address %q is not that of the pod", flags["name"], flags["advertise"]))
	}
	return errors.Join(wrong...)
}

// judgePod is what holds for masters and slaves.
func judgePod(what string, template *corev1.PodTemplateSpec) error {
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(what+": "+format, args...)) }
	pod := &template.Spec
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		complain("enableServiceLinks must be false: a service named muster-… would set MUSTER_… variables, which are settings")
	}
	if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		complain("the pod's security context does not forbid root, or leaves system calls open")
	}
	if len(pod.Containers) != 1 {
		complain("%d containers", len(pod.Containers))
	}
	c := &pod.Containers[0]
	if s := c.SecurityContext; s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
		s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
		complain("the container has more rights than it needs")
	}
	if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
		complain("cpu or memory has no request, or memory no limit")
	}
	if len(c.Command) > 0 {
		complain("command replaces the image's entry point; the arguments are enough")
	}
	env := environment(c, "pod", "10.0.0.1")
	for name := range env {
		if strings.HasPrefix(name, "MUSTER_") && name != "MUSTER_ADDRESS" {
			complain("%s is a setting; it belongs into the arguments, which are checked", name)
		}
	}
	for _, arg := range arguments(c, env) {
		if strings.Contains(arg, "$(") {
			complain("%s has a variable that is not set", arg)
		}
	}
	flags := flagsOf(c.Args)
	for name, flag := range map[string]string{"raft": "raft-listen", "api": "api-listen", "slave": "listen"} {
		for _, port := range c.Ports {
			if port.Name == name && flags[flag] != fmt.Sprintf(":%d", port.ContainerPort) {
				complain("port %s is %d, and --%s is %s", name, port.ContainerPort, flag, flags[flag])
			}
		}
	}
	document := "api/openapi.yaml"
	if what == "slaves" {
		document = "api/slave.yaml"
	}
	wrong = append(wrong, judgeProbes(what, c, document))
	return errors.Join(wrong...)
}

// judgeProbes: what a probe asks is in the API's specification.
func judgeProbes(what string, c *corev1.Container, document string) error {
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		return err
	}
	var api struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := yaml.Unmarshal(text, &api); err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	var wrong []error
	for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		switch {
		case p == nil:
		case p.HTTPGet == nil || api.Paths[p.HTTPGet.Path]["get"] == nil:
			wrong = append(wrong, fmt.Errorf("%s: a probe asks for something that is not in %s", what, document))
		case !hasPort(c, p.HTTPGet.Port):
			wrong = append(wrong, fmt.Errorf("%s: a probe asks port %s, which there is not", what, p.HTTPGet.Port.String()))
		}
	}
	return errors.Join(wrong...)
}

func hasPort(c *corev1.Container, wanted intstr.IntOrString) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return wanted.Type == intstr.String && p.Name == wanted.StrVal || wanted.Type == intstr.Int && p.ContainerPort == wanted.IntVal
	})
}
