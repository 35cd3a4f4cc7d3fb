package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const clusterDomain = "default.svc.cluster.local"

// pods are those of the manifests, and who does what a cluster's parts do for them:
// names, probes, volumes, the clients' service.
type pods struct {
	*world
	manifests *manifests
	config    string            // the directory with the ConfigMap's files
	volumes   map[string]string // by the pod's name
	running   map[string]*pod   // under mu
	slaves    int               // slave pods that were made
	url       string            // of the clients' service
}

type pod struct {
	*container
	spec     *corev1.PodSpec
	ready    bool // under mu
	silences int  // liveness probes in a row that failed, under mu
}

// start makes a pod, as a controller and the kubelet do: a new address each time.
func (p *pods) start(name string, template *corev1.PodTemplateSpec) *pod {
	p.t.Helper()
	spec := &template.Spec
	namespace, address := p.network()
	c := &spec.Containers[0]
	env := environment(c, name, address.String())
	a := asked{
		name: name, readOnly: *c.SecurityContext.ReadOnlyRootFilesystem, uid: int(*spec.SecurityContext.RunAsUser), gid: int(*spec.SecurityContext.RunAsGroup),
		args:   arguments(c, env),
		resolv: "search " + clusterDomain + " svc.cluster.local cluster.local\nnameserver " + p.gateway.Addr().String() + "\noptions ndots:5\n",
	}
	for key, value := range env {
		a.env = append(a.env, key+"="+value)
	}
	for _, v := range c.VolumeMounts {
		from := p.config
		if !v.ReadOnly {
			from = p.claim(name, int(*spec.SecurityContext.FSGroup))
		}
		a.binds = append(a.binds, bind{From: from, To: v.MountPath, ReadOnly: v.ReadOnly})
	}
	started := &pod{container: p.runIn(namespace, address, a), spec: spec}
	p.mu.Lock()
	p.running[name] = started
	p.mu.Unlock()
	go p.probe(started)
	return started
}

// claim is a pod's volume: root's, and writable for the group that fsGroup names.
func (p *pods) claim(name string, group int) string {
	p.t.Helper()
	if p.volumes[name] == "" {
		dir := filepath.Join(p.t.TempDir(), "claim")
		p.must(os.Mkdir(dir, 0o755))
		p.must(errors.Join(os.Chown(dir, 0, group), os.Chmod(dir, 0o775|os.ModeSetgid)))
		p.volumes[name] = dir
	}
	return p.volumes[name]
}

// probe does what the kubelet does, more often, until the pod has ended.
func (p *pods) probe(one *pod) {
	c := &one.spec.Containers[0]
	started := false
	for {
		select {
		case <-one.ended:
			p.mu.Lock()
			one.ready = false
			p.mu.Unlock()
			return
		case <-time.After(50 * time.Millisecond):
		}
		alive, ready := one.answers(c.LivenessProbe), one.answers(c.ReadinessProbe)
		started = started || alive
		p.mu.Lock()
		one.ready = ready
		if one.silences++; alive || !started {
			one.silences = 0
		}
		p.mu.Unlock()
	}
}

// answers asks what a probe asks, once.
func (p *pod) answers(probe *corev1.Probe) bool {
	ports := p.spec.Containers[0].Ports
	i := slices.IndexFunc(ports, func(port corev1.ContainerPort) bool { return port.Name == probe.HTTPGet.Port.StrVal })
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(probe.TimeoutSeconds)*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.at(int(ports[i].ContainerPort))+probe.HTTPGet.Path, nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode < http.StatusBadRequest
}

// lookup is what the cluster's name server answers: names of the masters' pods.
func (p *pods) lookup(name string) []netip.Addr {
	host, ok := strings.CutSuffix(name, "."+p.manifests.headless.Name+"."+clusterDomain)
	if one := p.running[host]; ok && one != nil && (one.ready || p.manifests.headless.Spec.PublishNotReadyAddresses) {
		return []netip.Addr{one.address}
	}
	return nil
}

