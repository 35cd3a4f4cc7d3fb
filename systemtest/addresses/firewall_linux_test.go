package addresses_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// opening is a row of the table of ports in docs/deploy/addresses.md.
type opening struct {
	port, on string
	from     []string
}

// openings reads the table.
func openings(t *testing.T) []opening {
	t.Helper()
	page, err := os.ReadFile("../../docs/deploy/addresses.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []opening
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+)/tcp \| (\w+) \| ([\w, ]+) \|`).FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, opening{row[1], row[2], strings.Split(row[3], ", ")})
	}
	if len(rows) != 3 {
		t.Fatalf("the table of ports has %d rows", len(rows))
	}
	return rows
}

// TestOnlyThePortsOfTheTableAreNeeded: every host drops everything else.
func TestOnlyThePortsOfTheTableAreNeeded(t *testing.T) {
	t.Parallel()
	c := newCluster(newLab(t, "nft"), "/24", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5")
	addresses := map[string][]string{"masters": {"10.8.0.1", "10.8.0.2", "10.8.0.3"}, "slaves": {"10.8.0.4"}, "clients": {"10.8.0.5"}}
	wall := func(rows []opening) {
		for role, hosts := range map[string][]*host{
			"masters": {c.masters[0].host, c.masters[1].host, c.masters[2].host}, "slaves": {c.slaves[0].host}, "clients": {c.client},
		} {
			var rules []string
			for _, row := range rows {
				if row.on != role {
					continue
				}
				for _, from := range row.from {
					rules = append(rules, fmt.Sprintf("ip saddr { %s } tcp dport %s accept", strings.Join(addresses[from], ", "), row.port))
				}
			}
			for _, h := range hosts {
				h.firewall(rules...)
			}
		}
	}
	rows := openings(t)
	wall(rows)
	c.startAll()
	was := c.leader()
	was.kill()
	c.submits()
	c.startMaster(was)
	c.works()

	// The wall is one: without the slaves' row no task comes to a slave.
	wall(rows[:2])
	c.leader().kill() // a new leader has no open connection
	c.eventually("the slave is out of reach", func() error {
		out, errs, code := c.muster("submit", "6*7", "--request-timeout", "10s")
		if code != exitCapacity && !strings.Contains(errs, "no_slave") {
			return fmt.Errorf("code %d: %s%s", code, out, errs)
		}
		return nil
	})
}

// exitCapacity is what muster ends with when no slave takes a task.
const exitCapacity = 7
