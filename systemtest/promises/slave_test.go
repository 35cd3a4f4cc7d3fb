package promises_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	"muster/slave/evaluate"
	"muster/systemtest/evidence"
	"muster/systemtest/simnet"
	"muster/task"
)

// slave is one real slave over its restarts, on a host of its name. Expressions
// are computed in this process, with a sleep in fake time.
type slave struct {
	w           *world
	name        string
	slots       int
	labels      map[string]string
	drain       time.Duration
	starts      int             // incarnations so far
	incarnation string          // of the run that was last seen in the registry
	process     *simnet.Process // of the present run; nil: down
	stop        context.CancelFunc
	kill        context.CancelCauseFunc // ends what it executes
	done        chan struct{}           // closed when the present run has returned
	err         *error                  // what it returned; valid after done
	ended       sync.WaitGroup          // all runs
	// run is what the process does; default: app.RunSlave.
	run func(ctx context.Context, cfg app.SlaveConfig, ready func(url string)) error
}

var errSlaveKilled = errors.New("the slave was killed")

// slave starts a slave that knows all masters and waits until it is registered.
func (w *world) slave(name string, slots int) *slave {
	w.t.Helper()
	s := &slave{w: w, name: name, slots: slots, drain: 10 * time.Second, run: app.RunSlave}
	w.slaves = append(w.slaves, s)
	w.seen.Slave(name, slots)
	s.start()
	s.registered()
	return s
}

// start runs the slave; it returns once it listens, or the run has ended.
func (s *slave) start() {
	s.w.t.Helper()
	p := s.w.net.Start(s.name)
	s.starts++
	incarnation := s.starts
	ctx, cancel := context.WithCancel(context.Background())
	living, kill := context.WithCancelCause(context.Background())
	done, listening := make(chan struct{}), make(chan struct{})
	ended := new(error)
	s.process, s.stop, s.kill, s.done, s.err = p, cancel, kill, done, ended
	evaluator := evaluate.New(nil)
	cfg := app.SlaveConfig{
		Name: s.name, Listen: s.name + ":90", Slots: s.slots, DrainTimeout: s.drain, Labels: s.labels, Version: "story",
		Logger: s.w.logger("slave", s.name), Network: app.Network{Listen: p.Listen, Dial: p.Dial},
		Evaluate: func(ctx context.Context, o task.Order) (task.Value, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			defer context.AfterFunc(living, func() { cancel(errSlaveKilled) })() //nolint:revive // AfterFunc returns what ends it
			end := s.w.seen.Begin(evidence.Run{Slave: s.name, Incarnation: incarnation, Task: uint64(o.ID), Attempt: o.Attempt})
			v, err := evaluator.Evaluate(ctx, o)
			if living.Err() == nil {
				end()
			}
			return v, err
		},
	}
	for _, m := range s.w.masters {
		cfg.Masters = append(cfg.Masters, m.url())
	}
	s.ended.Go(func() {
		defer close(done)
		*ended = s.run(ctx, cfg, func(string) { close(listening) })
	})
	select {
	case <-listening:
	case <-done:
	}
}

// registered waits until the leader's registry has this run.
func (s *slave) registered() {
	s.w.t.Helper()
	s.w.await(s.name+" to register", func(ctx context.Context) error {
		x, err := s.entry(ctx)
		switch {
		case err != nil:
			return err
		case x.State != client.SlaveAlive || x.Incarnation == s.incarnation:
			return fmt.Errorf("the registry has %+v", x)
		}
		s.incarnation = x.Incarnation
		return nil
	})
}

// entry returns the slave's entry in the leader's registry.
func (s *slave) entry(ctx context.Context) (client.Slave, error) {
	all, err := s.w.observer.api.Slaves(ctx, client.ReadOptions{Linearizable: true})
	if err != nil {
		return client.Slave{}, err
	}
	for _, x := range all {
		if x.Name == s.name {
			return x, nil
		}
	}
	return client.Slave{}, fmt.Errorf("the registry has no %s", s.name)
}

// crash ends the run as SIGKILL does.
func (s *slave) crash() { s.down((*simnet.Process).Crash) }

// vanish ends the run as a pulled plug does.
func (s *slave) vanish() { s.down((*simnet.Process).Vanish) }

func (s *slave) down(how func(*simnet.Process)) {
	how(s.process)
	s.kill(errSlaveKilled) // after it: nobody hears of it
	s.stop()               // it ends in its own time, and reaches nobody
	s.process = nil
}

// restart starts the slave again under its name, as a new incarnation.
func (s *slave) restart() {
	s.w.t.Helper()
	s.start()
	s.registered()
}

// halt ends the run in order, as SIGTERM does, and returns its error.
func (s *slave) halt() error {
	s.stop()
	<-s.done
	s.process.Crash()
	s.process = nil
	return *s.err
}

// deaf holds back what masters send to the slave; it still reaches them.
func (s *slave) deaf() {
	for _, m := range s.w.masters {
		s.w.net.Block(m.id, s.name)
	}
}

// mute holds back what the slave sends to masters, answers, too.
func (s *slave) mute() {
	for _, m := range s.w.masters {
		s.w.net.Block(s.name, m.id)
	}
}

// pause stops the slave as far as others can see, until heal. What it executes
// goes on.
func (s *slave) pause() {
	s.deaf()
	s.mute()
}

// heal undoes deaf, mute and pause; what was held back arrives.
func (s *slave) heal() {
	for _, m := range s.w.masters {
		s.w.net.Pass(m.id, s.name)
		s.w.net.Pass(s.name, m.id)
	}
}
