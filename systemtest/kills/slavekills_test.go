package kills_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/api/client"
)

// burden is how many tasks a slave has when it is killed.
const burden = 100

// TestKillsOfASlave kills a slave with a hundred tasks again and again. Silence would
// make it lost after an hour, so only its port, which refuses, can tell the leader that it
// is dead; then another slave has all of its tasks.
func TestKillsOfASlave(t *testing.T) {
	want := series(t)
	c := newCluster(t)
	for _, m := range c.masters {
		m.command = append(m.command, "--slave-timeout", "1h")
		m.start()
	}
	c.awaitReady()
	first := c.startUnwatched("slave-1") // the first in the order gets the tasks
	second := c.startUnwatched("slave-2")
	var gaps distribution
	for len(gaps) < want {
		tasks := c.load(first)
		killed := time.Now()
		first.signal(os.Kill)
		c.awaitRunning(second)
		gaps = append(gaps, time.Since(killed))
		t.Logf("kill %d: %d ms", len(gaps), gaps[len(gaps)-1].Milliseconds())
		first.awaitEnd()
		c.unload(tasks)
		c.awaitIdle(second)
		first.start()
		c.awaitAlive("slave-1")
	}
	said := 0
	for _, m := range c.masters { // each of which may have led
		said += strings.Count(m.words(), "the port of slave slave-1 refuses")
	}
	if said < want {
		t.Errorf("the leaders say of %d of %d deaths that the port refused", said, want)
	}
	t.Logf("kill -9 of a slave with %d tasks, until another has accepted all: %v", burden, gaps)
	// On a quiet machine a death that only the next question finds, after a second at
	// most, would show.
	if most := 700 * time.Millisecond; want >= longSeries && gaps.quantile(0.5) > most {
		t.Errorf("half of the kills took longer than %v", most)
	}
}

// load gives a slave its tasks, and returns when it runs them.
func (c *cluster) load(s *slave) (tasks []uint64) {
	c.t.Helper()
	for n := range burden {
		c.await("a task to be accepted", func(ctx context.Context) error {
			got, err := c.api.Submit(ctx, client.Submission{
				Expression: "sleep(3600) + x", Parameters: client.Parameters{client.Parameter("x", strconv.Itoa(n))}, TimeoutMS: time.Hour.Milliseconds(),
			}, client.SubmitOptions{})
			if err == nil {
				tasks = append(tasks, got.Task.ID)
			}
			return err
		})
	}
	c.awaitRunning(s)
	return tasks
}

// unload ends tasks, and checks that each was on its second attempt.
func (c *cluster) unload(tasks []uint64) {
	c.t.Helper()
	for _, id := range tasks {
		c.await("a task to be cancelled", func(ctx context.Context) error {
			got, err := c.api.Cancel(ctx, id)
			if err == nil && (got.Attempt != 2 || got.Slave != "slave-2") {
				c.t.Errorf("%+v, want attempt 2 on slave-2", got)
			}
			return err
		})
	}
}

// awaitRunning waits until a slave runs all tasks. It asks the slave itself, and often:
// what it waits for is measured.
func (c *cluster) awaitRunning(s *slave) {
	c.t.Helper()
	c.awaitNumber(s, burden)
}

func (c *cluster) awaitIdle(s *slave) {
	c.t.Helper()
	c.awaitNumber(s, 0)
}

func (c *cluster) awaitNumber(s *slave, want int) {
	c.t.Helper()
	c.await(fmt.Sprintf("%s to run %d tasks", s.name, want), func(ctx context.Context) error {
		n, err := s.runningBy(ctx, c.web)
		if err == nil && n != want {
			err = fmt.Errorf("it runs %d", n)
		}
		return err
	})
}
