package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// slowestReader is how many bytes a second the reader of a large answer or of an
// export has to take on average: what is sent to it takes one of a few places.
const slowestReader = 32 << 10

// piecewise writes to a client that has so long for each piece.
type piecewise struct {
	w        io.Writer
	control  *http.ResponseController
	patience time.Duration // for each piece

	// rate, if not 0, is how many bytes a second the client has to take on average;
	// it may be allowance behind. Only the time of writing counts.
	rate      int64
	allowance time.Duration
	written   int64         // bytes
	waited    time.Duration // for the client to take them

	mu  sync.Mutex
	cut bool // under mu
}

var errCut = errors.New("the stream's time is over, or this master stops")

// cutWith has the writes fail, also one that is under way, when ctx ends. The
// caller ends that before it returns.
func (p *piecewise) cutWith(ctx context.Context) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cut = true
		_ = p.control.SetWriteDeadline(time.Now()) // where there is none, writes don't wait
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// begin sends the header, so that a client knows that a stream goes on before
// there is anything to send.
func (p *piecewise) begin() error { return p.flush() }

// flush sends what was written.
func (p *piecewise) flush() error {
	if err := p.extend(); err != nil {
		return err
	}
	return p.control.Flush() //nolint:wrapcheck // the connection's error says enough
}

// Write sends one piece.
func (p *piecewise) Write(b []byte) (int, error) {
	p.written += int64(len(b))
	if err := p.extend(); err != nil {
		return 0, err
	}
	began := time.Now()
	n, err := p.w.Write(b)
	p.waited += time.Since(began)
	return n, err //nolint:wrapcheck // as above
}

// left is how long the client has for what comes next.
func (p *piecewise) left() time.Duration {
	if p.rate == 0 {
		return p.patience
	}
	due := p.allowance + time.Duration(float64(p.written)/float64(p.rate)*float64(time.Second))
	return min(p.patience, due-p.waited)
}

func (p *piecewise) extend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return errCut
	}
	err := p.control.SetWriteDeadline(time.Now().Add(p.left()))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err //nolint:wrapcheck // as above
}
