package promises_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	"muster/systemtest/evidence"
	"muster/systemtest/simnet"
)

// patience bounds every wait, in fake time.
const patience = 2 * time.Minute

// linger is longer than any time-out inside a process that has ended.
const linger = 3 * time.Minute

// world is masters, slaves and clients on one network.
type world struct {
	t        *testing.T
	net      *simnet.Network
	seen     *evidence.Evidence
	masters  []*master // in the order in which they were made
	slaves   []*slave
	scripted []*scripted
	list     []app.Peer // the founders
	client   *user      // on host "client"
	observer *user      // on host "observer", that no fault separates from anybody
	options  options
}

// options are what a story may want otherwise.
type options struct {
	questionTTL time.Duration
	snapshots   uint64 // entries between snapshots; 0: the default
	retention   app.Retention
	clock       map[string]time.Duration // by master: how far its wall clock is ahead
	logs        slog.Handler             // of all processes; nil: none
}

// bubble tells a story in fake time and checks all promises at its end.
func bubble(t *testing.T, story func(w *world)) {
	t.Helper()
	with(t, options{questionTTL: time.Second}, story)
}

// bothWays tells a story with slaves that are asked for every task, and with
// answers that serve for a while.
func bothWays(t *testing.T, story func(w *world)) {
	t.Helper()
	for _, ttl := range []time.Duration{0, time.Second} {
		t.Run("ttl "+ttl.String(), func(t *testing.T) { with(t, options{questionTTL: ttl}, story) })
	}
}

// with tells a story with options.
func with(t *testing.T, o options, story func(w *world)) {
	t.Helper()
	before := descriptors(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: simnet.New(), seen: evidence.New(), options: o}
		w.client, w.observer = w.user("client"), w.user("observer")
		defer w.shutdown()
		story(w)
		if !t.Failed() {
			w.settle()
			w.judge()
		}
	})
	if after := descriptors(t); !t.Failed() && after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// descriptors counts this process's open files.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // no such thing on this platform
	}
	return len(open)
}

// formed makes and starts the masters m1 … mN by one list, and waits for them.
func (w *world) formed(n int) {
	w.t.Helper()
	for i := 1; i <= n; i++ {
		w.master(fmt.Sprintf("m%d", i))
	}
	for _, m := range w.masters {
		w.list = append(w.list, app.Peer{ID: m.id, RaftAddress: m.raft(), APIURL: m.url()})
	}
	for _, m := range w.masters {
		m.config.Masters = w.list
		m.start()
	}
	w.ready()
}

// ready waits until all masters that run are ready and agree on one leader.
func (w *world) ready() {
	w.t.Helper()
	w.await("a leader that all masters follow", func(ctx context.Context) error {
		leader := ""
		for _, m := range w.running() {
			s, err := w.observer.api.Status(ctx, m.url(), false)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", m.id, err)
			case !s.Ready:
				return fmt.Errorf("%s is not ready: %s", m.id, s.NotReady)
			case leader != "" && leader != s.LeaderID:
				return fmt.Errorf("%s follows %s, not %s", m.id, s.LeaderID, leader)
			}
			leader = s.LeaderID
		}
		return nil
	})
}

// startAll starts the masters that are down, and waits until all are ready.
func (w *world) startAll() {
	w.t.Helper()
	for _, m := range w.masters {
		if m.process == nil && !m.removed {
			m.start()
		}
	}
	w.ready()
}

func (w *world) running() []*master {
	var out []*master
	for _, m := range w.masters {
		if m.process != nil {
			out = append(out, m)
		}
	}
	return out
}

// leader waits for a master that leads and has taken over: it takes part in
// writes that reach it.
func (w *world) leader() *master {
	w.t.Helper()
	var leader *master
	w.await("a leader", func(ctx context.Context) error {
		highest := uint64(0)
		leader = nil
		for _, m := range w.running() {
			s, err := w.observer.api.Status(ctx, m.url(), false)
			if err == nil && s.Role == client.RoleLeader && s.Ready && s.Term > highest {
				leader, highest = m, s.Term
			}
		}
		if leader == nil {
			return fmt.Errorf("none of %d masters leads", len(w.running()))
		}
		return nil
	})
	return leader
}

// followers returns the running masters that are not the given one.
func (w *world) followers(leader *master) []*master {
	return slices.DeleteFunc(w.running(), func(m *master) bool { return m == leader })
}

