package addresses_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/systemtest/timelimit"
)

// TestAProxyInFrontOfAllMasters is nginx with the very file of docs/deploy. Its
// clients have no way to the masters.
func TestAProxyInFrontOfAllMasters(t *testing.T) {
	t.Parallel()
	c := newCluster(newLab(t, "nginx"), "/24", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5")
	for _, m := range c.masters {
		m.extra = []string{"--followers", "forward"}
	}
	c.startAll()

	proxy := c.host("proxy", "10.8.0.9/24", "10.9.0.1/24")
	proxy.resolve("10.8.0.1 m1\n10.8.0.2 m2\n10.8.0.3 m3\n")
	outside := c.host("outside", "10.9.0.2/24")
	// A way that ends at the proxy's host: calls to masters are not even refused.
	c.ip("-n", outside.ns, "route", "add", "10.8.0.0/24", "via", "10.9.0.1")
	c.startNginx(proxy)
	muster := func(args ...string) (string, string, int) {
		return outside.run(append([]string{binary, "--address", "http://10.9.0.1"}, args...)...)
	}
	c.eventually("the proxy answers", func() error {
		if _, errs, code := muster("tasks", "list"); code != 0 {
			return fmt.Errorf("code %d: %s", code, errs)
		}
		return nil
	})
	if _, _, code := outside.run(binary, "--address", "http://10.8.0.1:8101", "--request-timeout", "1s", "tasks", "list"); code == 0 {
		t.Fatal("the client reaches a master without the proxy")
	}

	submit := func(expression, want string) {
		t.Helper()
		out, errs, code := muster("submit", expression, "--wait", "--when-full", "queue", "--request-timeout", timelimit.Usual(t).String(), "-o", "json")
		if code != 0 || !strings.Contains(out, `"result": "`+want+`"`) {
			t.Errorf("%s: code %d\n%s%s", expression, code, out, errs)
		}
	}
	for range 4 { // at each master once, and more
		submit("6*7", "42")
	}
	watched := outside.start(binary, "--address", "http://10.9.0.1", "tasks", "watch", "--for", "1h", "-o", "jsonl")
	c.eventually("a change is shown when it happens", func() error {
		submit("sleep(1.5) + 1", "2.5") // again, if it was too early for who watches
		seen, err := os.ReadFile(watched.log)
		if err == nil && !strings.Contains(string(seen), "sleep(1.5) + 1") {
			err = fmt.Errorf("seen: %s", seen)
		}
		return err
	})

	// Ten calls of one client: the leader that every answer names must not cost each
	// of them the two seconds of a call that nobody answers. The tasks have all the
	// time in the world, and are in nobody's way.
	file := filepath.Join(c.dir, "tasks.jsonl")
	if err := os.WriteFile(file, []byte(strings.Repeat("{\"expression\": \"1 + 1\", \"not_before\": \"24h\"}\n", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	before := outside.connects()
	if out, errs, code := muster("submit", "-f", file); code != 0 {
		t.Errorf("5000 tasks in ten calls: code %d\n%s%s", code, tail(out, 3), errs)
	}
	if n := outside.connects() - before; n == 0 || n > 5 {
		t.Errorf("ten calls of one client began %d connections: one to the proxy and one to the leader are enough", n)
	}

	c.leader().kill()
	for range 4 {
		submit("7*7", "49")
	}
	if _, errs, code := muster("masters", "remove", "m1"); code == 0 {
		t.Errorf("a master was removed through the proxy: %s", errs)
	}
}

// connects is how many connections the host has begun, answered or not.
func (h *host) connects() int {
	h.lab.t.Helper()
	text, errs, code := h.run("cat", "/proc/net/snmp")
	names, values, ok := strings.Cut(text[max(0, strings.Index(text, "Tcp: ")):], "\n")
	i := slices.Index(strings.Fields(names), "ActiveOpens")
	if all := strings.Fields(values); ok && i > 0 && len(all) > i {
		if n, err := strconv.Atoi(all[i]); err == nil {
			return n
		}
	}
	h.lab.t.Fatalf("the system does not say how many connections were begun: code %d %s%s", code, text, errs)
	return 0
}

// startNginx starts nginx with docs/deploy/nginx.conf.
func (c *cluster) startNginx(on *host) {
	c.t.Helper()
	conf, err := filepath.Abs("../../docs/deploy/nginx.conf")
	if err != nil {
		c.t.Fatal(err)
	}
	dir := filepath.Join(c.dir, "nginx")
	if err := os.Mkdir(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	whole := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\n access_log off;\n"+
		" client_body_temp_path %[1]s/body;\n proxy_temp_path %[1]s/proxy;\n fastcgi_temp_path %[1]s/f;\n uwsgi_temp_path %[1]s/u;\n scgi_temp_path %[1]s/s;\n"+
		" include %[2]s;\n}\n", dir, conf)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		c.t.Fatal(err)
	}
	on.start("nginx", "-p", dir, "-c", file)
}
