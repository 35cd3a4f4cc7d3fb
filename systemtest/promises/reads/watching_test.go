package reads_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// watcher reads events in the background.
type watcher struct {
	w      *story.World
	cancel context.CancelFunc
	done   chan struct{}
	events []client.Event // valid after done
	err    error          // valid after done
}

// watch reads with a client until stop.
func watch(w *story.World, c *client.Client, opts client.EventsOptions) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	x := &watcher{w: w, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		for e, err := range c.Events(ctx, opts) {
			if err != nil {
				x.err = err
				return
			}
			x.events = append(x.events, e)
		}
	}()
	return x
}

// stop ends the reading and returns what was read.
func (x *watcher) stop() []client.Event {
	x.w.T.Helper()
	x.cancel()
	x.w.Within(x.done, "the end of a watch")
	if !errors.Is(x.err, context.Canceled) {
		x.w.T.Errorf("the watch ended with: %v", x.err)
	}
	return x.events
}

// story is what events say, a line for each that has a place in the log.
func storyOf(events []client.Event) []string {
	var lines []string
	for _, e := range events {
		switch {
		case e.ID == "" || e.Name == client.EventResynced:
		case e.Task != nil:
			lines = append(lines, fmt.Sprintf("%s task %d %s %s on %q as %d", e.ID, e.Task.ID, e.Change, e.Task.Status, e.Task.Slave, e.Task.Attempt))
		case e.Slave != nil:
			lines = append(lines, fmt.Sprintf("%s slave %s %s %s", e.ID, e.Slave.Name, e.Change, e.Slave.State))
		case e.Master != nil:
			lines = append(lines, fmt.Sprintf("%s master %s %s", e.ID, e.Master.ID, e.Change))
		}
	}
	return lines
}

// lives are the changes of each task, in order.
func lives(events []client.Event) map[uint64]string {
	out := map[uint64]string{}
	for _, e := range events {
		if e.Task != nil && e.ID != "" {
			out[e.Task.ID] = strings.TrimSpace(out[e.Task.ID] + " " + e.Change)
		}
	}
	return out
}

// TestAWatcherMissesNothingWhoeverLeads: the leader is lost with a result on its
// disk, and a slave with a task, while somebody watches. He sees every change, once
// and in order, as each master tells it that was there.
func TestAWatcherMissesNothingWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 2)
				dying := w.Slave("slave-2", 1)
				watcher := watch(w, w.Client.Of(w.Masters...), client.EventsOptions{After: "0"})
				var ids []uint64
				for range 3 {
					ids = append(ids, w.Client.Submit(10*time.Second).ID)
				}
				w.Sleep(8 * time.Second)
				w.Trap(w.Leader(), l)("a result")
				w.Ready()
				ids = append(ids, w.Client.Submit(5*time.Second).ID, w.Client.Submit(5*time.Second).ID)
				last := w.Client.Submit(20 * time.Second)
				dying.Crash()
				ids = append(ids, last.ID)
				for _, id := range ids {
					w.Client.Wait(id)
				}
				w.Sleep(2 * time.Second)
				seen := watcher.stop()
				told := storyOf(seen)
				for _, m := range w.Masters {
					one := watch(w, w.Client.Of(m), client.EventsOptions{After: "0"})
					w.Sleep(time.Second)
					own := storyOf(one.stop())
					if len(own) < len(told) || !slices.Equal(own[:len(told)], told) {
						w.T.Errorf("%s tells\n%s\nand what was seen is\n%s", m.ID, strings.Join(own, "\n"), strings.Join(told, "\n"))
					}
				}
				for id, changes := range lives(seen) {
					rest := strings.TrimPrefix(changes, "submitted")
					rest = strings.ReplaceAll(rest, " assigned given_up", "")
					if rest != " assigned done" {
						w.T.Errorf("task %d: %s", id, changes)
					}
				}
				if got := len(lives(seen)); got != len(ids) {
					w.T.Errorf("%d tasks were seen, of %d", got, len(ids))
				}
				terms := map[uint64]bool{}
				for _, e := range seen {
					if e.Leader != nil && e.Leader.ID != "" {
						terms[e.Leader.Term] = true
					}
				}
				if len(terms) < 2 {
					w.T.Errorf("leaders were seen in the terms %v", slices.Collect(maps.Keys(terms)))
				}
			})
		})
	}
}

// TestAWatcherThatMissedTooMuchGetsTheState: a master that starts from a snapshot
// does not know what was before it, and says so; then it tells how things are, and
// goes on.
func TestAWatcherThatMissedTooMuchGetsTheState(t *testing.T) {
	story.TellWith(t, story.Options{QuestionTTL: time.Second, Snapshots: 20}, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		var ids []uint64
		for range 40 {
			ids = append(ids, w.Client.Wait(w.Client.Submit(0).ID).ID)
		}
		w.Sleep(time.Minute) // snapshots are looked for now and then
		m := w.Followers(w.Leader())[0]
		m.Crash()
		m.Start()
		w.Ready()
		watcher := watch(w, w.Client.Of(m), client.EventsOptions{After: "9-0", Types: []string{client.EventTask}})
		w.Sleep(time.Second)
		next := w.Client.Wait(w.Client.Submit(0).ID)
		w.Sleep(time.Second)
		var got []string
		present := 0
		for _, e := range watcher.stop() {
			switch {
			case e.Change == "present":
				present++
			case e.Task != nil:
				got = append(got, fmt.Sprint(e.Task.ID, " ", e.Change))
			default:
				got = append(got, e.Name)
			}
		}
		want := []string{"reset", "resynced", fmt.Sprint(next.ID, " submitted"), fmt.Sprint(next.ID, " assigned"), fmt.Sprint(next.ID, " done")}
		if present != len(ids) || !slices.Equal(got, want) {
			w.T.Errorf("%d of %d tasks, and %v; want %v", present, len(ids), got, want)
		}
	})
}
