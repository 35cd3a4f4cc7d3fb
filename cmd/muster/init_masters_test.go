package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInitMasterMakesTheListOfFounders(t *testing.T) {
	three := []string{"- m1=10.0.0.1:7101=http://10.0.0.1:8101", "- m2=10.0.0.2:7101=http://10.0.0.2:8101", "- m3=10.0.0.3:7101=http://10.0.0.3:8101"}
	for _, c := range []struct {
		args   string
		change func(*machine)
		want   []string
		says   string // an error
	}{
		{args: "--masters 10.0.0.1,10.0.0.2,10.0.0.3", want: append(three, "id: m1", "raft-advertise: 10.0.0.1:7101", "api-advertise: http://10.0.0.1:8101")},
		{args: "--masters 10.0.0.2,10.0.0.1,10.0.0.3", want: []string{"id: m2", "- m2=10.0.0.1:7101=http://10.0.0.1:8101"}},
		{args: "--masters m1=10.0.0.1,m2=10.0.0.2,m3=10.0.0.3", want: append(three, "id: m1")},
		{args: "--masters x=10.0.0.2,10.0.0.1", want: []string{"id: m2", "- x=10.0.0.2:7101=http://10.0.0.2:8101"}},
		{args: "--masters node-1,node-2,node-3", want: []string{"id: m1", "raft-advertise: node-1:7101", "- m2=node-2:7101=http://node-2:8101"}},
		{args: "--masters node-2.example,node-1.example", want: []string{"id: m2", "raft-advertise: node-1.example:7101"}},
		{args: "--masters node-3,node-1", change: func(m *machine) { m.host = "other" }, want: []string{"id: m2"}},
		{args: "--masters [fd00::1],fd00::2", change: func(m *machine) { m.addresses = addresses("eth0 fd00::1") }, want: []string{"id: m1", "- m2=[fd00::2]:7101=http://[fd00::2]:8101"}},
		{args: "--masters 10.9.0.1,10.9.0.2 --id m2", want: []string{"id: m2", "raft-advertise: 10.9.0.2:7101"}},
		{args: "--masters a=10.0.0.1:7001=http://10.0.0.1:8001,b=10.0.0.2:7001=http://10.0.0.2:8001", want: []string{"id: a", "raft-listen: 0.0.0.0:7001", "api-listen: 0.0.0.0:8001"}},
		{args: "--masters a=10.0.0.1:7001=https://a.example", want: []string{"api-listen: 0.0.0.0:8101", "api-advertise: https://a.example"}},
		{args: "--masters 10.0.0.1,10.0.0.2 --advertise 10.0.0.1", want: []string{"id: m1"}},
		{args: "--join 10.0.0.2,https://m3.example,node-3:9000 --id m7", want: []string{"id: m7", "- http://10.0.0.2:8101", "- https://m3.example", "- http://node-3:9000"}},
		{args: "--bootstrap", want: []string{"bootstrap: true", "id: node-1"}},
		{args: "", want: []string{"#bootstrap: true", "#join:", "#masters:", "# - masters: a new cluster of several; write the same list into the file of each"}},

		{args: "--masters 10.9.0.1,10.9.0.2", says: "none of --masters has an address or the name of this machine (node-1, 10.0.0.1); say with --id which of m1, m2 it is"},
		{args: "--masters 10.0.0.1,node-1", says: "m1 and m2 of --masters are all this machine"},
		{args: "--masters 10.0.0.1,10.0.0.2 --id m3", says: `does not name "m3" (--id), only m1, m2`},
		{args: "--masters 10.0.0.1,10.0.0.1", says: `names "10.0.0.1:7101" twice`},
		{args: "--masters 10.0.0.1:7101,10.0.0.2:7101", says: "each master is a host (10.0.0.1), ID=HOST"},
		{args: "--masters =10.0.0.1", says: "each master is a host"},
		{args: "--masters 10.0.0.1,127.0.0.1", says: "127.0.0.1, which is each machine itself"},
		{args: "--masters 10.0.0.1,10.0.0.2 --advertise 10.0.0.9", says: "leave --advertise out"},
		{args: "--advertise http://10.0.0.1", says: "takes no port and no http://"},
		{args: "--join ftp://x", says: "only http and https"},
		{args: "--join 10.0.0.2 --bootstrap", says: "exclude each other"},
	} {
		m := testMachine(c.change)
		file := filepath.Join(t.TempDir(), "master.yaml")
		o := musterOn(t, m, nil, append([]string{"init", "master", "--output", file}, strings.Fields(c.args)...)...)
		if c.says != "" {
			if o.code != exitUsage || !strings.Contains(o.stderr, c.says) {
				t.Errorf("%s: %+v; want a refusal that says %q", c.args, o, c.says)
			}
			if _, err := os.Stat(file); err == nil {
				t.Errorf("%s: it was refused, and there is a file", c.args)
			}
			continue
		}
		if o.code != exitOK {
			t.Errorf("%s: %+v", c.args, o)
			continue
		}
		hasLines(t, c.args, file, c.want)
		if o := musterOn(t, m, nil, "config", "validate", file); o.code != exitOK || strings.Contains(o.stdout, "to be decided") != (c.args == "") {
			t.Errorf("%s: validate: %+v", c.args, o)
		}
	}
}