// anyReady is where the clients' service leads.
func (p *pods) anyReady() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.running { // in no order
		if one.ready && strings.HasPrefix(one.name, p.manifests.masters.Name) {
			return one.at(apiPort)
		}
	}
	return ""
}

func (p *pods) get(name string) *pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[name]
}

// becomeReady waits until pods are ready.
func (p *pods) becomeReady(names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.eventually(name+" is ready", func() error {
			one := p.get(name)
			p.mu.Lock()
			defer p.mu.Unlock()
			if !one.ready {
				return errors.New("it is not")
			}
			return nil
		})
	}
}

// master starts the pod of this ordinal, as the StatefulSet does.
func (p *pods) master(i int) string {
	p.t.Helper()
	return p.start(p.masterName(i), &p.manifests.masters.Spec.Template).name
}

func (p *pods) masterName(i int) string { return fmt.Sprintf("%s-%d", p.manifests.masters.Name, i) }

// slave starts one more slave, as the Deployment does: under a new name.
func (p *pods) slavePod() string {
	p.t.Helper()
	p.slaves++
	return p.start(fmt.Sprintf("%s-5d8c7b9f6d-x%04d", p.manifests.slaves.Name, p.slaves), &p.manifests.slaves.Spec.Template).name
}

// delete is kubectl delete pod.
func (p *pods) delete(name string) time.Duration {
	p.t.Helper()
	one := p.get(name)
	return one.stop(syscall.SIGTERM, time.Duration(*one.spec.TerminationGracePeriodSeconds)*time.Second)
}

// write stores the ConfigMap's files.
func (p *pods) write() {
	p.t.Helper()
	for name, text := range p.manifests.config.Data {
		p.must(os.WriteFile(filepath.Join(p.config, name), []byte(text), 0o644))
	}
}

func (p *pods) masters() map[string]*container {
	p.mu.Lock()
	defer p.mu.Unlock()
	some := map[string]*container{}
	for name, one := range p.running {
		if strings.HasPrefix(name, p.manifests.masters.Name) {
			some[name] = one.container
		}
	}
	return some
}

// voters are the masters that vote, as the leader says.
func (p *pods) voters() []string {
	p.t.Helper()
	a, err := p.call(http.MethodGet, p.leader(p.masters()).url()+"/v1/masters", "")
	p.must(err)
	var all []string
	for _, m := range a.Masters {
		if m.Voter {
			all = append(all, m.ID)
		}
	}
	slices.Sort(all)
	return all
}

// newPods starts all that the manifests want.
func newPods(t *testing.T, network string) (p *pods, masters, slaves []string) {
	t.Helper()
	files, err := readManifests()
	if err != nil {
		t.Fatal(err)
	}
	p = &pods{volumes: map[string]string{}, running: map[string]*pod{}}
	if p.manifests, err = decodeManifests(files); err != nil {
		t.Fatal(err)
	}
	p.world = newWorld(t, network, p.lookup)
	if network == ipv6 { // as the comment there says
		args := p.manifests.slaves.Spec.Template.Spec.Containers[0].Args
		args[slices.Index(args, "--advertise=http://$(POD_IP):9101")] = "--advertise=http://[$(POD_IP)]:9101"
	}
	p.config = t.TempDir()
	p.must(os.Chmod(p.config, 0o755))
	p.write()
	for i := range *p.manifests.masters.Spec.Replicas {
		masters = append(masters, p.master(int(i)))
	}
	for range *p.manifests.slaves.Spec.Replicas {
		slaves = append(slaves, p.slavePod())
	}
	service := netip.AddrPortFrom(p.service, apiPort).String()
	p.forward(service, p.anyReady)
	p.url = "http://" + service
	begun := time.Now()
	p.becomeReady(append(slices.Clone(masters), slaves...)...)
	t.Logf("all are ready after %s", time.Since(begun).Round(time.Millisecond))
	return p, masters, slaves
}

