package slave

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"muster/slave/link"
	"muster/slave/worker"
	"muster/task"
	"muster/task/browser"
)

// Bounds of the steps of the end, after draining.
const (
	stopTimeout  = 5 * time.Second  // for handlers that were told to stop
	leaveTimeout = 10 * time.Second // for a master to hear the goodbye
	closeTimeout = time.Second      // for answers under way
)

// Run runs the slave until ctx ends or it can't listen any more. When ctx ends
// it takes no more work, finishes and reports what it has within DrainTimeout,
// leaves, and returns nil; the error says what could not be finished. Each call
// is a new incarnation, and so is the time after the masters were found to be
// another cluster.
func (s *Slave) Run(ctx context.Context) error {
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("slave %q: %w", s.cfg.Name, err)
	}
	return nil
}

func (s *Slave) run(ctx context.Context) error {
	listener, url, err := s.cfg.listen()
	if err != nil {
		return err
	}
	incarnation := newIncarnation()
	handlers, engines := s.cfg.executors()
	resized, estranged := make(chan struct{}, 1), make(chan struct{}, 1)
	w, err := s.begin(worker.Config{
		Name: s.cfg.Name, Incarnation: incarnation, Handlers: handlers, Engines: engines, Reporter: s.cfg.Masters, Logger: s.cfg.Logger,
		Resized:   func() { tell(resized) },
		Estranged: func() { tell(estranged) },
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer s.ended()

	server := newServing(listener, link.NewServer(w, s.cfg.Logger, browser.HostOf(url), machineName()))
	if s.cfg.Listening != nil {
		s.cfg.Listening(url)
	}
	s.log.Info("listening", "url", url, "slots", w.Slots(), "incarnation", incarnation)
	registering, stopRegistering := context.WithCancel(ctx)
	defer stopRegistering()
	r := registrar{
		masters: s.cfg.Masters, self: s.cfg.registration(url, incarnation),
		worker: w, resized: resized, estranged: estranged, silence: s.cfg.SilenceTimeout, log: s.log,
	}
	var registrarDone sync.WaitGroup
	registrarDone.Go(func() { r.run(registering) })

	select {
	case <-ctx.Done():
		s.log.Info("draining", "at_most", s.cfg.DrainTimeout)
	case err = <-server.failed:
		err = fmt.Errorf("serve %s: %w", url, err)
	}
	stopRegistering()
	registrarDone.Wait()
	return errors.Join(err, s.end(context.WithoutCancel(ctx), w, &r), server.close())
}

// tell leaves a value in a channel that has room for one.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was told already
	}
}

// begin starts the worker of a run.
func (s *Slave) begin(cfg worker.Config) (*worker.Worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg.Slots = s.slots
	w, err := worker.New(cfg)
	if err == nil {
		err = w.Start()
	}
	if err != nil {
		return nil, err
	}
	s.worker = w
	return w, nil
}

// ended forgets the worker of a run that is over.
func (s *Slave) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots, s.worker = s.worker.Slots(), nil
}

// Resize changes how many tasks the slave runs at once, now and in later runs. What
// runs goes on: with more of it than slots, nothing is taken until there is room.
// The masters learn of it at once.
func (s *Slave) Resize(slots int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker != nil {
		if err := s.worker.Resize(slots); err != nil {
			return fmt.Errorf("slave %q: %w", s.cfg.Name, err)
		}
		return nil
	}
	if slots < 1 || slots > task.MaxSlots {
		return fmt.Errorf("slave %q: %w: %d slots; 1 to %d are possible", s.cfg.Name, task.ErrNoSize, slots, task.MaxSlots)
	}
	s.slots = slots
	return nil
}

// end finishes what the worker has, as far as there is time, and says goodbye.
func (s *Slave) end(ctx context.Context, w *worker.Worker, r *registrar) error {
	draining, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	err := w.Drain(draining)

	stopping, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if hung := w.Stop(stopping); hung != nil {
		// Something still runs: saying goodbye now would let a master start it
		// elsewhere while it does. A closed port, or silence, gives it a little more
		// time.
		return errors.Join(err, hung)
	}

	leaving, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	r.leave(leaving)
	return err
}

// serving is an HTTP server that runs.
type serving struct {
	server *http.Server
	failed chan error // has a value if it ended by itself
	done   sync.WaitGroup
}

func newServing(l net.Listener, server *http.Server) *serving {
	s := &serving{server: server, failed: make(chan error, 1)}
	s.done.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return s
}

// close lets answers under way end, shortly, and closes everything.
func (s *serving) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	s.done.Wait()
	return err
}

// newIncarnation returns 16 random hex digits.
func newIncarnation() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}