// await repeats a question until it is answered without an error.
func (w *world) await(what string, ask func(ctx context.Context) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		if err = ask(ctx); err == nil {
			return
		}
		w.sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("waited %v for %s: %v", patience, what, err)
}

// sleep lets fake time pass.
func (w *world) sleep(d time.Duration) { time.Sleep(d) } // fake time

// settle undoes all faults and waits until everything acknowledged is done and
// all masters hold the same.
func (w *world) settle() {
	w.t.Helper()
	w.net.PassAll()
	for _, m := range w.masters {
		m.disk.release()
	}
	for _, s := range w.scripted {
		s.behave()
	}
	w.startAll()
	for _, id := range w.seen.IDs() {
		w.await(fmt.Sprintf("task %d to be done", id), func(ctx context.Context) error {
			t, err := w.observer.api.Task(ctx, id, client.ReadOptions{})
			if code(err) == client.CodeTaskForgotten {
				return nil // only what is done is ever forgotten
			}
			if err == nil && t.Status != client.TaskDone {
				err = fmt.Errorf("%+v", t)
			}
			return err
		})
	}
	w.await("all masters to hold the same, and all slots to be free", func(ctx context.Context) error {
		var first client.Status
		for i, m := range w.running() {
			s, err := w.observer.api.Status(ctx, m.url(), true)
			switch {
			case err != nil:
				return err
			case s.Counts.Pending+s.Counts.InProgress > 0 || s.Capacity.Busy > 0:
				return fmt.Errorf("%s has %+v, %+v", m.id, s.Counts, s.Capacity)
			case i == 0:
				first = s
			case s.AppliedIndex != first.AppliedIndex || s.Fingerprint != first.Fingerprint:
				return fmt.Errorf("%s is at %d (%s), %s at %d (%s)", first.ID, first.AppliedIndex, first.Fingerprint, m.id, s.AppliedIndex, s.Fingerprint)
			}
		}
		return nil
	})
}

// judge holds the evidence against the promises.
func (w *world) judge() {
	w.t.Helper()
	dumps := w.dumps()
	for range 10 { // an entry may have come between two of them: a repeat that was refused, say
		if !slices.ContainsFunc(dumps, func(d evidence.Dump) bool { return d.Status.AppliedIndex != dumps[0].Status.AppliedIndex }) {
			break
		}
		w.sleep(time.Second)
		dumps = w.dumps()
	}
	for _, d := range dumps {
		w.seen.Dump(d)
	}
	if wrong := w.seen.Check(); len(wrong) > 0 {
		w.t.Errorf("broken promises:\n  %s", strings.Join(wrong, "\n  "))
	}
}

// dumps asks all masters, one after the other, for all that they have.
func (w *world) dumps() []evidence.Dump {
	w.t.Helper()
	var all []evidence.Dump
	for _, m := range w.running() {
		all = append(all, w.dump(m))
	}
	return all
}

// dump asks one master for all that it has.
func (w *world) dump(m *master) evidence.Dump {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := w.observer.of(m)
	d := evidence.Dump{Master: m.id}
	var err error
	if d.Status, err = c.Status(ctx, m.url(), true); err != nil {
		w.t.Fatal(err)
	}
	if d.Slaves, err = c.Slaves(ctx, client.ReadOptions{}); err != nil {
		w.t.Fatal(err)
	}
	for t, err := range c.List(ctx, client.ListOptions{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		d.Tasks = append(d.Tasks, t)
	}
	return d
}

// shutdown ends everything and lets time-outs of the dead run out.
func (w *world) shutdown() {
	w.net.PassAll()
	for _, m := range w.masters {
		m.disk.release()
		if m.process != nil {
			m.crash()
		}
	}
	for _, s := range w.slaves {
		if s.process != nil {
			s.crash()
		}
	}
	for _, s := range w.scripted {
		s.crash()
	}
	for _, u := range []*user{w.client, w.observer} {
		u.leave()
	}
	w.sleep(linger)
	for _, m := range w.masters {
		m.ended.Wait()
	}
	for _, s := range w.slaves {
		s.ended.Wait()
	}
}

// logger writes to stderr if MUSTER_TEST_LOG is set.
func (w *world) logger(role, name string) *slog.Logger {
	if w.options.logs != nil {
		return slog.New(w.options.logs).With(role, name)
	}
	if os.Getenv("MUSTER_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With(role, name)
}
