package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// How a process knows that it is not the test as it was started.
const (
	insideVariable    = "CHECK_INSIDE"    // "yes": in namespaces of its own
	containerVariable = "CHECK_CONTAINER" // a containerSpec: about to become muster
	imageVariable     = "CHECK_IMAGE"     // where the image's files are, inside
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(containerVariable); spec != "" {
		fmt.Fprintln(os.Stderr, "start container:", become(spec)) // it returns only if it can't
		os.Exit(125)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv(insideVariable) == "" {
		var err error
		if imageDir, err = os.MkdirTemp("", "muster-image"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(imageDir)
	}
	return m.Run()
}

// inside reports whether the test runs in network, mounts and process ids of its
// own. If not, it runs the test again there and reports its outcome: with its end,
// all that it started is gone.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) == "yes" {
		return true
	}
	if why := cannotIsolate(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI=true: the command lines of the containers must be run, but " + why)
		}
		t.Skip("SKIPPED: the command lines of the containers were not run: " + why)
	}
	img := builtImage(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), insideVariable+"=yes", imageVariable+"="+img.root)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	out, err := cmd.CombinedOutput()
	t.Log("\n" + strings.TrimSpace(string(out)))
	if err != nil {
		t.Error(err)
	}
	return false
}

func cannotIsolate() string {
	if os.Geteuid() != 0 {
		return "only root can make namespaces; run it as root"
	}
	for _, command := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(command); err != nil {
			return command + " is not installed (Debian: iproute2, util-linux)"
		}
	}
	return ""
}

// world is a machine with a bridge, on which containers have addresses and names.
type world struct {
	t       *testing.T
	image   image
	gateway netip.Prefix // this machine, on the bridge
	service netip.Addr   // where the clients' service listens

	mu    sync.Mutex
	names func(name string) []netip.Addr // of containers, under mu
	next  netip.Addr                     // the next container's address, under mu
	count int                            // of containers, under mu
}

// The networks of containers.
const (
	ipv4 = "10.89.0.1/24"
	ipv6 = "fd89::1/64"
)

func newWorld(t *testing.T, network string, names func(name string) []netip.Addr) *world {
	t.Helper()
	root := os.Getenv(imageVariable)
	w := &world{t: t, gateway: netip.MustParsePrefix(network), names: names}
	w.service = w.gateway.Addr().Next()
	w.next = w.service.Next()
	var err error
	if w.image, err = readImage(root); err != nil {
		t.Fatal(err)
	}
	w.must(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	w.must(syscall.Mount("proc", "/proc", "proc", 0, ""))
	w.must(syscall.Mount("tmpfs", "/run", "tmpfs", 0, "")) // for ip netns
	// The host itself does not know the containers' names.
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	w.must(os.WriteFile(resolv, []byte("nameserver 127.0.0.53\n"), 0o600))
	w.must(syscall.Mount(resolv, "/etc/resolv.conf", "", syscall.MS_BIND, ""))
	w.ip("link set lo up")
	// Without an address of its own a bridge takes another one with each container,
	// and those that know the old one reach nobody for a minute.
	w.ip("link add br0 address 02:00:00:00:00:01 type bridge")
	w.ip("addr add " + network + " dev br0 " + w.addressOptions())
	w.ip("addr add " + w.inNetwork(w.service) + " dev br0 " + w.addressOptions())
	w.ip("link set br0 up")
	w.serveNames(net.JoinHostPort(w.gateway.Addr().String(), "53"), func(name string) []netip.Addr {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.names(name)
	})
	w.serveNames("127.0.0.53:53", func(string) []netip.Addr { return nil })
	return w
}

func (w *world) inNetwork(a netip.Addr) string { return netip.PrefixFrom(a, w.gateway.Bits()).String() }

// addressOptions: an IPv6 address is used at once, without asking who else has it.
func (w *world) addressOptions() string {
	if w.gateway.Addr().Is6() {
		return "nodad"
	}
	return ""
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ip(args string) {
	w.t.Helper()
	if out, err := exec.CommandContext(w.t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// network makes a network for one container, and returns its address.
func (w *world) network() (namespace string, address netip.Addr) {
	w.t.Helper()
	w.mu.Lock()
	address, w.next = w.next, w.next.Next()
	w.count++
	namespace = fmt.Sprint("c", w.count)
	w.mu.Unlock()
	w.ip("netns add " + namespace)
	w.ip("link add eth0 netns " + namespace + " type veth peer name v" + namespace)
	w.ip("link set v" + namespace + " master br0 up")
	w.ip("-n " + namespace + " addr add " + w.inNetwork(address) + " dev eth0 " + w.addressOptions())
	w.ip("-n " + namespace + " link set eth0 up")
	w.ip("-n " + namespace + " link set lo up")
	return namespace, address
}

// serveNames answers questions for the addresses of names.
func (w *world) serveNames(address string, lookup func(string) []netip.Addr) {
	w.t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", address)
	w.must(err)
	w.t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, err := nameAnswer(buf[:n], lookup); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
}

func nameAnswer(question []byte, lookup func(string) []netip.Addr) ([]byte, error) {
	var msg dnsmessage.Message
	if err := msg.Unpack(question); err != nil || len(msg.Questions) != 1 {
		return nil, errors.Join(err, errors.New("not one question"))
	}
	q := msg.Questions[0]
	found := lookup(strings.TrimSuffix(q.Name.String(), "."))
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: msg.ID, Response: true, Authoritative: true}, Questions: msg.Questions}
	if len(found) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range found {
		header := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return reply.Pack()
}

// forward carries connections to address on to where target says, as an engine
// publishes a port and a cluster serves a service.
func (w *world) forward(address string, target func() string) {
	w.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	w.must(err)
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go carry(in, target())
		}
	}()
}

func carry(in net.Conn, target string) {
	defer in.Close()
	if target == "" {
		return
	}
	out, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		out.Close()
	}()
	_, _ = io.Copy(in, out)
}

// limit bounds what these tests wait for, on a machine that is several times slower
// than a quiet one with two processors.
const limit = 5 * time.Minute

// eventually asks until the answer is yes.
func (w *world) eventually(what string, ask func() error) {
	w.t.Helper()
	begun := time.Now()
	for {
		err := ask()
		if err == nil {
			return
		}
		if took := time.Since(begun); took > limit {
			w.t.Fatalf("not within %s: %s: %v", took.Round(time.Second), what, err)
		}
		w.pause()
	}
}

// pause keeps questions apart.
func (w *world) pause() {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-w.t.Context().Done():
	}
}