// TestKubernetesStory runs the pods of the manifests from nothing to a failover, an
// update, a restart of all, and a slave under a new name.
func TestKubernetesStory(t *testing.T) {
	if !inside(t) {
		return
	}
	p, masters, slaves := newPods(t, ipv4)
	for _, name := range append(slices.Clone(masters), slaves...) {
		p.get(name).hasNoRights()
	}
	for range 3 {
		p.compute(p.url, "6*7", "42")
	}
	if out, err := p.get(masters[0]).exec("/usr/bin/muster", "status"); err != nil {
		t.Errorf("muster status in a pod: %v", err)
	} else {
		t.Logf("muster status in %s:\n%s", masters[0], out)
	}

	leader := p.leader(p.masters())
	t.Logf("%s, which leads, is deleted by force", leader.name)
	leader.kill()
	begun := time.Now()
	p.compute(p.url, "7*8", "56")
	t.Logf("%s later the next task was done", time.Since(begun).Round(time.Millisecond))
	again := p.start(leader.name, &p.manifests.masters.Spec.Template)
	p.becomeReady(leader.name)
	if again.address == leader.address {
		t.Error("a new pod has the old one's address")
	}
	if got := p.done(again.url()); got != 4 {
		t.Errorf("%s came back with %d of 4 tasks done", leader.name, got)
	}

	// kubectl rollout restart: from the last to the first, each when the one before is ready.
	begun = time.Now()
	for i, name := range slices.Backward(masters) {
		p.delete(name)
		p.master(i)
		p.becomeReady(name)
		p.compute(p.url, "1+1", "2")
	}
	t.Logf("all masters were updated in %s", time.Since(begun).Round(time.Millisecond))

	// Without a majority the last one is not ready, and alive.
	p.get(masters[0]).kill()
	p.get(masters[1]).kill()
	p.eventually("the last master is not ready", func() error {
		if p.anyReady() != "" {
			return errors.New("it is")
		}
		return nil
	})
	p.get(masters[2]).kill()
	// All come back at once, each under a new address.
	for i := range masters {
		p.master(i)
	}
	p.becomeReady(masters...)
	p.compute(p.url, "3*3", "9")
	if got := p.done(p.url); got != 8 {
		t.Errorf("%d of 8 tasks are done", got)
	}

	busy := p.submit(p.url, "sleep(2) * 3").Task
	p.works(p.get(busy.Slave).container)
	t.Logf("%s, with a task of 2 s, was deleted in %s", busy.Slave, p.delete(busy.Slave).Round(time.Millisecond))
	p.result(p.url, busy.ID, "6")
	p.becomeReady(p.slavePod())
	if got := p.slave(p.url, busy.Slave); got != "left" {
		t.Errorf("%s is %q after its end", busy.Slave, got)
	}
	p.removeOldSlaves()
	if got := p.slave(p.url, busy.Slave); got != "" {
		t.Errorf("%s is %q after it was removed", busy.Slave, got)
	}
	p.nobodyWouldBeKilled()
}

// removeOldSlaves types what docs/deploy/kubernetes.md has for that.
func (p *pods) removeOldSlaves() {
	p.t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/deploy/kubernetes.md"))
	p.must(err)
	command := regexp.MustCompile(`(?m)^muster slaves list .*$`).FindString(string(page))
	cmd := exec.CommandContext(p.t.Context(), "sh", "-c", command)
	cmd.Env = []string{"PATH=" + filepath.Join(p.image.root, "usr/bin") + ":/usr/bin:/bin", "MUSTER_ADDRESS=" + p.url}
	if out, err := cmd.CombinedOutput(); err != nil || command == "" {
		p.t.Errorf("%s: %v: %s", command, err, out)
	}
	a, err := p.call(http.MethodGet, p.url+"/v1/slaves?consistency=linearizable", "")
	p.must(err)
	if len(a.Slaves) != int(*p.manifests.slaves.Spec.Replicas) {
		p.t.Errorf("the slaves are %s", a.text)
	}
}

// nobodyWouldBeKilled: no running pod was silent to its liveness probe so often that
// the kubelet had killed it.
func (p *pods) nobodyWouldBeKilled() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, one := range p.running {
		if one.silences >= int(one.spec.Containers[0].LivenessProbe.FailureThreshold) {
			p.t.Errorf("the kubelet would kill %s", name)
		}
	}
}

