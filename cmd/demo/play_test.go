//go:build unix

package demo

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// playing is a game whose processes live and do nothing: no master answers.
func playing(t *testing.T) *play {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{dir: dir, wire: newWiretap()}
	for i := range 4 {
		n := &node{url: "http://127.0.0.1:1", process: &process{
			name: fmt.Sprintf("n%d", i+1), logPath: logName(dir, fmt.Sprint(i)), command: []string{os.Args[0], "child-that-lives"},
		}}
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			c.masters = append(c.masters, n)
		} else {
			c.slaves = append(c.slaves, n)
		}
	}
	if err := c.connect(); err != nil {
		t.Fatal(err)
	}
	p := &play{cluster: c, news: newNews(), idle: make(chan struct{}, 1)}
	p.voice = &voice{width: func() int { return 0 }, line: func(l string) { p.news.add(l) }}
	t.Cleanup(func() {
		p.work.Wait()
		c.close()
	})
	return p
}

// after presses a key, lets its work end, and returns what was said.
func (p *play) after(t *testing.T, k byte) string {
	t.Helper()
	if p.press(t.Context(), k) {
		t.Errorf("key %q quits", k)
	}
	p.work.Wait()
	select {
	case <-p.idle:
		p.acting = false
	default:
	}
	return strings.TrimSpace(strings.Join(p.news.take(), "; "))
}

func TestPlayFreezesWhatIsChosen(t *testing.T) {
	p := playing(t)
	frozen := func(i int) bool { _, f := p.cluster.nodes()[i].state(); return f }
	p.after(t, 'f')
	if p.panel.question != "Freeze which?  1 n1  2 n2  3 n3  4 n4  (any other key: none)" {
		t.Errorf("it asks %q", p.panel.question)
	}
	if said := p.after(t, '2'); !frozen(1) || !strings.Contains(said, "n2 is frozen") || p.panel.question != "" {
		t.Errorf("n2 is frozen: %v, it says %q and asks %q", frozen(1), said, p.panel.question)
	}
	if said := p.after(t, 'f'); frozen(1) || !strings.Contains(said, "n2 goes on") || p.panel.question != "" {
		t.Errorf("n2 is frozen: %v, it says %q and asks %q", frozen(1), said, p.panel.question)
	}
	p.after(t, 'f')
	p.after(t, 'k') // answers the question, and kills nobody
	for i := range 4 {
		if runs, f := p.cluster.nodes()[i].state(); !runs || f {
			t.Errorf("n%d runs %v, is frozen %v", i+1, runs, f)
		}
	}
}

func TestPlayKillsAndRestarts(t *testing.T) {
	p := playing(t)
	if said := p.after(t, 'k'); said != "no master leads; nothing was killed" {
		t.Errorf("without a leader, k says %q", said)
	}
	if said := p.after(t, 'r'); said != "nobody is dead" {
		t.Errorf("with nobody dead, r says %q", said)
	}
	killed := p.after(t, 's')
	if runs, _ := p.cluster.slaves[0].state(); runs || killed != "kill -9: n4 is dead" {
		t.Errorf("the slave runs %v, s says %q", runs, killed)
	}
	if said := p.after(t, 's'); said != "no slave runs; r restarts the dead" {
		t.Errorf("without a slave, s says %q", said)
	}
	restarted := p.after(t, 'r')
	if runs, _ := p.cluster.slaves[0].state(); !runs || restarted != "started again: n4" {
		t.Errorf("the slave runs %v, r says %q", runs, restarted)
	}
}

func TestPlayTakesOneActionAtATime(t *testing.T) {
	p := playing(t)
	p.acting = true
	if said := p.after(t, 'k'); !strings.HasPrefix(said, "one moment") {
		t.Errorf("it says %q", said)
	}
}

func TestPlayQuits(t *testing.T) {
	p := playing(t)
	p.choices = p.cluster.nodes() // also while it asks
	for _, k := range []byte{'q', ctrlC, ctrlD} {
		if !p.press(t.Context(), k) {
			t.Errorf("%q does not quit", k)
		}
	}
}
