package promises_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	library "muster/slave"
	"muster/systemtest/evidence"
	"muster/task"
)

// embedded starts a slave as people embed it, with a kind of its own that is not
// idempotent.
func (w *world) embedded(name string, slots int) *slave {
	w.t.Helper()
	s := &slave{w: w, name: name, slots: slots, drain: 10 * time.Second, run: runEmbedded}
	w.slaves = append(w.slaves, s)
	w.seen.Slave(name, slots)
	s.start()
	s.registered()
	return s
}

// runEmbedded is what such a process does.
func runEmbedded(ctx context.Context, cfg app.SlaveConfig, ready func(url string)) error {
	listener, err := cfg.Network.Listen(ctx, cfg.Listen)
	if err != nil {
		return err
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
		Name: cfg.Name, Listener: listener, Slots: cfg.Slots, Masters: masters, DrainTimeout: cfg.DrainTimeout,
		Kinds: []library.Kind{
			{Name: task.KindExpression, Idempotent: true, Handle: cfg.Evaluate},
			{Name: once, Handle: cfg.Evaluate},
		},
		Listening: ready, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// A task of a kind that is not idempotent runs at most once, and ends lost if it
// may have run and nobody knows how it ended; any other runs until one result is
// recorded. Whatever happens to slaves and masters.
func TestAtMostOnceAndAtLeastOnce(t *testing.T) {
	for name, fault := range map[string]func(w *world, s *slave){
		"the slave dies":           func(_ *world, s *slave) { s.crash() },
		"the slave vanishes":       func(_ *world, s *slave) { s.vanish() },
		"the slave restarts":       func(_ *world, s *slave) { s.crash(); s.restart() },
		"the slave leaves":         func(w *world, s *slave) { s.halt(); w.sleep(time.Second); s.restart() }, //nolint:errcheck // it may have too much to do
		"the slave pauses":         func(w *world, s *slave) { s.pause(); w.sleep(9 * time.Second); s.heal() },
		"the slave pauses shortly": func(w *world, s *slave) { s.pause(); w.sleep(2 * time.Second); s.heal() },
		"the slave is deaf":        func(w *world, s *slave) { s.deaf(); w.sleep(9 * time.Second); s.heal() },
		"the slave is mute":        func(w *world, s *slave) { s.mute(); w.sleep(9 * time.Second); s.heal() },
		"the leader dies":          func(w *world, _ *slave) { w.leader().crash() },
		"the leader pauses": func(w *world, _ *slave) {
			l := w.leader()
			l.pause()
			w.sleep(9 * time.Second)
			l.resume()
		},
		"the leader is alone": func(w *world, _ *slave) {
			w.leader().alone()
			w.sleep(9 * time.Second)
			w.net.PassAll()
		},
		"the slave pauses, and the leader dies": func(w *world, s *slave) {
			s.pause()
			w.leader().crash()
			w.sleep(9 * time.Second)
			s.heal()
		},
		"the slave is mute, restarts, and the leader dies": func(w *world, s *slave) {
			s.mute()
			w.sleep(500 * time.Millisecond)
			s.crash()
			s.heal()
			w.leader().crash()
			s.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(3)
				first := w.embedded("slave-1", 3)
				w.embedded("slave-2", 3)
				w.sleep(2 * time.Second)
				var submits []*started
				for i := range 10 {
					j := w.client.sleeping(time.Duration(i%4) * 700 * time.Millisecond)
					if i%2 == 0 {
						j.kind = once
						j.want.Outcome = "" // succeeded or lost
					}
					submits = append(submits, w.client.start(w.client.api, j, 30*time.Second))
					w.sleep(150 * time.Millisecond)
					if i == 5 {
						fault(w, first)
					}
				}
				for _, s := range submits {
					if <-s.done; s.err != nil {
						continue // full capacity, mostly
					}
					w.ranAsPromised(s)
				}
			})
		})
	}
}

// ranAsPromised checks how often a task was executed.
func (w *world) ranAsPromised(s *started) {
	w.t.Helper()
	t := w.client.wait(s.answer.Task.ID)
	runs := w.seen.Runs(t.ID)
	switch {
	case t.Outcome == client.Succeeded && len(runs) == 0:
		w.t.Errorf("task %d succeeded and never ran", t.ID)
	case s.job.kind != once:
	case len(runs) > 1:
		w.t.Errorf("task %d, which may run once, ran %d times: %+v", t.ID, len(runs), runs)
	case t.Outcome != client.Succeeded && t.Outcome != client.Lost:
		w.t.Errorf("task %d: %s %s", t.ID, t.Outcome, t.Error)
	}
}

// A slave that vanishes with tasks: the idempotent one runs again, the other is
// lost, and says why.
func TestAVanishedSlavesTasksRunAgainOrAreLost(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		first := w.embedded("slave-1", 2)
		w.embedded("slave-2", 2)
		again := w.client.submit(2 * time.Second).ID
		j := w.client.sleeping(2 * time.Second)
		j.kind, j.want = once, evidence.Want{Outcome: client.Lost}
		never := w.client.put(j).Task.ID
		w.runsOn(again, "slave-1")
		w.runsOn(never, "slave-1")
		first.vanish()
		w.wantEnd(again, client.Succeeded, "slave-2", 2, 2)
		w.wantEnd(never, client.Lost, "slave-1", 1, 1)
		if got := w.task(never); got.Error == "" || got.Result != nil {
			w.t.Errorf("%+v, want it to say why", got)
		}
	})
}
