package slaves_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	library "muster/slave"
	"muster/systemtest/promises/story"
	"muster/task"
)

// labelled starts a slave with labels.
func labelled(w *story.World, name string, slots int, labels map[string]string) {
	w.T.Helper()
	s := &story.Slave{W: w, Name: name, Slots: slots, Labels: labels, Drain: 10 * time.Second, Run: app.RunSlave}
	w.Slaves = append(w.Slaves, s)
	w.Seen.Slave(name, slots)
	s.Start()
	s.Registered()
}

// requiring is a job that waits for a slave with a label.
func requiring(u *story.User, d time.Duration, name, value string) story.Job {
	j := u.Sleeping(d)
	j.Queued, j.Requires = true, client.Labels{{Name: name, Value: value}}
	return j
}

// TestRequirementsAreKeptWhoeverLeads: the leader is lost when the last of some
// tasks with requirements comes to its disk. Each runs on a slave that has the
// labels, in the order of submission; what waits for a label keeps nobody up.
func TestRequirementsAreKeptWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				labelled(w, "slave-1", 2, nil)
				labelled(w, "slave-2", 1, map[string]string{"gpu": "yes", "zone": "b"})
				w.Client.Put(requiring(w.Client, 40*time.Second, "gpu", "yes")) // slave-2 is full
				nobody := w.Client.Put(requiring(w.Client, time.Second, "gpu", "no")).Task.ID
				var ids []uint64
				for range 3 {
					ids = append(ids, w.Client.Put(requiring(w.Client, time.Second, "gpu", "yes")).Task.ID)
				}
				last := requiring(w.Client, time.Second, "zone", "b")
				var id uint64
				w.LostAt(l, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					answer, err := w.Client.Try(ctx, w.Client.API, last)
					id = answer.Task.ID
					return err
				})
				ids = append(ids, id)
				if got := w.Client.Wait(w.Client.Submit(time.Second).ID); got.Slave != "slave-1" {
					w.T.Errorf("one without requirements ran on %s", got.Slave)
				}
				started := map[uint64]time.Time{}
				for _, id := range ids {
					got := w.Client.Wait(id)
					started[id] = got.StartedAt
					if got.Slave != "slave-2" {
						w.T.Errorf("task %d ran on %s, which has not its labels", id, got.Slave)
					}
				}
				order := slices.SortedFunc(slices.Values(ids), func(a, b uint64) int { return started[a].Compare(started[b]) })
				if !slices.Equal(order, ids) {
					w.T.Errorf("they ran as %v, want %v", order, ids)
				}
				if got := lookUp(w, nobody); got.Status != client.TaskPending {
					w.T.Errorf("task %d is %s on %v, and nobody has its label", nobody, got.Status, got.Slave)
				}
				j := requiring(w.Client, time.Second, "gpu", "no")
				j.Queued = false
				if _, err := w.Client.Try(w.T.Context(), w.Client.API, j); story.Code(err) != client.CodeNoSlaveForKind {
					w.T.Errorf("one that may not wait: %v", err)
				}
				labelled(w, "slave-3", 1, map[string]string{"gpu": "no"})
				if got := w.Client.Wait(nobody); got.Slave != "slave-3" {
					w.T.Errorf("it ran on %s", got.Slave)
				}
			})
		})
	}
}

// TestAKindHasOneMeaningWhoeverLeads: the leader is lost when a slave comes to its
// disk that declares a kind otherwise than one that is there. The next leader
// refuses it, too, until the other one has left.
func TestAKindHasOneMeaningWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				careful := embedded(w, "slave-1", 1)
				bold := &story.Slave{W: w, Name: "slave-2", Slots: 1, Drain: 10 * time.Second, Run: runBold}
				w.Slaves = append(w.Slaves, bold)
				w.Seen.Slave(bold.Name, bold.Slots)
				w.LostAt(l, func(context.Context) error {
					if bold.Process == nil {
						bold.Start()
						w.Client.Submit(time.Second)
					}
					return nil
				})
				w.Sleep(10 * time.Second)
				if got, err := bold.Entry(w.T.Context()); err == nil {
					w.T.Errorf("it was registered: %+v", got)
				}
				if err := careful.Halt(); err != nil {
					w.T.Error(err)
				}
				bold.Registered()
			})
		})
	}
}

// runBold is a slave that declares the kind once idempotent.
func runBold(ctx context.Context, cfg app.SlaveConfig, ready func(url string)) error {
	listener, err := cfg.Network.Listen(ctx, cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	transport := &http.Transport{DialContext: cfg.Network.Dial}
	defer transport.CloseIdleConnections()
	masters, err := client.New(client.Config{Addresses: cfg.Masters, HTTPClient: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return err
	}
	s, err := library.New(library.Config{
		Name: cfg.Name, Listener: listener, Masters: masters, DrainTimeout: cfg.DrainTimeout, Listening: ready, Logger: cfg.Logger,
		Kinds: []library.Kind{{Name: task.KindExpression, Idempotent: true, Handle: cfg.Evaluate}, {Name: story.Once, Idempotent: true, Handle: cfg.Evaluate}},
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
