package simnet

import (
	"os"
	"sync"
	"time"
)

// deadline is a point in time that can be moved while somebody waits for it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer   // under mu; nil: none
	past  chan struct{} // closed when the deadline has passed; under mu
}

// expired returns a channel that is closed when the present deadline passes. A
// wait that has begun follows the deadline when it moves to an earlier or a later
// time, but not when it was past and is lifted.
func (d *deadline) expired() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.past
}

// set moves the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if isClosed(d.past) {
		d.past = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		close(d.past)
		return
	}
	past := d.past
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer { // not moved meanwhile
			d.timer = nil
			close(past)
		}
	})
	d.timer = timer
}

func (d *deadline) init() {
	if d.past == nil {
		d.past = make(chan struct{})
	}
}

// timeoutError is what net.Error asks of a time-out.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Is makes it os.ErrDeadlineExceeded, as package net's is.
func (timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }
