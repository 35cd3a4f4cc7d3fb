package story

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

// Patience bounds every wait, in fake time.
const Patience = 2 * time.Minute

// linger is longer than any time-out inside a process that has ended.
const linger = 3 * time.Minute

// World is masters, slaves and clients on one network.
type World struct {
	T        *testing.T
	Net      *simnet.Network
	Seen     *evidence.Evidence
	Masters  []*Master // in the order in which they were made
	Slaves   []*Slave
	scripted []*Scripted
	list     []app.Peer // the founders
	Client   *User      // on host "client"
	Observer *User      // on host "observer", that no fault separates from anybody
	options  Options
}

// Options are what a story may want otherwise.
type Options struct {
	QuestionTTL time.Duration
	Snapshots   uint64 // entries between snapshots; 0: the default
	Retention   app.Retention
	Clock       map[string]time.Duration // by master: how far its wall clock is ahead
	Logs        slog.Handler             // of all processes; nil: none
}

// Tell tells a story in fake time and checks all promises at its end.
func Tell(t *testing.T, story func(w *World)) {
	t.Helper()
	TellWith(t, Options{QuestionTTL: time.Second}, story)
}

// TellBothWays tells a story with slaves that are asked for every task, and with
// answers that serve for a while.
func TellBothWays(t *testing.T, story func(w *World)) {
	t.Helper()
	for _, ttl := range []time.Duration{0, time.Second} {
		t.Run("ttl "+ttl.String(), func(t *testing.T) { TellWith(t, Options{QuestionTTL: ttl}, story) })
	}
}

// TellWith tells a story with options.
func TellWith(t *testing.T, o Options, story func(w *World)) {
	t.Helper()
	before := Descriptors(t)
	synctest.Test(t, func(t *testing.T) {
		w := &World{T: t, Net: simnet.New(), Seen: evidence.New(), options: o}
		w.Client, w.Observer = w.User("client"), w.User("observer")
		defer w.shutdown()
		story(w)
		if !t.Failed() {
			w.settle()
			w.judge()
		}
	})
	if after := Descriptors(t); !t.Failed() && after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// Descriptors counts this process's open files.
func Descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // no such thing on this platform
	}
	return len(open)
}

// Formed makes and starts the masters m1 … mN by one list, and waits for them.
func (w *World) Formed(n int) {
	w.T.Helper()
	for i := 1; i <= n; i++ {
		w.master(fmt.Sprintf("m%d", i))
	}
	for _, m := range w.Masters {
		w.list = append(w.list, app.Peer{ID: m.ID, RaftAddress: m.raft(), APIURL: m.URL()})
	}
	for _, m := range w.Masters {
		m.Config.Masters = w.list
		m.Start()
	}
	w.Ready()
}

// Ready waits until all masters that run are ready and agree on one leader.
func (w *World) Ready() {
	w.T.Helper()
	w.Await("a leader that all masters follow", func(ctx context.Context) error {
		leader := ""
		for _, m := range w.Running() {
			s, err := w.Observer.API.Status(ctx, m.URL(), false)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", m.ID, err)
			case !s.Ready:
				return fmt.Errorf("%s is not ready: %s", m.ID, s.NotReady)
			case leader != "" && leader != s.LeaderID:
				return fmt.Errorf("%s follows %s, not %s", m.ID, s.LeaderID, leader)
			}
			leader = s.LeaderID
		}
		return nil
	})
}

// StartAll starts the masters that are down, and waits until all are ready.
func (w *World) StartAll() {
	w.T.Helper()
	for _, m := range w.Masters {
		if m.Process == nil && !m.removed {
			m.Start()
		}
	}
	w.Ready()
}

// Running returns the masters that run.
func (w *World) Running() []*Master {
	var out []*Master
	for _, m := range w.Masters {
		if m.Process != nil {
			out = append(out, m)
		}
	}
	return out
}

// Leader waits for a master that leads and has taken over: it takes part in
// writes that reach it.
func (w *World) Leader() *Master {
	w.T.Helper()
	var leader *Master
	w.Await("a leader", func(ctx context.Context) error {
		highest := uint64(0)
		leader = nil
		for _, m := range w.Running() {
			s, err := w.Observer.API.Status(ctx, m.URL(), false)
			if err == nil && s.Role == client.RoleLeader && s.Ready && s.Term > highest {
				leader, highest = m, s.Term
			}
		}
		if leader == nil {
			return fmt.Errorf("none of %d masters leads", len(w.Running()))
		}
		return nil
	})
	return leader
}

// Followers returns the running masters that are not the given one.
func (w *World) Followers(leader *Master) []*Master {
	return slices.DeleteFunc(w.Running(), func(m *Master) bool { return m == leader })
}

