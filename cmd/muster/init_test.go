package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// testMachine is node-1 at 10.0.0.1, on which everything works, but for what a
// test changes. It knows the names node-1, node-2 and node-3.
func testMachine(change func(*machine)) machine {
	m := machine{
		host: "node-1", addresses: addresses("eth0 10.0.0.1"), cores: 4, memory: 16 << 30, root: true, dir: "/home/me",
		sourceTo: routes("10.0.0.1"),
		resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			n, ok := strings.CutPrefix(host, "node-")
			ip, err := netip.ParseAddr("10.0.0." + n)
			if !ok || err != nil {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{ip}, nil
		},
		listen:   func(context.Context, string) error { return nil },
		asked:    func(context.Context, string) error { return nil },
		isDir:    func(path string) (bool, error) { return path == "/", notThereUnless(path == "/") },
		writable: func(string) error { return nil },
		read:     func(string) ([]byte, error) { return nil, fs.ErrNotExist },
	}
	if change != nil {
		change(&m)
	}
	return m
}

func notThereUnless(there bool) error {
	if there {
		return nil
	}
	return fs.ErrNotExist
}

// addresses reads "CARD IP" each.
func addresses(list ...string) []ownAddress {
	var all []ownAddress
	for _, one := range list {
		card, ip, _ := strings.Cut(one, " ")
		all = append(all, ownAddress{card, netip.MustParseAddr(ip)})
	}
	return all
}

// routes is a machine whose packets leave from the first of these addresses that
// is of the family of where they go; "HOST>IP" is a route to that host.
func routes(list ...string) func(context.Context, string) netip.Addr {
	return func(_ context.Context, host string) netip.Addr {
		six := strings.Contains(host, ":")
		for _, one := range list {
			to, from, special := strings.Cut(one, ">")
			if special && to == host {
				return netip.MustParseAddr(from)
			}
			if ip, err := netip.ParseAddr(one); err == nil && ip.Is6() == six {
				return ip
			}
		}
		return netip.Addr{}
	}
}

// musterOn runs the command line on a machine.
func musterOn(t *testing.T, m machine, env []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, env: env, look: func() machine { return m }}
	code := p.run(t.Context(), args)
	return outcome{code, stdout.String(), stderr.String()}
}

