package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// piecewise writes to a client that has so long for each piece.
type piecewise struct {
	w        io.Writer
	control  *http.ResponseController
	patience time.Duration // for each piece

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
	if err := p.extend(); err != nil {
		return 0, err
	}
	return p.w.Write(b) //nolint:wrapcheck // as above
}

func (p *piecewise) extend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return errCut
	}
	err := p.control.SetWriteDeadline(time.Now().Add(p.patience))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err //nolint:wrapcheck // as above
}
