package slave

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"muster/slave/worker"
	"muster/task"
	"muster/task/wait"
)

// registerTimeout bounds one call of RegisterSlave, which may try several masters.
const registerTimeout = 30 * time.Second

// doubtfulSilence is the time without a question of a leader after which the slave
// registers again if its masters may be another cluster. A leader asks a slave that
// holds attempts every second, and results that are not settled are such.
const doubtfulSilence = 5 * time.Second

// errMoved says that the masters are another cluster than the slave worked for.
var errMoved = errors.New("the masters are another cluster now")

// registrar keeps the slave registered. run is one goroutine; leave is called
// when it has ended.
type registrar struct {
	masters   Masters
	self      task.Registration
	worker    *worker.Worker
	resized   <-chan struct{} // has a value when its number of slots has changed
	estranged <-chan struct{} // has a value when a report was refused as another cluster's
	silence   time.Duration   // without questions, after which to register again
	log       *slog.Logger

	registered time.Time // zero: not yet
	changed    bool      // the masters have another number of slots
	doubtful   bool      // the masters may be another cluster
	mayBeKnown bool      // a master may have it in the registry
	complaint  string    // why the last call failed; empty if it did not
}

// run registers, and again whenever the masters are silent, until ctx ends.
func (r *registrar) run(ctx context.Context) {
	pause := wait.Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	for {
		if wait := r.untilSilence(); wait > 0 {
			// Chance over the whole interval: a leader asks thousands of slaves within
			// seconds, and when it is lost they would all come within seconds, too.
			if !r.rest(ctx, wait+rand.N(r.patience()+1)) { //nolint:gosec // chance, not secrecy
				return
			}
			continue
		}
		if err := r.register(ctx); err != nil {
			if ctx.Err() != nil || !wait.Sleep(ctx, pause.Next()) {
				return
			}
			continue
		}
		pause.Reset()
	}
}

// rest waits, until something happens that changes for how long at most, and reports
// whether ctx is still alive.
func (r *registrar) rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.resized:
		r.changed = true
	case <-r.estranged:
		r.doubtful = true
	case <-t.C:
	}
	return true
}

// untilSilence returns the time after which the slave should register, if no
// master asks it anything before.
func (r *registrar) untilSilence() time.Duration {
	if r.registered.IsZero() || r.changed {
		return 0
	}
	heard := r.registered
	if asked := r.worker.LastAsked(); asked.After(heard) {
		heard = asked
	}
	return r.patience() - time.Since(heard)
}

// patience is the silence after which the slave registers again, at the earliest; it
// may take twice as long.
func (r *registrar) patience() time.Duration {
	if r.doubtful {
		return min(r.silence, doubtfulSilence)
	}
	return r.silence
}

func (r *registrar) register(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	r.self.Slots, r.self.Incarnation = r.worker.Slots(), r.worker.Incarnation()
	cluster, err := r.masters.RegisterSlave(limited, r.self)
	if (err == nil || errors.Is(err, &task.Error{Code: task.CodeWrongCluster})) && r.worker.Serve(cluster, newIncarnation()) {
		r.registered, r.mayBeKnown, r.complaint = time.Time{}, false, ""
		return errMoved // what was registered, if anything, is gone
	}
	if err == nil {
		if r.registered.IsZero() || r.complaint != "" {
			r.log.Info("registered", "url", r.self.URL)
		}
		r.registered, r.mayBeKnown, r.complaint = time.Now(), true, ""
		r.changed, r.doubtful = r.self.Slots != r.worker.Slots(), false
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
	pause := wait.Backoff{Min: 50 * time.Millisecond, Max: time.Second}
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
		if r.registered.IsZero() || !wait.Sleep(ctx, pause.Next()) {
			r.log.Warn("could not say goodbye; the masters will find this slave silent", "error", err)
			return
		}
	}
}