// TestInitChoosesTheAddressOthersReach looks at machines of many kinds. Each file
// is one that config validate has nothing against.
func TestInitChoosesTheAddressOthersReach(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*machine)
		args   string
		want   []string // lines of the file
		tells  string   // on stderr
	}{
		{"one card", nil, "", []string{"raft-listen: 0.0.0.0:7101", "raft-advertise: 10.0.0.1:7101", "api-listen: 0.0.0.0:8101", "api-advertise: http://10.0.0.1:8101"}, ""},
		{"several cards", func(m *machine) {
			m.addresses = addresses("eth0 10.0.0.1", "eth1 192.168.7.1")
			m.sourceTo = routes("192.168.7.1")
		}, "", []string{"raft-advertise: 192.168.7.1:7101", "# Other addresses of this machine: 10.0.0.1 (eth0)."}, ""},
		{"a way of its own to the other masters", func(m *machine) {
			m.addresses = addresses("eth0 10.0.0.1", "eth1 192.168.7.1")
			m.sourceTo = routes("192.168.7.2>192.168.7.1", "10.0.0.1")
		}, "--join 192.168.7.2", []string{"raft-advertise: 192.168.7.1:7101", "# 192.168.7.1: this machine talks to 192.168.7.2 from it."}, ""},
		{"a master on the machine itself says nothing", func(m *machine) {
			m.sourceTo = routes("127.0.0.1>127.0.0.1", "10.0.0.1")
		}, "--join 127.0.0.1", []string{"raft-advertise: 10.0.0.1:7101"}, ""},
		{"a bridge for containers, and no default route", func(m *machine) {
			m.addresses = addresses("docker0 172.17.0.1", "br-5f 172.18.0.1", "ens3 10.0.0.1")
			m.sourceTo = routes()
		}, "", []string{"raft-advertise: 10.0.0.1:7101", "# Other addresses of this machine: 172.17.0.1 (docker0), 172.18.0.1 (br-5f)."}, ""},
		{"nothing but a bridge", func(m *machine) {
			m.addresses, m.sourceTo = addresses("docker0 172.17.0.1"), routes()
		}, "", []string{"raft-advertise: 172.17.0.1:7101"}, ""},
		{"IPv6 alone", func(m *machine) {
			m.addresses, m.sourceTo = addresses("eth0 fd00::1"), routes("fd00::1")
		}, "", []string{"raft-listen: '[::]:7101'", "raft-advertise: '[fd00::1]:7101'", "api-advertise: http://[fd00::1]:8101", "# See that it stays: a temporary IPv6 address (RFC 8981) changes every day."}, ""},
		{"both, IPv4 first", func(m *machine) {
			m.addresses, m.sourceTo = addresses("eth0 fd00::1", "eth0 10.0.0.1"), routes("fd00::1", "10.0.0.1")
		}, "", []string{"raft-listen: 0.0.0.0:7101", "raft-advertise: 10.0.0.1:7101"}, ""},
		{"both, and the other masters have IPv6", func(m *machine) {
			m.addresses, m.sourceTo = addresses("eth0 10.0.0.1", "eth0 fd00::1"), routes("10.0.0.1", "fd00::1")
		}, "--join [fd00::2]", []string{"raft-listen: '[::]:7101'", "raft-advertise: '[fd00::1]:7101'", "- http://[fd00::2]:8101"}, ""},
		{"both, without a route", func(m *machine) {
			m.addresses, m.sourceTo = addresses("eth0 fd00::1", "eth0 10.0.0.1"), routes()
		}, "", []string{"raft-advertise: 10.0.0.1:7101"}, ""},
		{"no network", func(m *machine) { m.addresses, m.sourceTo = nil, routes() }, "", []string{"raft-advertise: 127.0.0.1:7101", "# This machine has no address but 127.0.0.1, which others can't dial: change it when it has one."}, "no address but 127.0.0.1"},
		{"link-local is nobody's", func(m *machine) { m.sourceTo = routes("169.254.1.1") }, "", []string{"raft-advertise: 10.0.0.1:7101"}, ""},
		{"said by hand", nil, "--advertise node-1", []string{"raft-listen: 0.0.0.0:7101", "raft-advertise: node-1:7101"}, ""},
		{"for this machine alone", nil, "--advertise 127.0.0.1", []string{"raft-listen: 127.0.0.1:7101", "# It is each machine itself: only what runs on this machine reaches it."}, ""},
		{"for this machine alone, by name", nil, "--advertise localhost", []string{"raft-listen: 127.0.0.1:7101", "raft-advertise: localhost:7101"}, ""},
		{"said by hand, IPv6", func(m *machine) { m.addresses = addresses("eth0 fd00::1") }, "--advertise [fd00::1]", []string{"raft-listen: '[::]:7101'", "raft-advertise: '[fd00::1]:7101'"}, ""},
		{"a name, on a machine with IPv6 alone", func(m *machine) {
			m.addresses, m.sourceTo = addresses("eth0 fd00::1"), routes("fd00::1")
			m.resolve = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("fd00::1")}, nil
			}
		}, "--advertise node-1", []string{"raft-listen: '[::]:7101'"}, ""},
		{"a port that is taken", func(m *machine) {
			m.listen = func(_ context.Context, address string) error {
				if address == "0.0.0.0:7101" {
					return errors.New("address already in use")
				}
				return nil
			}
		}, "", nil, "raft-listen: nobody else can have 0.0.0.0:7101 when the master starts, and now: address already in use"},
		{"little memory", func(m *machine) { m.memory = 1 << 30 }, "", []string{"retention-bytes: 268435456", "# This machine has 1.0 GiB of memory."}, ""},
		{"memory that is not known", func(m *machine) { m.memory = 0 }, "", []string{"#retention-bytes: 1073741824"}, ""},
		{"not root, and no package", func(m *machine) { m.root = false }, "", []string{"data: /home/me/data"}, ""},
		{"not root, with the package", func(m *machine) {
			m.root = false
			m.isDir = func(path string) (bool, error) { return true, notThereUnless(path == "/var/lib/muster") }
		}, "", []string{"data: /var/lib/muster/master"}, ""},
		{"a directory of one's own", nil, "--data /srv/m", []string{"data: /srv/m"}, ""},
	} {
		m := testMachine(c.change)
		file := filepath.Join(t.TempDir(), "master.yaml")
		args := append([]string{"init", "master", "--output", file}, strings.Fields(c.args)...)
		o := musterOn(t, m, nil, args...)
		if o.code != exitOK || c.tells != "" && !strings.Contains(o.stderr, c.tells) {
			t.Errorf("%s: %+v; want it to tell %q", c.what, o, c.tells)
			continue
		}
		hasLines(t, c.what, file, c.want)
		if o := musterOn(t, m, nil, "config", "validate", file); o.code != exitOK {
			t.Errorf("%s: the file is not right: %+v", c.what, o)
		}
	}
}

// hasLines wants lines of a file, whatever stands before them.
func hasLines(t *testing.T, what, file string, want []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range want {
		if !strings.Contains(string(text), " "+line+"\n") {
			t.Errorf("%s: there is no line %q in\n%s", what, line, text)
		}
	}
}

