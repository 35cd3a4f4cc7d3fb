package check

import (
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
)

const containersPage = "../../../docs/deploy/containers.md"

var (
	dockerRun  = regexp.MustCompile(`(?s)(\w+)=(\S+) ADDRESS=(\S+) # (\S+) (\S+?)(?:, (\S+) (\S+))?\n(docker run .*?)\n` + "```")
	twoOptions = map[string]bool{
		"--name": true, "--network": true, "--restart": true, "--stop-timeout": true, "--cap-drop": true,
		"--security-opt": true, "--memory": true, "--env": true, "--volume": true,
	}
	oneOptions = map[string]bool{"--detach": true, "--read-only": true, "--no-healthcheck": true}
)

// dockerRuns are the containers of the page's commands for several hosts, by the
// host's address.
func dockerRuns(t *testing.T, w *world) (addresses []string, containers map[string]asked) {
	t.Helper()
	page, err := os.ReadFile(containersPage)
	if err != nil {
		t.Fatal(err)
	}
	containers = map[string]asked{}
	for _, found := range dockerRun.FindAllStringSubmatch(string(page), -1) {
		hosts := [][]string{{found[2], found[3]}, {found[4], found[5]}, {found[6], found[7]}}
		for _, host := range hosts {
			if host[0] == "" {
				continue
			}
			line := os.Expand(strings.ReplaceAll(found[8], "\\\n", ""), func(name string) string {
				return map[string]string{found[1]: host[0], "ADDRESS": host[1]}[name]
			})
			addresses = append(addresses, host[1])
			containers[host[1]] = dockerOptions(t, w, line)
		}
	}
	return addresses, containers
}

// dockerOptions reads the options that the page uses.
func dockerOptions(t *testing.T, w *world, line string) asked {
	t.Helper()
	a := asked{uid: w.image.UID, gid: w.image.GID}
	words := strings.Fields(strings.TrimPrefix(line, "docker run "))
	for len(words) > 0 && words[0] != "muster:local" {
		option := words[0]
		words = words[1:]
		switch {
		case oneOptions[option]:
			a.readOnly = a.readOnly || option == "--read-only"
			continue
		case !twoOptions[option]:
			t.Fatalf("the check does not know docker run %s", option)
		}
		switch value := words[0]; option {
		case "--name":
			a.name = value
		case "--env":
			a.env = append(a.env, value)
		case "--volume":
			_, at, _ := strings.Cut(value, ":")
			a.binds = append(a.binds, bind{From: w.volume(at), To: at})
		}
		words = words[1:]
	}
	a.args = words[1:]
	return a
}

// TestThreeHosts runs the "docker run" commands of docs/deploy/containers.md, each on
// a host with the address that the page gives it.
func TestThreeHosts(t *testing.T) {
	if !inside(t) {
		return
	}
	w := newWorld(t, "10.0.0.200/24", func(string) []netip.Addr { return nil })
	addresses, commands := dockerRuns(t, w)
	if len(addresses) != 5 {
		t.Fatalf("the page has hosts %q; three masters and two slaves are wanted", addresses)
	}
	masters := map[string]*container{}
	for _, address := range addresses {
		w.next = netip.MustParseAddr(address)
		c := w.run(commands[address])
		if c.spec.Args[1] == "master" {
			masters[address] = c
		}
	}
	for _, c := range masters {
		w.eventually("a master is healthy", func() error {
			_, err := c.exec(w.image.Health...)
			return err
		})
	}
	leader := w.leader(masters)
	w.compute(leader.url(), "6*7", "42")
	leader.kill()
	delete(masters, leader.address.String())
	w.compute(w.leader(masters).url(), "7*8", "56")
	if out, err := w.muster("status", "--address", w.leader(masters).url()); err != nil {
		t.Errorf("muster status: %v: %s", err, out)
	}
}
