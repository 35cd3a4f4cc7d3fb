package slaves_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	library "muster/slave"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
	"muster/task"
)

// embedded starts a slave as people embed it, with a kind of its own that is not
// idempotent.
func embedded(w *story.World, name string, slots int) *story.Slave {
	w.T.Helper()
	s := &story.Slave{W: w, Name: name, Slots: slots, Drain: 10 * time.Second, Run: runEmbedded}
	w.Slaves = append(w.Slaves, s)
	w.Seen.Slave(name, slots)
	s.Start()
	s.Registered()
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
			{Name: story.Once, Handle: cfg.Evaluate},
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
	for name, fault := range map[string]func(w *story.World, s *story.Slave){
		"the slave dies":           func(_ *story.World, s *story.Slave) { s.Crash() },
		"the slave vanishes":       func(_ *story.World, s *story.Slave) { s.Vanish() },
		"the slave restarts":       func(_ *story.World, s *story.Slave) { s.Crash(); s.Restart() },
		"the slave leaves":         func(w *story.World, s *story.Slave) { s.Halt(); w.Sleep(time.Second); s.Restart() }, //nolint:errcheck // it may have too much to do
		"the slave pauses":         func(w *story.World, s *story.Slave) { s.Pause(); w.Sleep(9 * time.Second); s.Heal() },
		"the slave pauses shortly": func(w *story.World, s *story.Slave) { s.Pause(); w.Sleep(2 * time.Second); s.Heal() },
		"the slave is deaf":        func(w *story.World, s *story.Slave) { s.Deaf(); w.Sleep(9 * time.Second); s.Heal() },
		"the slave is mute":        func(w *story.World, s *story.Slave) { s.Mute(); w.Sleep(9 * time.Second); s.Heal() },
		"the leader dies":          func(w *story.World, _ *story.Slave) { w.Leader().Crash() },
		"the leader pauses": func(w *story.World, _ *story.Slave) {
			l := w.Leader()
			l.Pause()
			w.Sleep(9 * time.Second)
			l.Resume()
		},
		"the leader is alone": func(w *story.World, _ *story.Slave) {
			w.Leader().Alone()
			w.Sleep(9 * time.Second)
			w.Net.PassAll()
		},
		"the slave pauses, and the leader dies": func(w *story.World, s *story.Slave) {
			s.Pause()
			w.Leader().Crash()
			w.Sleep(9 * time.Second)
			s.Heal()
		},
		"the slave is mute, restarts, and the leader dies": func(w *story.World, s *story.Slave) {
			s.Mute()
			w.Sleep(500 * time.Millisecond)
			s.Crash()
			s.Heal()
			w.Leader().Crash()
			s.Restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				first := embedded(w, "slave-1", 3)
				embedded(w, "slave-2", 3)
				w.Sleep(2 * time.Second)
				var submits []*story.Started
				for i := range 10 {
					j := w.Client.Sleeping(time.Duration(i%4) * 700 * time.Millisecond)
					if i%2 == 0 {
						j.Kind = story.Once
						j.Want.Outcome = "" // succeeded or lost
					}
					submits = append(submits, w.Client.Start(w.Client.API, j, 30*time.Second))
					w.Sleep(150 * time.Millisecond)
					if i == 5 {
						fault(w, first)
					}
				}
				for _, s := range submits {
					if <-s.Done; s.Err != nil {
						continue // full capacity, mostly
					}
					ranAsPromised(w, s)
				}
			})
		})
	}
}

// ranAsPromised checks how often a task was executed.
func ranAsPromised(w *story.World, s *story.Started) {
	w.T.Helper()
	t := w.Client.Wait(s.Answer.Task.ID)
	runs := w.Seen.Runs(t.ID)
	switch {
	case t.Outcome == client.Succeeded && len(runs) == 0:
		w.T.Errorf("task %d succeeded and never ran", t.ID)
	case s.Job.Kind != story.Once:
	case len(runs) > 1:
		w.T.Errorf("task %d, which may run once, ran %d times: %+v", t.ID, len(runs), runs)
	case t.Outcome != client.Succeeded && t.Outcome != client.Lost:
		w.T.Errorf("task %d: %s %s", t.ID, t.Outcome, t.Error)
	}
}

// A slave that vanishes with tasks: the idempotent one runs again, the other is
// lost, and says why.
func TestAVanishedSlavesTasksRunAgainOrAreLost(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		first := embedded(w, "slave-1", 2)
		embedded(w, "slave-2", 2)
		again := w.Client.Submit(2 * time.Second).ID
		j := w.Client.Sleeping(2 * time.Second)
		j.Kind, j.Want = story.Once, evidence.Want{Outcome: client.Lost}
		never := w.Client.Put(j).Task.ID
		runsOn(w, again, "slave-1")
		runsOn(w, never, "slave-1")
		first.Vanish()
		wantEnd(w, again, client.Succeeded, "slave-2", 2, 2)
		wantEnd(w, never, client.Lost, "slave-1", 1, 1)
		if got := lookUp(w, never); got.Error == "" || got.Result != nil {
			w.T.Errorf("%+v, want it to say why", got)
		}
	})
}
