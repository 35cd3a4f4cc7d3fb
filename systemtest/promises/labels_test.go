package promises_test

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
	"muster/task"
)

// labelled starts a slave with labels.
func (w *world) labelled(name string, slots int, labels map[string]string) {
	w.t.Helper()
	s := &slave{w: w, name: name, slots: slots, labels: labels, drain: 10 * time.Second, run: app.RunSlave}
	w.slaves = append(w.slaves, s)
	w.seen.Slave(name, slots)
	s.start()
	s.registered()
}

// requiring is a job that waits for a slave with a label.
func (u *user) requiring(d time.Duration, name, value string) job {
	j := u.sleeping(d)
	j.queued, j.requires = true, client.Labels{{Name: name, Value: value}}
	return j
}

// TestRequirementsAreKeptWhoeverLeads: the leader is lost when the last of some
// tasks with requirements comes to its disk. Each runs on a slave that has the
// labels, in the order of submission; what waits for a label keeps nobody up.
func TestRequirementsAreKeptWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				w.labelled("slave-1", 2, nil)
				w.labelled("slave-2", 1, map[string]string{"gpu": "yes", "zone": "b"})
				w.client.put(w.client.requiring(40*time.Second, "gpu", "yes")) // slave-2 is full
				nobody := w.client.put(w.client.requiring(time.Second, "gpu", "no")).Task.ID
				var ids []uint64
				for range 3 {
					ids = append(ids, w.client.put(w.client.requiring(time.Second, "gpu", "yes")).Task.ID)
				}
				last := w.client.requiring(time.Second, "zone", "b")
				var id uint64
				w.lostAt(l, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					answer, err := w.client.try(ctx, w.client.api, last)
					id = answer.Task.ID
					return err
				})
				ids = append(ids, id)
				if got := w.client.wait(w.client.submit(time.Second).ID); got.Slave != "slave-1" {
					w.t.Errorf("one without requirements ran on %s", got.Slave)
				}
				started := map[uint64]time.Time{}
				for _, id := range ids {
					got := w.client.wait(id)
					started[id] = got.StartedAt
					if got.Slave != "slave-2" {
						w.t.Errorf("task %d ran on %s, which has not its labels", id, got.Slave)
					}
				}
				order := slices.SortedFunc(slices.Values(ids), func(a, b uint64) int { return started[a].Compare(started[b]) })
				if !slices.Equal(order, ids) {
					w.t.Errorf("they ran as %v, want %v", order, ids)
				}
				if got := w.task(nobody); got.Status != client.TaskPending {
					w.t.Errorf("task %d is %s on %v, and nobody has its label", nobody, got.Status, got.Slave)
				}
				j := w.client.requiring(time.Second, "gpu", "no")
				j.queued = false
				if _, err := w.client.try(w.t.Context(), w.client.api, j); code(err) != client.CodeNoSlaveForKind {
					w.t.Errorf("one that may not wait: %v", err)
				}
				w.labelled("slave-3", 1, map[string]string{"gpu": "no"})
				if got := w.client.wait(nobody); got.Slave != "slave-3" {
					w.t.Errorf("it ran on %s", got.Slave)
				}
			})
		})
	}
}

// TestAKindHasOneMeaningWhoeverLeads: the leader is lost when a slave comes to its
// disk that declares a kind otherwise than one that is there. The next leader
// refuses it, too, until the other one has left.
func TestAKindHasOneMeaningWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				careful := w.embedded("slave-1", 1)
				bold := &slave{w: w, name: "slave-2", slots: 1, drain: 10 * time.Second, run: runBold}
				w.slaves = append(w.slaves, bold)
				w.seen.Slave(bold.name, bold.slots)
				w.lostAt(l, func(context.Context) error {
					if bold.process == nil {
						bold.start()
						w.client.submit(time.Second)
					}
					return nil
				})
				w.sleep(10 * time.Second)
				if got, err := bold.entry(w.t.Context()); err == nil {
					w.t.Errorf("it was registered: %+v", got)
				}
				if err := careful.halt(); err != nil {
					w.t.Error(err)
				}
				bold.registered()
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
		Kinds: []library.Kind{{Name: task.KindExpression, Idempotent: true, Handle: cfg.Evaluate}, {Name: once, Idempotent: true, Handle: cfg.Evaluate}},
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