func TestInitCleansNames(t *testing.T) {
	for host, want := range map[string]string{
		"node-1": "node-1", "Node_1": "node-1", "WEB.Example.COM": "web", "": "m1", "localhost": "m1", "localhost.localdomain": "m1",
		"10.0.0.1": "m1", "---": "m1", "büro": "b-ro", "_x__y_": "x-y", "a b": "a-b", strings.Repeat("x", 300): strings.Repeat("x", 63),
	} {
		if got := nodeName(host, "m1"); got != want {
			t.Errorf("the name for %q is %q, want %q", host, got, want)
		}
		m := testMachine(func(m *machine) { m.host = host })
		file := filepath.Join(t.TempDir(), "slave.yaml")
		if o := musterOn(t, m, nil, "init", "slave", "-o", file); o.code != exitOK {
			t.Errorf("%q: %+v", host, o)
		}
		if o := musterOn(t, m, nil, "config", "validate", file); o.code != exitOK {
			t.Errorf("%q: the file is not right: %+v", host, o)
		}
	}
}

func TestInitSlave(t *testing.T) {
	m := testMachine(nil)
	file := filepath.Join(t.TempDir(), "slave.yaml")
	o := musterOn(t, m, nil, "init", "slave", "--masters", "10.0.0.1,node-2", "--output", file)
	if o.code != exitOK || o.stderr != "" {
		t.Fatalf("%+v", o)
	}
	hasLines(t, "slave", file, []string{"name: node-1", "listen: 0.0.0.0:9101", "advertise: http://10.0.0.1:9101", "slots: 4", "- http://10.0.0.1:8101", "- http://node-2:8101"})
	m.asked = func(context.Context, string) error { return errors.New("nobody there") }
	if o := musterOn(t, m, nil, "init", "slave", "--masters", "10.0.0.1,10.0.0.2", "--name", "s"); o.code != exitOK || !strings.Contains(o.stderr, "none of them answers now") || !strings.Contains(o.stdout, "\n  name: s\n") {
		t.Errorf("masters that are silent: %+v", o)
	}
}

// TestInitWritesEverySetting takes the flags from the commands, so that a new one
// is held against the file, too.
func TestInitWritesEverySetting(t *testing.T) {
	for _, role := range configRoles {
		o := musterOn(t, testMachine(nil), nil, "init", role)
		again := musterOn(t, testMachine(nil), nil, "init", role)
		if o.code != exitOK || o != again {
			t.Fatalf("%s: %+v, and then %+v", role, o, again)
		}
		cmd, _, err := fresh(role)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			count++
			if !strings.Contains(o.stdout, "\n  "+f.Name+": ") && !strings.Contains(o.stdout, "\n  #"+f.Name+": ") && !strings.Contains(o.stdout, "\n  #"+f.Name+":\n") {
				t.Errorf("init %s does not write %s", role, f.Name)
			}
			begin, _, _ := strings.Cut(f.Usage, ",")
			if !strings.Contains(o.stdout, "  # "+begin) {
				t.Errorf("init %s does not say what %s means", role, f.Name)
			}
		})
		if count < 7 {
			t.Errorf("muster %s has only %d flags?", role, count)
		}
	}
}

func TestInitRefusesToReplaceAFile(t *testing.T) {
	m, dir := testMachine(nil), t.TempDir()
	file := filepath.Join(dir, "master.yaml")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := musterOn(t, m, nil, "init", "master", "--output", file)
	if text, err := os.ReadFile(file); o.code != exitUsage || !strings.Contains(o.stderr, "--force replaces it") || string(text) != "mine" {
		t.Errorf("%+v, %q, %v", o, text, err)
	}
	if o = musterOn(t, m, nil, "init", "master", "--output", file, "--force"); o.code != exitOK || !strings.HasPrefix(o.stdout, "Wrote "+file) {
		t.Errorf("%+v", o)
	}
	fresh := filepath.Join(dir, "fresh.yaml")
	if o = musterOn(t, m, nil, "init", "master", "--output", fresh); o.code != exitOK {
		t.Errorf("%+v", o)
	}
	for name, mode := range map[string]os.FileMode{file: 0o600, fresh: 0o644} {
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want the mode %v", name, info.Mode(), err, mode)
		}
	}
	hasLines(t, "--force", file, []string{"id: node-1"})
	o = musterOn(t, m, nil, "init", "master", "--output", filepath.Join(dir, "none", "m.yaml"))
	if o.code != exitUsage || !strings.Contains(o.stderr, "there is no directory "+filepath.Join(dir, "none")) {
		t.Errorf("%+v", o)
	}
	// The global -o is a format, and so is its variable.
	if o = musterOn(t, m, nil, "init", "master", "-o", "json"); o.code != exitUsage || !strings.Contains(o.stderr, "write ./json") {
		t.Errorf("%+v", o)
	}
	t.Chdir(dir)
	if o = musterOn(t, m, []string{"MUSTER_OUTPUT=jsonl"}, "init", "master"); o.code != exitOK || !strings.HasPrefix(o.stdout, "# A master of muster.") {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat("jsonl"); err == nil {
		t.Error("a variable for the format became a file")
	}
}
