package story

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

// Slave is one real slave over its restarts, on a host of its name. Expressions
// are computed in this process, with a sleep in fake time.
type Slave struct {
	W           *World
	Name        string
	Slots       int
	Labels      map[string]string
	Drain       time.Duration
	starts      int             // incarnations so far
	incarnation string          // of the run that was last seen in the registry
	Process     *simnet.Process // of the present run; nil: down
	stop        context.CancelFunc
	kill        context.CancelCauseFunc // ends what it executes
	done        chan struct{}           // closed when the present run has returned
	err         *error                  // what it returned; valid after done
	ended       sync.WaitGroup          // all runs
	// run is what the process does; default: app.RunSlave.
	Run func(ctx context.Context, cfg app.SlaveConfig, ready func(url string)) error
}

var errSlaveKilled = errors.New("the slave was killed")

// Slave starts a slave that knows all masters and waits until it is registered.
func (w *World) Slave(name string, slots int) *Slave {
	w.T.Helper()
	s := &Slave{W: w, Name: name, Slots: slots, Drain: 10 * time.Second, Run: app.RunSlave}
	w.Slaves = append(w.Slaves, s)
	w.Seen.Slave(name, slots)
	s.Start()
	s.Registered()
	return s
}

// Start runs the slave; it returns once it listens, or the run has ended.
func (s *Slave) Start() {
	s.W.T.Helper()
	p := s.W.Net.Start(s.Name)
	s.starts++
	incarnation := s.starts
	ctx, cancel := context.WithCancel(context.Background())
	living, kill := context.WithCancelCause(context.Background())
	done, listening := make(chan struct{}), make(chan struct{})
	ended := new(error)
	s.Process, s.stop, s.kill, s.done, s.err = p, cancel, kill, done, ended
	evaluator := evaluate.New(nil)
	cfg := app.SlaveConfig{
		Name: s.Name, Listen: s.Name + ":90", Slots: s.Slots, DrainTimeout: s.Drain, Labels: s.Labels, Version: "story",
		Logger: s.W.logger("slave", s.Name), Network: app.Network{Listen: p.Listen, Dial: p.Dial},
		Evaluate: func(ctx context.Context, o task.Order) (task.Value, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			defer context.AfterFunc(living, func() { cancel(errSlaveKilled) })() //nolint:revive // AfterFunc returns what ends it
			end := s.W.Seen.Begin(evidence.Run{Slave: s.Name, Incarnation: incarnation, Task: uint64(o.ID), Attempt: o.Attempt})
			v, err := evaluator.Evaluate(ctx, o)
			if living.Err() == nil {
				end()
			}
			return v, err
		},
	}
	for _, m := range s.W.Masters {
		cfg.Masters = append(cfg.Masters, m.URL())
	}
	s.ended.Go(func() {
		defer close(done)
		*ended = s.Run(ctx, cfg, func(string) { close(listening) })
	})
	select {
	case <-listening:
	case <-done:
	}
}

// Registered waits until the leader's registry has this run.
func (s *Slave) Registered() {
	s.W.T.Helper()
	s.W.Await(s.Name+" to register", func(ctx context.Context) error {
		x, err := s.Entry(ctx)
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

// Entry returns the slave's entry in the leader's registry.
func (s *Slave) Entry(ctx context.Context) (client.Slave, error) {
	all, err := s.W.Observer.API.Slaves(ctx, client.ReadOptions{Linearizable: true})
	if err != nil {
		return client.Slave{}, err
	}
	for _, x := range all {
		if x.Name == s.Name {
			return x, nil
		}
	}
	return client.Slave{}, fmt.Errorf("the registry has no %s", s.Name)
}

// Crash ends the run as SIGKILL does.
func (s *Slave) Crash() { s.down((*simnet.Process).Crash) }

// Vanish ends the run as a pulled plug does.
func (s *Slave) Vanish() { s.down((*simnet.Process).Vanish) }

func (s *Slave) down(how func(*simnet.Process)) {
	how(s.Process)
	s.kill(errSlaveKilled) // after it: nobody hears of it
	s.stop()               // it ends in its own time, and reaches nobody
	s.Process = nil
}

// Restart starts the slave again under its name, as a new incarnation.
func (s *Slave) Restart() {
	s.W.T.Helper()
	s.Start()
	s.Registered()
}

// Halt ends the run in order, as SIGTERM does, and returns its error.
func (s *Slave) Halt() error {
	s.stop()
	<-s.done
	s.Process.Crash()
	s.Process = nil
	return *s.err
}

// Deaf holds back what masters send to the slave; it still reaches them.
func (s *Slave) Deaf() {
	for _, m := range s.W.Masters {
		s.W.Net.Block(m.ID, s.Name)
	}
}

// Mute holds back what the slave sends to masters, answers, too.
func (s *Slave) Mute() {
	for _, m := range s.W.Masters {
		s.W.Net.Block(s.Name, m.ID)
	}
}

// Pause stops the slave as far as others can see, until Heal. What it executes
// goes on.
func (s *Slave) Pause() {
	s.Deaf()
	s.Mute()
}

// Heal undoes Deaf, Mute and Pause; what was held back arrives.
func (s *Slave) Heal() {
	for _, m := range s.W.Masters {
		s.W.Net.Pass(m.ID, s.Name)
		s.W.Net.Pass(s.Name, m.ID)
	}
}