// endedSaying: a pod has failed, with these words.
func (p *pods) endedSaying(name, words string) {
	p.t.Helper()
	if one := p.get(name); one.code != 1 || !strings.Contains(one.log.String(), words) {
		p.t.Errorf("%s ended with %d, without saying %q: %s", name, one.code, words, one.log)
	}
}

// TestIPv6 is a cluster without IPv4.
func TestIPv6(t *testing.T) {
	if !inside(t) {
		return
	}
	p, _, _ := newPods(t, ipv6)
	p.compute(p.url, "6*7", "42")
	p.leader(p.masters()).kill()
	p.compute(p.url, "7*8", "56")
}

// TestLostVolumeStory does what docs/deploy/kubernetes.md says for a master whose
// volume is lost, and for two masters more.
func TestLostVolumeStory(t *testing.T) {
	if !inside(t) {
		return
	}
	p, masters, _ := newPods(t, ipv4)
	p.compute(p.url, "6*7", "42")
	lost := masters[1]
	p.get(lost).kill()
	delete(p.volumes, lost) // the claim is deleted with its volume; a new one is empty
	p.master(1)
	<-p.get(lost).ended
	p.endedSaying(lost, "so it must not come back under this id")
	if got := p.voters(); !slices.Equal(got, masters) {
		t.Errorf("the masters are %q", got)
	}
	p.eventually(lost+" is removed", func() error { // refused while another change is under way
		_, err := p.get(masters[0]).exec("/usr/bin/muster", "masters", "remove", lost)
		return err
	})

	// The same id is refused also after that.
	join := "master:\n  id: %s\n  join: [http://muster-masters-0.muster-masters:8101, http://muster-masters-2.muster-masters:8101]\n"
	p.manifests.config.Data[lost+".yaml"] = fmt.Sprintf(join, lost)
	p.write()
	p.master(1)
	<-p.get(lost).ended
	p.endedSaying(lost, "so it must not come back under this id")

	p.manifests.config.Data[lost+".yaml"] = fmt.Sprintf(join, lost+"-b")
	p.write()
	p.master(1)
	<-p.get(lost).ended // its volume has the old id by now
	p.endedSaying(lost, "give each master a directory of its own")

	delete(p.volumes, lost) // so the claim is deleted once more, after all that
	p.master(1)
	p.becomeReady(lost)
	want := []string{masters[0], lost + "-b", masters[2]}
	p.eventually(lost+"-b votes", func() error {
		if got := p.voters(); !slices.Equal(got, want) {
			return fmt.Errorf("the voters are %q", got)
		}
		return nil
	})

	for i := 3; i < 5; i++ {
		p.manifests.config.Data[p.masterName(i)+".yaml"] = fmt.Sprintf(join, p.masterName(i))
		p.write()
		want = append(want, p.master(i))
	}
	p.becomeReady(want[3:]...)
	p.eventually("five vote", func() error {
		if got := p.voters(); !slices.Equal(got, want) {
			return fmt.Errorf("the voters are %q", got)
		}
		return nil
	})
	// Five survive two.
	p.get(masters[0]).kill()
	p.get(masters[2]).kill()
	p.compute(p.url, "2*2", "4")
	// A restart needs neither "join" nor "masters".
	p.delete(lost)
	p.master(1)
	p.becomeReady(lost)

	// And back to three.
	p.becomeReady(p.master(0), p.master(2))
	for _, name := range []string{p.masterName(4), p.masterName(3)} {
		p.eventually(name+" is removed", func() error {
			_, err := p.get(masters[0]).exec("/usr/bin/muster", "masters", "remove", name)
			return err
		})
	}
	for _, name := range []string{p.masterName(4), p.masterName(3)} {
		p.delete(name)
	}
	if got := p.voters(); !slices.Equal(got, want[:3]) {
		t.Errorf("the voters are %q", got)
	}
	p.compute(p.url, "5*5", "25")
	p.nobodyWouldBeKilled()
}
