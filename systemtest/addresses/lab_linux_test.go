package addresses_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// binary is the muster that the tests run, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "muster-addresses-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "muster")
	build := exec.Command("go", "build", "-o", binary, "muster/cmd/muster")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build muster: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// lab is some hosts on one switch.
type lab struct {
	t      *testing.T
	dir    string
	prefix string // of its namespaces' names
	hosts  map[string]*host
}

var labs atomic.Int64

// newLab makes a switch. It skips the test where there can be none, or where a command
// is missing; in CI that fails.
func newLab(t *testing.T, commands ...string) *lab {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") == "true" {
		skip = t.Fatalf
	}
	if os.Getuid() != 0 {
		skip("only root makes network namespaces")
	}
	for _, command := range append(commands, "ip", "unshare") {
		if _, err := exec.LookPath(command); err != nil {
			skip("%s is missing: on Debian, apt-get install iproute2 util-linux nftables nginx-light", command)
		}
	}
	l := &lab{t: t, dir: t.TempDir(), prefix: fmt.Sprintf("muster-%d-%d", os.Getpid(), labs.Add(1)), hosts: map[string]*host{}}
	l.namespace("switch")
	l.ip("-n", l.prefix+"-switch", "link", "add", "switch", "type", "bridge")
	l.ip("-n", l.prefix+"-switch", "link", "set", "switch", "up")
	return l
}

// namespace makes a network namespace that ends with the test.
func (l *lab) namespace(name string) string {
	l.t.Helper()
	ns := l.prefix + "-" + name
	l.ip("netns", "add", ns)
	l.t.Cleanup(func() { l.ip("netns", "del", ns) })
	l.ip("-n", ns, "link", "set", "lo", "up")
	return ns
}

func (l *lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// host is a machine.
type host struct {
	lab  *lab
	name string
	ns   string
	// names is its /etc/hosts; processes see changes.
	names string
}

// host makes a machine with addresses like 10.8.0.1/24.
func (l *lab) host(name string, addresses ...string) *host {
	l.t.Helper()
	h := &host{lab: l, name: name, ns: l.namespace(name), names: filepath.Join(l.dir, name+".hosts")}
	port := fmt.Sprintf("port%d", len(l.hosts))
	l.ip("-n", l.prefix+"-switch", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", h.ns)
	l.ip("-n", l.prefix+"-switch", "link", "set", port, "master", "switch", "up")
	l.ip("-n", h.ns, "link", "set", "eth0", "up")
	h.readdress(addresses...)
	h.resolve("")
	l.hosts[name] = h
	return h
}

// readdress gives a machine other addresses than it has.
func (h *host) readdress(addresses ...string) {
	h.lab.t.Helper()
	h.lab.ip("-n", h.ns, "addr", "flush", "dev", "eth0", "scope", "global")
	for _, a := range addresses {
		args := []string{"-n", h.ns, "addr", "add", a, "dev", "eth0"}
		if strings.Contains(a, ":") {
			args = append(args, "nodad") // the address serves at once
		}
		h.lab.ip(args...)
	}
}

// resolve says what names mean on this machine, as a hosts file does.
func (h *host) resolve(names string) {
	h.lab.t.Helper()
	// In place: the file is mounted where processes look for it.
	if err := os.WriteFile(h.names, []byte("127.0.0.1 localhost\n::1 localhost\n"+names), 0o600); err != nil {
		h.lab.t.Fatal(err)
	}
}

// command is one that runs on the machine.
func (h *host) command(ctx context.Context, command ...string) *exec.Cmd {
	const enter = `names=$1 ns=$2; shift 2; mount --bind "$names" /etc/hosts && exec ip netns exec "$ns" "$@"`
	args := append([]string{"--mount", "sh", "-c", enter, "sh", h.names, h.ns}, command...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.lab.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// process runs until it is told to end.
type process struct {
	h     *host
	cmd   *exec.Cmd
	ended chan struct{} // closed when it is over
	log   string
}

// start starts a command on the machine. It ends with the test, if not before.
func (h *host) start(command ...string) *process {
	h.lab.t.Helper()
	p := &process{h: h, cmd: h.command(context.Background(), command...), ended: make(chan struct{}), log: filepath.Join(h.lab.dir, h.name+".log")}
	log, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		h.lab.t.Fatal(err)
	}
	defer log.Close() // the process has its own
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		h.lab.t.Fatalf("start %s on %s: %v", command[0], h.name, err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is in its log
	}()
	h.lab.t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		if text, err := os.ReadFile(p.log); err == nil && h.lab.t.Failed() {
			h.lab.t.Logf("%s:\n%s", h.name, tail(string(text), 25))
		}
	})
	return p
}

// signal ends the process and waits for that.
func (p *process) signal(s syscall.Signal) {
	p.h.lab.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.h.lab.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(timelimit.Usual(p.h.lab.t)):
		p.h.lab.t.Fatalf("the process on %s did not end", p.h.name)
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// run runs a command to its end and returns what it wrote and its exit code.
func (h *host) run(command ...string) (stdout, stderr string, code int) {
	h.lab.t.Helper()
	// Longer than a command of ours gives a request.
	ctx, cancel := context.WithTimeout(context.Background(), 2*timelimit.Usual(h.lab.t))
	defer cancel()
	cmd := h.command(ctx, command...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.lab.t.Fatalf("run %s on %s: %v", command[0], h.name, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// firewall lets in what is answered, and what rules let in; nothing else.
func (h *host) firewall(rules ...string) {
	h.lab.t.Helper()
	text := "flush ruleset\ntable inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n" +
		"  iifname lo accept\n  ct state established,related accept\n  meta l4proto { icmp, ipv6-icmp } accept\n  " +
		strings.Join(rules, "\n  ") + "\n }\n}\n"
	cmd := h.command(context.Background(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.lab.t.Fatalf("firewall of %s: %v\n%s%s", h.name, err, out, text)
	}
}
