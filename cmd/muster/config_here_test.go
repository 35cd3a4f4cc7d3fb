package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// TestWarnings holds right files against machines that they may not fit.
func TestWarnings(t *testing.T) {
	unknown := func(m *machine) { m.addresses, m.sourceTo = addresses("eth0 10.7.0.1"), routes("10.7.0.1") }
	const names = "master:\n  id: m1\n  data: /d\n  bootstrap: true\n  raft-advertise: %s:7101\n  api-advertise: http://10.0.0.1:8101\n"
	for _, c := range []struct {
		what   string
		change func(*machine)
		env    string
		text   string
		want   []string // beginnings
	}{
		{"another machine", unknown, "", rightMaster, []string{
			"FILE:5: warning: raft-advertise: 10.0.0.1 is no address of this machine, which others may reach at 10.7.0.1; that is right behind a NAT or a proxy",
			"FILE:7: warning: api-advertise: 10.0.0.1 is no address",
		}},
		{"another machine, for a slave", unknown, "", rightSlave, []string{"FILE:4: warning: advertise: 10.0.0.1 is no address of this machine"}},
		{"a name of this machine", nil, "", fmt.Sprintf(names, "node-1"), nil},
		{"a name of another", nil, "", fmt.Sprintf(names, "node-2"), []string{"FILE:5: warning: raft-advertise: the name node-2 stands for 10.0.0.2, which is no address of this machine"}},
		{"a name that nobody knows", nil, "", fmt.Sprintf(names, "nobody"), []string{"FILE:5: warning: raft-advertise: the name nobody does not resolve here (no such host); others must be able to look it up"}},
		{"names of others that nobody knows", nil, "", strings.ReplaceAll(rightMaster, "10.0.0.3", "nobody"), []string{"FILE:8: warning: masters: the name nobody does not resolve here"}},
		{"a name to join that nobody knows", nil, "", "master:\n  id: m1\n  data: /d\n  join: http://nobody:8101\n  raft-advertise: 10.0.0.1:7101\n  api-advertise: http://10.0.0.1:8101", []string{"FILE:4: warning: join: the name nobody"}},
		{"a slave's master that nobody knows", nil, "", strings.ReplaceAll(rightSlave, "10.0.0.2", "nobody"), []string{"FILE:6: warning: masters: the name nobody"}},
		{"loopback, and masters elsewhere", nil, "", "slave:\n  name: s\n  masters: http://10.0.0.2:8101\n", []string{"FILE: warning: listen: 127.0.0.1 is each machine itself, and 10.0.0.2 is elsewhere: it can't reach this machine so, which others may reach at 10.0.0.1"}},
		{"loopback, and a master to join elsewhere", nil, "", "master:\n  id: m2\n  data: /d\n  join: http://10.0.0.2:8101\n", []string{
			"FILE: warning: raft-listen: 127.0.0.1 is each machine itself", "FILE: warning: api-listen: 127.0.0.1 is each machine itself",
		}},
		{"loopback for all", nil, "", "slave:\n  name: s\n  masters: http://localhost:8101\n", nil},
		{"an even number", nil, "", strings.Replace(rightMaster, "    - m3=10.0.0.3:7101=http://10.0.0.3:8101\n", "", 1), []string{"FILE:8: warning: masters: has 2 masters; they survive the loss of 0, as 1 would: an odd number is better"}},
		{"no way to a cluster", nil, "", "master:\n  id: m1\n  data: /d\n", []string{"FILE: warning: it is to be decided how this master gets its cluster: it needs one of bootstrap, join and masters"}},
		{"no way to a cluster, in one", func(m *machine) {
			m.read = func(string) ([]byte, error) { return []byte(`{"version":1,"id":"m1","cluster_id":"c"}`), nil }
		}, "", "master:\n  id: m1\n  data: /d\n", nil},
		{"an id that YAML reads as a number", nil, "", strings.ReplaceAll(rightMaster, "id: m1", "id: 010\n  bootstrap: false"), []string{"FILE:2: warning: id: 010 is a number or a date in YAML, and read as 8; put quotes around it"}},
		{"a directory that is closed", func(m *machine) { m.writable = func(string) error { return errors.New("permission denied") } }, "", rightMaster, []string{
			"FILE:3: warning: data: who runs this command can't write in / (permission denied); who runs the master must be able to",
		}},
		{"a directory that can't be seen", func(m *machine) {
			m.isDir = func(string) (bool, error) { return false, fs.ErrPermission }
		}, "", rightMaster, []string{"FILE:3: warning: data: /var/lib/muster/master can't be looked at: permission denied"}},
		{"a relative directory", func(m *machine) {
			m.isDir = func(string) (bool, error) { return true, nil }
		}, "", strings.Replace(rightMaster, "/var/lib/muster/master", "data", 1), []string{"FILE:3: warning: data: data is another directory for each place that the master is started from"}},
		{"an identity that is none", func(m *machine) {
			m.read = func(string) ([]byte, error) { return []byte("{}"), nil }
		}, "", rightMaster, []string{"FILE:3: warning: data: identity.json in /var/lib/muster/master can't be read as a master's"}},
		{"a variable", nil, "MUSTER_SLOTS=7", rightSlave, []string{"FILE: warning: slots: the variable MUSTER_SLOTS is set here, and wins over the file"}},
		{"a variable of a master", nil, "MUSTER_QUEUE_LIMIT=7", rightSlave, nil},
	} {
		m := testMachine(c.change)
		mistakes, warnings := checkText(m, []string{c.env}, c.text)
		if c.what == "an id that YAML reads as a number" { // it is no founder, either
			mistakes = nil
		}
		same := slices.EqualFunc(warnings, c.want, strings.HasPrefix)
		if mistakes != nil || !same {
			t.Errorf("%s: mistakes %q, warnings\n%s\nwant\n%s", c.what, mistakes, strings.Join(warnings, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestMistakesOfTheMachineAndTheEnvironment(t *testing.T) {
	m := testMachine(func(m *machine) {
		m.read = func(string) ([]byte, error) { return []byte(`{"version":1,"id":"m9","cluster_id":"c"}`), nil }
	})
	mistakes, _ := checkText(m, nil, rightMaster)
	want := `FILE:3: data: /var/lib/muster/master belongs to master "m9", not to "m1"; give each master a directory of its own, or write id: m9`
	if len(mistakes) != 1 || mistakes[0] != want {
		t.Errorf("another's directory: %q", mistakes)
	}
	m = testMachine(func(m *machine) {
		m.isDir = func(path string) (bool, error) { return false, notThereUnless(path == "/var/lib/muster") }
	})
	mistakes, _ = checkText(m, nil, rightMaster)
	if len(mistakes) != 1 || mistakes[0] != "FILE:3: data: /var/lib/muster is there and is no directory; name another, or move it away" {
		t.Errorf("a file in the way: %q", mistakes)
	}
	mistakes, _ = checkText(testMachine(nil), []string{"MUSTER_SLOTS=many"}, rightSlave)
	if len(mistakes) != 1 || !strings.HasPrefix(mistakes[0], `FILE: slots: MUSTER_SLOTS (variable): "many": `) {
		t.Errorf("a wrong variable: %q", mistakes)
	}
	// What the file lacks, a variable may have.
	mistakes, _ = checkText(testMachine(nil), []string{"MUSTER_NAME=s"}, "slave: {slots: 2}")
	if mistakes != nil {
		t.Errorf("a name from a variable: %q", mistakes)
	}
}
