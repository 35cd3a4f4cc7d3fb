package api

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// Anybody may begin a large body and not end it, on as many connections as the
// system allows; and what a large body means takes many times its size. So only a
// few large ones are read and answered at a time.
const (
	smallBody   = 32 << 10 // of these there may be any number
	largeBodies = 8
	roomWait    = 2 * time.Second // for others to be answered
)

// room has so many places: one for each large body that is being read or answered,
// for each batch, or for each reader of a stream.
type room chan struct{}

// enter waits for a place, for a while; done ends the wait, too.
func (r room) enter(done <-chan struct{}) bool {
	wait := time.NewTimer(roomWait)
	defer wait.Stop()
	select {
	case r <- struct{}{}:
		return true
	case <-done:
	case <-wait.C:
	}
	return false
}

// tryEnter takes a place, if there is one.
func (r room) tryEnter() bool {
	select {
	case r <- struct{}{}:
		return true
	default:
		return false
	}
}

// leave gives a place back.
func (r room) leave() { <-r }

// bodyOf is a request's body, that has a bound and takes a place when it turns out to
// be large.
type bodyOf struct {
	io.ReadCloser

	limit int64
	room  room
	done  <-chan struct{} // the request's end
	read  int64           // one reader at a time

	// text is what a handler has read; should leadership turn out to be lost, the call
	// is carried on with it.
	text    *bytes.Buffer
	carried bool // to the leader: it may still be read when the call is answered

	// A call that is carried to the leader may be answered while its body is
	// still being read.
	mu    sync.Mutex
	large bool // has a place; under mu
	over  bool // is answered; under mu
}

// meter puts a bodyOf in the place of a request's body. The caller says when the
// request is answered.
func (s *server) meter(c *gin.Context, limit int64) *bodyOf {
	b := &bodyOf{
		ReadCloser: c.Request.Body, limit: limit,
		room: s.room, done: c.Request.Context().Done(),
	}
	if b.ReadCloser == nil {
		b.ReadCloser = http.NoBody
	}
	c.Request.Body = b
	return b
}

// answered gives back what a request's body has taken.
func (s *server) answered(b *bodyOf) {
	b.leave()
	if b.text != nil && !b.carried {
		s.release(b.text)
	}
}

// Read refuses with overloaded when the body is large and there is no place for
// it, and with a MaxBytesError when it is too large.
func (b *bodyOf) Read(p []byte) (int, error) {
	if b.text != nil {
		return b.text.Read(p) //nolint:wrapcheck // io.EOF is one by identity
	}
	if b.read >= smallBody && !b.entered() {
		if err := b.enter(); err != nil {
			return 0, err
		}
	}
	if most := b.limit - b.read + 1; int64(len(p)) > most {
		p = p[:most] // one byte more tells that it is too large
	}
	n, err := b.ReadCloser.Read(p)
	if b.read += int64(n); b.read > b.limit {
		b.read = b.limit
		return n - 1, &http.MaxBytesError{Limit: b.limit}
	}
	return n, err
}

func (b *bodyOf) enter() error {
	if !b.room.enter(b.done) {
		return noRoom()
	}
	return b.take()
}

// take keeps the place that was got, unless the request is answered by now.
func (b *bodyOf) take() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		b.room.leave()
		return noRoom()
	}
	b.large = true
	return nil
}

func (b *bodyOf) entered() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.large
}

// leave gives the place back when the request is answered.
func (b *bodyOf) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.large {
		b.large = false
		b.room.leave()
	}
}

func noRoom() *task.Error {
	return task.Refuse(task.CodeOverloaded, "this master reads as many large bodies as it has room for; nothing was done, try again")
}
