package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rightMaster is a file with nothing wrong in it, on testMachine.
const rightMaster = `master:
  id: m1
  data: /var/lib/muster/master
  raft-listen: "0.0.0.0:7101"
  raft-advertise: "10.0.0.1:7101"
  api-listen: "0.0.0.0:8101"
  api-advertise: "http://10.0.0.1:8101"
  masters:
    - m1=10.0.0.1:7101=http://10.0.0.1:8101
    - m2=10.0.0.2:7101=http://10.0.0.2:8101
    - m3=10.0.0.3:7101=http://10.0.0.3:8101
`

const rightSlave = `slave:
  name: slave-1
  listen: "0.0.0.0:9101"
  advertise: "http://10.0.0.1:9101"
  slots: 4
  masters: "http://10.0.0.1:8101,http://10.0.0.2:8101"
`

// check validates a text as FILE, and returns its findings as they are printed.
func checkText(m machine, env []string, text string) (mistakes, warnings []string) {
	v := validator{path: "FILE", env: env, here: m}
	r := v.validate(context.Background(), []byte(text), "")
	for _, f := range r.Mistakes {
		mistakes = append(mistakes, f.text("FILE", ""))
	}
	for _, f := range r.Warnings {
		warnings = append(warnings, f.text("FILE", "warning: "))
	}
	return mistakes, warnings
}

// TestWhatStandsInAFileIsNotRepeated: it may be another file than was meant, with
// secrets in it.
func TestWhatStandsInAFileIsNotRepeated(t *testing.T) {
	const secret = "s3cr3t"
	for _, text := range []string{
		secret + "-token\nof another program", "- " + secret + "\n- more", "token of: " + secret + "\n  more: x", "key " + secret + " here: 1",
		"id: &" + secret + " x\nid: *" + secret, "!!int " + secret, "master: !" + secret + " {id: \"" + secret + "\", id: '" + secret + "'}", "{" + secret, "\"" + secret, "@" + secret,
	} {
		mistakes, warnings := checkText(testMachine(nil), nil, text)
		if said := strings.Join(append(mistakes, warnings...), "\n"); strings.Contains(said, secret) || said == "" {
			t.Errorf("of %q it says %s", text, said)
		}
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := muster(t, nil, "version", "--config", file); o.code != exitUsage || strings.Contains(o.stderr, secret) {
			t.Errorf("of %q a command says %s", text, o.stderr)
		}
	}
}

// TestOneFileIsOneDocument: of several only the first would count.
func TestOneFileIsOneDocument(t *testing.T) {
	for _, text := range []string{rightMaster + "---\n" + rightMaster, rightMaster + "---\n", "---\n" + rightMaster + "...\n---\nslots: 1\n"} {
		mistakes, _ := checkText(testMachine(nil), nil, text)
		if len(mistakes) != 1 || !strings.Contains(mistakes[0], "more than one document") {
			t.Errorf("%q: %q", text, mistakes)
		}
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := muster(t, nil, "version", "--config", file); o.code != exitUsage || !strings.Contains(o.stderr, "more than one document") {
			t.Errorf("%q: %+v", text, o)
		}
	}
	if mistakes, _ := checkText(testMachine(nil), nil, "---\n"+rightMaster+"...\n"); len(mistakes) > 0 {
		t.Errorf("one document: %q", mistakes)
	}
}

func TestRightFilesAreFine(t *testing.T) {
	for _, text := range []string{
		rightMaster, rightSlave,
		"id: m1\ndata: /d\nbootstrap: true\n", // at the top: for all commands
		"name: s\n",
		"address: http://10.0.0.1:8101\nlog-level: debug\n" + rightMaster,
		"log-level: &level debug\nmaster:\n  id: m1\n  data: /d\n  bootstrap: true\n  log-level: *level\n",
	} {
		if mistakes, warnings := checkText(testMachine(nil), nil, text); mistakes != nil || warnings != nil {
			t.Errorf("%q, %q in\n%s", mistakes, warnings, text)
		}
	}
}