// Await repeats a question until it is answered without an error. It asks often at
// first and then seldom, so that what it waits for is noticed soon after, in
// proportion to the wait, and a wait of minutes is not thousands of questions.
func (w *World) Await(what string, ask func(ctx context.Context) error) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	began := time.Now()
	var err error
	for ctx.Err() == nil {
		if err = ask(ctx); err == nil {
			return
		}
		w.Sleep(max(10*time.Millisecond, time.Since(began)/20))
	}
	w.T.Fatalf("waited %v for %s: %v", Patience, what, err)
}

// Sleep lets fake time pass.
func (w *World) Sleep(d time.Duration) { time.Sleep(d) } // fake time

// settle undoes all faults and waits until everything acknowledged is done and
// all masters hold the same.
func (w *World) settle() {
	w.T.Helper()
	w.Net.PassAll()
	for _, m := range w.Masters {
		m.Disk.Release()
	}
	for _, s := range w.scripted {
		s.Behave()
	}
	w.StartAll()
	for _, id := range w.Seen.IDs() {
		w.Await(fmt.Sprintf("task %d to be done", id), func(ctx context.Context) error {
			t, err := w.Observer.API.Task(ctx, id, client.ReadOptions{})
			if Code(err) == client.CodeTaskForgotten {
				return nil // only what is done is ever forgotten
			}
			if err == nil && t.Status != client.TaskDone {
				err = fmt.Errorf("%+v", t)
			}
			return err
		})
	}
	w.Await("all masters to hold the same, and all slots to be free", func(ctx context.Context) error {
		var first client.Status
		for i, m := range w.Running() {
			s, err := w.Observer.API.Status(ctx, m.URL(), true)
			switch {
			case err != nil:
				return err
			case s.Counts.Pending+s.Counts.InProgress > 0 || s.Capacity.Busy > 0:
				return fmt.Errorf("%s has %+v, %+v", m.ID, s.Counts, s.Capacity)
			case i == 0:
				first = s
			case s.AppliedIndex != first.AppliedIndex || s.Fingerprint != first.Fingerprint:
				return fmt.Errorf("%s is at %d (%s), %s at %d (%s)", first.ID, first.AppliedIndex, first.Fingerprint, m.ID, s.AppliedIndex, s.Fingerprint)
			}
		}
		return nil
	})
}

// judge holds the evidence against the promises.
func (w *World) judge() {
	w.T.Helper()
	dumps := w.dumps()
	for range 10 { // an entry may have come between two of them: a repeat that was refused, say
		if !slices.ContainsFunc(dumps, func(d evidence.Dump) bool { return d.Status.AppliedIndex != dumps[0].Status.AppliedIndex }) {
			break
		}
		w.Sleep(time.Second)
		dumps = w.dumps()
	}
	for _, d := range dumps {
		w.Seen.Dump(d)
	}
	if wrong := w.Seen.Check(); len(wrong) > 0 {
		w.T.Errorf("broken promises:\n  %s", strings.Join(wrong, "\n  "))
	}
}

// dumps asks all masters, one after the other, for all that they have.
func (w *World) dumps() []evidence.Dump {
	w.T.Helper()
	var all []evidence.Dump
	for _, m := range w.Running() {
		all = append(all, w.Dump(m))
	}
	return all
}

// Dump asks one master for all that it has.
func (w *World) Dump(m *Master) evidence.Dump {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c := w.Observer.Of(m)
	d := evidence.Dump{Master: m.ID}
	var err error
	if d.Status, err = c.Status(ctx, m.URL(), true); err != nil {
		w.T.Fatal(err)
	}
	if d.Slaves, err = c.Slaves(ctx, client.ReadOptions{}); err != nil {
		w.T.Fatal(err)
	}
	for t, err := range c.List(ctx, client.ListOptions{}) {
		if err != nil {
			w.T.Fatal(err)
		}
		d.Tasks = append(d.Tasks, t)
	}
	return d
}

// shutdown ends everything and lets time-outs of the dead run out.
func (w *World) shutdown() {
	w.Net.PassAll()
	for _, m := range w.Masters {
		m.Disk.Release()
		if m.Process != nil {
			m.Crash()
		}
	}
	for _, s := range w.Slaves {
		if s.Process != nil {
			s.Crash()
		}
	}
	for _, s := range w.scripted {
		s.Crash()
	}
	for _, u := range []*User{w.Client, w.Observer} {
		u.Leave()
	}
	w.Sleep(linger)
	for _, m := range w.Masters {
		m.ended.Wait()
	}
	for _, s := range w.Slaves {
		s.ended.Wait()
	}
}

// logger writes to stderr if MUSTER_TEST_LOG is set.
func (w *World) logger(role, name string) *slog.Logger {
	if w.options.Logs != nil {
		return slog.New(w.options.Logs).With(role, name)
	}
	if os.Getenv("MUSTER_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With(role, name)
}
