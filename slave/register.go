package slave

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"muster/slave/worker"
	"muster/task"
)

// registerTimeout bounds one call of RegisterSlave, which may try several masters.
const registerTimeout = 30 * time.Second

// registrar keeps the slave registered. run is one goroutine; leave is called
// when it has ended.
type registrar struct {
	masters Masters
	self    task.Registration
	asked   func() time.Time // when a master last asked something
	slots   func() int       // how many there are now
	silence time.Duration    // without questions, after which to register again
	changed chan struct{}    // has a value when what a master knows is old
	log     *slog.Logger

	registered time.Time // zero: not yet
	mayBeKnown bool      // a master may have it in the registry
	complaint  string    // why the last call failed; empty if it did not
}

// run registers, and again whenever the masters are silent, until ctx ends.
func (r *registrar) run(ctx context.Context) {
	pause := worker.Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	for {
		if wait := r.untilSilence(); wait > 0 {
			// Chance, so that not all slaves of a master that was away come at
			// once.
			again, ok := r.pause(ctx, wait+rand.N(r.silence/10+1)) //nolint:gosec // chance, not secrecy
			if !ok {
				return
			}
			if !again {
				continue
			}
		}
		if err := r.register(ctx); err != nil {
			if ctx.Err() != nil || !worker.Sleep(ctx, pause.Next()) {
				return
			}
			r.soon()
			continue
		}
		pause.Reset()
	}
}

// soon has the slave register again: it has changed. It never waits.
func (r *registrar) soon() {
	select {
	case r.changed <- struct{}{}:
	default: // that is to come already
	}
}

// pause waits, and tells whether the slave has changed meanwhile; ok is false if
// ctx has ended.
func (r *registrar) pause(ctx context.Context, d time.Duration) (changed, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.changed:
		return true, true
	case <-timer.C:
		return false, true
	case <-ctx.Done():
		return false, false
	}
}

// untilSilence returns the time after which the slave should register, if no
// master asks it anything before.
func (r *registrar) untilSilence() time.Duration {
	if r.registered.IsZero() {
		return 0
	}
	heard := r.registered
	if asked := r.asked(); asked.After(heard) {
		heard = asked
	}
	return r.silence - time.Since(heard)
}

func (r *registrar) register(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	select {
	case <-r.changed: // this call tells it
	default:
	}
	r.self.Slots = r.slots()
	err := r.masters.RegisterSlave(limited, r.self)
	if err == nil {
		if r.registered.IsZero() || r.complaint != "" {
			r.log.Info("registered", "url", r.self.URL)
		}
		r.registered, r.mayBeKnown, r.complaint = time.Now(), true, ""
		return nil
	}
	r.complain(ctx, err)
	return err
}

// complain logs why a registration failed: once for each reason in a row.
func (r *registrar) complain(ctx context.Context, err error) {
	reason := "no answer"
	refusal, refused := errors.AsType[*task.Error](err)
	if refused {
		reason = string(refusal.Code)
	}
	if !refused || refusal.Code == task.CodeOutcomeUnknown {
		r.mayBeKnown = true // it may have arrived
	}
	if ctx.Err() != nil || reason == r.complaint {
		r.log.Debug("not registered", "error", err)
		return
	}
	r.complaint = reason
	r.log.Warn("not registered, will keep trying", "error", err)
}

// leave says goodbye, if anybody can know the slave: until it is heard or ctx
// ends; once, if the slave never heard that it is registered.
func (r *registrar) leave(ctx context.Context) {
	if !r.mayBeKnown {
		return
	}
	pause := worker.Backoff{Min: 50 * time.Millisecond, Max: time.Second}
	for {
		err := r.masters.LeaveSlave(ctx, r.self.Name, r.self.Incarnation)
		if err == nil {
			r.log.Info("left")
			return
		}
		// The masters do not have this incarnation, or not any more: as good.
		if errors.Is(err, &task.Error{Code: task.CodeSlaveNotFound}) || errors.Is(err, &task.Error{Code: task.CodeWrongIncarnation}) {
			r.log.Debug("left already", "error", err)
			return
		}
		if r.registered.IsZero() || !worker.Sleep(ctx, pause.Next()) {
			r.log.Warn("could not say goodbye; the masters will find this slave silent", "error", err)
			return
		}
	}
}