// TestEveryMistakeIsExplained changes one thing in a right file, and wants this one
// finding.
func TestEveryMistakeIsExplained(t *testing.T) {
	replace := func(old, with string) string {
		for _, text := range []string{rightMaster, rightSlave} {
			if strings.Contains(text, old) {
				return strings.Replace(text, old, with, 1)
			}
		}
		panic(old)
	}
	for _, c := range []struct{ text, want string }{
		{"master:\n\tid: m1", "FILE:2: it can't be read as YAML: found character that cannot start any token"},
		{"master:\n  id: a\n  id: b\n", `FILE:3: it can't be read as YAML: mapping key "id" already defined at line 2`},
		{"- a list", "FILE:1: it can't be read as YAML: cannot unmarshal !!seq into map"},
		{"", "FILE: it has no section master: or slave:; write the settings below one of them, or say with --role whose they are"},
		{"log-level: debug", "FILE: it has no section master: or slave:"},
		{"slots: 3\nbootstrap: true", "FILE: it has settings of a master and of a slave; say with --role"},
		{rightMaster + rightSlave, "FILE: it has settings of a master and of a slave"},
		{replace("raft-listen", "raft-lisen"), "FILE:4: master.raft-lisen: is unknown; did you mean raft-listen?"},
		{replace("id: m1", "id: m1\n  xyzzyxyzzyxyzzy: 1"), "FILE:3: master.xyzzyxyzzyxyzzy: is unknown; see muster master --help for the settings"},
		{replace("id: m1", "id:"), "FILE:2: id: has no value"},
		{replace("id: m1", "id: [m1]"), "FILE:2: id: takes one value"},
		{strings.Replace(rightSlave, "slave-1", strings.Repeat("x", 129), 1), `FILE:2: name: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" is not a name; it takes 1 to 128 bytes`},
		{"master:\n  id: " + strings.Repeat("x", 129) + "\n  data: /d\n  bootstrap: true\n", `FILE:2: id: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" is not a name; it takes 1 to 128 bytes`},
		{strings.Replace(rightSlave, "slave-1", `".."`, 1), `FILE:2: name: ".." is not a name; it takes`},
		{"master:\n  id: a/b\n  data: /d\n  bootstrap: true\n", `FILE:2: id: "a/b" is not a name; it takes`},
		{replace("- m3=", "- m?3="), `FILE:8: masters: "m?3" is not a name; it takes`},
		{replace("slots: 4", "label: g?u=1"), `FILE:5: label: has a label "g?u"; its name takes`},
		{replace("  id: m1\n", ""), "FILE: id: is missing: the master's id, its own for ever"},
		{replace("  data: /var/lib/muster/master\n", ""), "FILE: data: is missing: directory for log and snapshots"},
		{replace("data: /var/lib/muster/master", `data: ""`), "FILE:3: data: is missing"},
		{replace("id: m1", "id: m1\n  bootstrap: true"), "FILE:3: bootstrap: bootstrap and masters exclude each other; give one of them"},
		{replace("id: m1", "id: m1\n  join: http://10.0.0.2:8101"), "FILE:3: join: join and masters exclude each other"},
		{replace("id: m1", "id: m1\n  bootstrap: perhaps"), `FILE:3: bootstrap: "perhaps": `},
		{replace("id: m1", "id: m1\n  question-ttl: 5"), `FILE:3: question-ttl: "5": must be a duration`},
		{replace("id: m1", "id: m1\n  question-ttl: -5s"), "FILE:3: question-ttl: -5s can't be negative"},
		{replace("id: m1", "id: m1\n  queue-limit: many"), `FILE:3: queue-limit: "many": `},
		{replace("id: m1", "id: m1\n  queue-limit: -1"), "FILE:3: queue-limit: -1 must be above 0"},
		{replace("id: m1", "id: m1\n  retention-tasks: -1"), "FILE:3: retention-tasks: -1 must be above 0"},
		{replace("id: m1", "id: m1\n  retention-bytes: -1"), "FILE:3: retention-bytes: -1 must be above 0"},
		{replace("id: m1", "id: m1\n  retention-age: -1h"), "FILE:3: retention-age: -1h0m0s must be above 0"},
		{replace("id: m1", "id: m1\n  retention-min: -1h"), "FILE:3: retention-min: -1h0m0s must be above 0"},
		{replace("id: m1", "id: m1\n  slave-timeout: 0s"), "FILE:3: slave-timeout: 0s must be above 0"},
		{replace("id: m1", "id: m1\n  queue-limit: 0"), "FILE:3: queue-limit: 0 must be above 0"},
		{replace("id: m1", "id: m1\n  retention-tasks: 0"), "FILE:3: retention-tasks: 0 must be above 0"},
		{replace("id: m1", "id: m1\n  retention-bytes: 0"), "FILE:3: retention-bytes: 0 must be above 0"},
		{replace("id: m1", "id: m1\n  retention-age: 0s"), "FILE:3: retention-age: 0s must be above 0"},
		{replace("id: m1", "id: m1\n  retention-min: 0s"), "FILE:3: retention-min: 0s must be above 0"},
		{replace("id: m1", "id: m1\n  snapshot-threshold: 0"), "FILE:3: snapshot-threshold: 0 must be above 0"},
		{replace("id: m1", "id: m1\n  min-free-disk: 0"), "FILE:3: min-free-disk: 0 must be above 0"},
		{"request-timeout: 0s\n" + rightMaster, "FILE:1: request-timeout: 0s must be above 0"},
		{replace("slots: 4", "drain-timeout: 0s"), "FILE:5: drain-timeout: 0s must be above 0"},
		{replace("id: m1", "id: m1\n  profile: moon"), `FILE:3: profile: "moon" is none of lan, wan`},
		{replace("id: m1", "id: m1\n  followers: lead"), `FILE:3: followers: "lead": "lead" is none of redirect, forward`},
		{replace("id: m1", "id: m1\n  log-level: loud"), `FILE:3: log-level: "loud": "loud" is none of debug`},
		{replace(`"0.0.0.0:7101"`, "http://0.0.0.0:7101"), `FILE:4: raft-listen: "http://0.0.0.0:7101" is a URL; it takes HOST:PORT, like 127.0.0.1:7101`},
		{replace(`"0.0.0.0:7101"`, "0.0.0.0"), `FILE:4: raft-listen: "0.0.0.0" is not HOST:PORT`},
		{replace(`"0.0.0.0:7101"`, `"0.0.0.0:"`), `FILE:4: raft-listen: "0.0.0.0:" names no port; write it like 0.0.0.0:7101`},
		{replace(`"0.0.0.0:7101"`, `"0.0.0.0:70000"`), `FILE:4: raft-listen: "0.0.0.0:70000" has the port "70000"; a port is a number from 1 to 65535`},
		{replace(`"0.0.0.0:8101"`, `"0.0.0.0:7101"`), `FILE:6: api-listen: "0.0.0.0:7101" has the port of raft-listen "0.0.0.0:7101", and only one of them can listen there; take another, like 0.0.0.0:8101`},
		{
			"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  raft-listen: 0.0.0.0:7101\n",
			`FILE:5: raft-listen: "0.0.0.0:7101" means every address of this machine, which others can't dial; say with raft-advertise which one they should use, like 10.0.0.1:7101`,
		},
		{
			"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  api-listen: :8101\n",
			`FILE:5: api-listen: ":8101" means every address of this machine, which others can't dial; say with api-advertise which one they should use, like http://10.0.0.1:8101`,
		},
		{
			"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  api-listen: 10.0.0.1:0\n",
			`FILE:5: api-listen: "10.0.0.1:0" has port 0, which others can't dial; say with api-advertise which one they should use, like http://10.0.0.1:8101`,
		},
		{"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  raft-advertise: 0.0.0.0:7101\n", `FILE:5: raft-advertise: "0.0.0.0:7101" means every address of this machine`},
		{"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  api-advertise: 10.0.0.1:8101\n", `FILE:5: api-advertise: "10.0.0.1:8101" has no scheme; write http://10.0.0.1:8101`},
		{"master:\n  id: m1\n  data: /d\n  join: [http://10.0.0.2:8101, 10.0.0.3]\n  raft-advertise: 10.0.0.1:7101\n  api-advertise: http://10.0.0.1:8101\n", `FILE:4: join: "10.0.0.3" has no scheme`},
		{"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  raft-advertise: m\uff0e1:7101\n", `FILE:5: raft-advertise: "m．1:7101" has the host "m．1"`},
		{"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  raft-listen: 10.0.0.1:07101\n", `FILE:5: raft-listen: "10.0.0.1:07101" has the port "07101"`},
		{"master:\n  id: m1\n  data: /d\n  bootstrap: true\n  api-advertise: http://m\u200b1:8101\n", `FILE:5: api-advertise: "http://m\u200b1:8101" has the host "m\u200b1"`},
		{"master:\n  id: m1\n  data: /d\n  join: http://m..1:8101\n", `FILE:4: join: "http://m..1:8101" has the host "m..1"`},
		{"master:\n  id: m1\n  data: /d\n  join: http://m1:08101\n", `FILE:4: join: "http://m1:08101" has the port "08101"`},
		{"master:\n  id: m1\n  data: /d\n  join: http://0.0.0.0:8101\n", `FILE:4: join: "http://0.0.0.0:8101" is no address that can be dialled`},
		{replace("id: m1", "id: m7"), `FILE:8: masters: does not name "m7" (id), only m1, m2, m3; the list names all founding masters, this one too`},
		{replace(`"10.0.0.1:7101"`, `"10.0.0.9:7101"`), "FILE:8: masters: has 10.0.0.1:7101 for Raft of m1, but it is reached at 10.0.0.9:7101; make raft-advertise and the list agree"},
		{replace(`"http://10.0.0.1:8101"`, `"http://10.0.0.9:8101"`), "FILE:8: masters: has http://10.0.0.1:8101 for the API of m1, but it is reached at http://10.0.0.9:8101; make api-advertise and the list agree"},
		{replace("- m2=", "- m1="), `FILE:10: masters: names "m1" twice`},
		{replace("=10.0.0.2:7101", "=10.0.0.1:7101"), `FILE:10: masters: names "10.0.0.1:7101" twice`},
		{replace("m3=10.0.0.3:7101=http://10.0.0.3:8101", "m3"), `FILE:11: masters: has "m3"; each master is ID=RAFT-HOST:PORT=API-URL`},
		{replace("m3=10.0.0.3:7101=", "m3=10.0.0.3="), `FILE:11: masters: has m3 with "10.0.0.3", which is not HOST:PORT`},
		{replace("m3=10.0.0.3:7101=", "m3=0.0.0.0:7101="), `FILE:11: masters: has m3 with "0.0.0.0:7101", which others can't dial`},
		{replace("m3=10.0.0.3:7101=", "m3=10.0.0.3:99999="), `FILE:11: masters: has m3 with "10.0.0.3:99999", which has the port "99999"; a port is a number`},
		{replace("m3=10.0.0.3:7101=", "m3=10.0.0.3:07101="), `FILE:11: masters: has m3 with "10.0.0.3:07101", which has the port "07101"; a port is a number from 1 to 65535, without leading zeros`},
		{replace("m3=10.0.0.3:7101=", "m3=m\u200b3:7101="), `FILE:11: masters: has m3 with "m\u200b3:7101", which has the host "m\u200b3"`},
		{replace("http://10.0.0.3:8101", "http://m\u200b3:8101"), `FILE:11: masters: has a wrong URL for m3: "http://m\u200b3:8101" has the host "m\u200b3"; a host has letters`},
		{replace("http://10.0.0.3:8101", "http://10.0.0.3:0"), `FILE:11: masters: has a wrong URL for m3: "http://10.0.0.3:0" has the port "0"`},
		{replace("http://10.0.0.3:8101", "10.0.0.3:8101"), `FILE:11: masters: has a wrong URL for m3: "10.0.0.3:8101" has no scheme`},
		{replace("http://10.0.0.3:8101", "http://0.0.0.0:8101"), `FILE:11: masters: has m3 with "http://0.0.0.0:8101", which others can't dial`},
		{replace("=10.0.0.3:7101=http://10.0.0.3", "=127.0.0.1:7101=http://127.0.0.1"), "FILE:8: masters: has 127.0.0.1, which is each machine itself, beside 10.0.0.2; write the address"},
		{replace("  name: slave-1\n", ""), "FILE: name: is missing: the slave's name, like slave-1"},
		{replace("slots: 4", "slots: 0"), "FILE:5: slots: 0: a slave needs at least 1, and can have 65536"},
		{replace("slots: 4", "slots: four"), `FILE:5: slots: "four": `},
		{replace("slots: 4", "label: gpu"), `FILE:5: label: "gpu" is not NAME=VALUE`},
		{replace("slots: 4", "drain-timeout: -1s"), "FILE:5: drain-timeout: -1s must be above 0"},
		{replace("slots: 4", "bootstrap: true"), "FILE:5: slave.bootstrap: is unknown"},
		{replace(`"http://10.0.0.1:8101,http://10.0.0.2:8101"`, "[]"), "FILE:6: masters: is missing: API URLs of masters"},
		{strings.Replace(rightSlave, "http://10.0.0.2:8101", "http://10.0.0.2:8101/v1", 1), `FILE:6: masters: "http://10.0.0.2:8101/v1" has a path; a base URL ends with the port, like http://10.0.0.2:8101`},
		{replace(`advertise: "http://10.0.0.1:9101"`, "advertise: http://10.0.0.1:9101//"), `FILE:4: advertise: "http://10.0.0.1:9101//" has the path "//"`},
		{strings.Replace(rightSlave, "http://10.0.0.2:8101", "http://10.0.0.2:0", 1), `FILE:6: masters: "http://10.0.0.2:0" has the port "0"`},
		{replace(`advertise: "http://10.0.0.1:9101"`, "advertise: http://0.0.0.0:9101"), `FILE:4: advertise: "0.0.0.0:9101" means every address of this machine, which others can't dial; say with advertise which one they should use, like http://10.0.0.1:9101`},
	} {
		mistakes, _ := checkText(testMachine(nil), nil, c.text)
		if len(mistakes) != 1 || !strings.HasPrefix(mistakes[0], c.want) {
			t.Errorf("%q; want one that begins with %q, in\n%s", mistakes, c.want, c.text)
		}
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	text := "slave:\n  slots: 0\n  lable: a=b\n  listen: x\n  masters: [a, http://b:1/c]\n"
	file := configFile(t, text)
	o := musterOn(t, testMachine(nil), nil, "config", "validate", file)
	want := strings.ReplaceAll(`FILE:2: slots: 0: a slave needs at least 1, and can have 65536
FILE:3: slave.lable: is unknown; did you mean label?
FILE:4: listen: "x" is not HOST:PORT, like 127.0.0.1:9101: address x: missing port in address
FILE:5: masters: "a" has no scheme; write http://a
FILE:5: masters: "http://b:1/c" has a path; a base URL ends with the port, like http://b:1
FILE: name: is missing: the slave's name, like slave-1
`, "FILE", file)
	if o.code != exitUsage || o.stdout != want || !strings.Contains(o.stderr, "has 6 mistakes") {
		t.Errorf("%+v\nwant\n%s", o, want)
	}
	o = musterOn(t, testMachine(nil), nil, "config", "validate", "-o", "json", "--config", file)
	var r report
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != exitUsage || len(r.Mistakes) != 6 || r.Role != "slave" || r.Warnings == nil {
		t.Errorf("%v: %+v", err, o)
	}
	if f := r.Mistakes[0]; f.Key != "slots" || f.Line != 2 || f.Message != "0: a slave needs at least 1, and can have 65536" {
		t.Errorf("%+v", f)
	}
	// A start tells all of them, too.
	o = muster(t, nil, "slave", "--slots", "0", "--listen", "x", "--masters", "a,http://b:1/c")
	if n := strings.Count(o.stderr, "muster: "); o.code != exitUsage || n != 5 {
		t.Errorf("%d mistakes: %+v", n, o)
	}
}

func TestValidateAnswers(t *testing.T) {
	file := configFile(t, rightMaster)
	if o := musterOn(t, testMachine(nil), []string{"MUSTER_CONFIG=" + file}, "config", "validate"); o.code != exitOK || o.stdout != file+": fine, for master m1\n" || o.stderr != "" {
		t.Errorf("%+v", o)
	}
	o := musterOn(t, testMachine(nil), nil, "config", "validate", file, "-o", "jsonl")
	if o.code != exitOK || o.stdout != fmt.Sprintf(`{"file":%q,"role":"master","name":"m1","mistakes":[],"warnings":[]}`+"\n", file) {
		t.Errorf("%+v", o)
	}
	both := configFile(t, rightMaster+rightSlave)
	if o := musterOn(t, testMachine(nil), nil, "config", "validate", both, "--role", "slave"); o.code != exitOK || !strings.Contains(o.stdout, "fine, for slave slave-1") {
		t.Errorf("%+v", o)
	}
	for args, says := range map[string]string{
		"":                      "FILE is missing",
		"a b":                   `"b" is an argument too many`,
		"/does/not/exist":       "read the configuration file",
		file + " --role king":   `"king" is none of master, slave`,
		file + " --config none": "",
	} {
		o := musterOn(t, testMachine(nil), nil, append([]string{"config", "validate"}, strings.Fields(args)...)...)
		if (o.code == exitUsage) != (says != "") || !strings.Contains(o.stderr, says) {
			t.Errorf("%q: %+v", args, o)
		}
	}
}

// TestAStartNamesTheFix wants advice with an address of the machine.
func TestAStartNamesTheFix(t *testing.T) {
	o := musterOn(t, testMachine(nil), nil, "master", "--id", "m1", "--data", "d", "--bootstrap", "--raft-listen", "0.0.0.0:7101", "--api-listen", "[::]:8101")
	for _, want := range []string{"say with --raft-advertise which one they should use, like 10.0.0.1:7101", "say with --api-advertise which one they should use, like http://10.0.0.1:8101"} {
		if o.code != exitUsage || !strings.Contains(o.stderr, want) {
			t.Errorf("%+v; want %q", o, want)
		}
	}
	o = musterOn(t, testMachine(nil), nil, "slave", "--name", "s", "--listen", ":9101")
	if want := "say with --advertise which one they should use, like http://10.0.0.1:9101"; o.code != exitUsage || !strings.Contains(o.stderr, want) {
		t.Errorf("%+v; want %q", o, want)
	}
}

// FuzzValidate throws anything at the validator: it answers, and a file that it
// takes for right has a role.
func FuzzValidate(f *testing.F) {
	for _, text := range []string{
		rightMaster, rightSlave, "", "master:", "master: 5", "master: {}", "slave: [1]", "slave: {name: [a, {b: c}], label: {a: b}}", "a: &a [*a]", "? [a]\n: b",
		"<<: {master: {id: 1}}", "master: &m {id: x, data: y}\nslave: *m", "master: {masters: ['=', '==', 'a==', '=a=b']}", "1: 2", "master: {1: 2}", "~", "--- a\n--- b",
		"master: {raft-listen: '::', api-listen: '[::', join: ['http://%', 'http://[::1']}", "\xff", "master: {id: 2026-01-02, data: .nan}",
	} {
		f.Add(text)
	}
	m := testMachine(nil)
	f.Fuzz(func(t *testing.T, text string) {
		v := validator{path: "FILE", here: m}
		r := v.validate(t.Context(), []byte(text), "")
		if len(r.Mistakes) == 0 && (r.Role == "" || r.Name == "") {
			t.Errorf("right, but whose? %+v", r)
		}
		for _, one := range append(r.Mistakes, r.Warnings...) {
			if line := one.text("FILE", ""); one.Message == "" || strings.Contains(line, "\n") {
				t.Errorf("%q is not one line", line)
			}
		}
	})
}
