package api

import (
	"io"
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

// bodyOf is a request's body, that takes a place when it turns out to be large.
type bodyOf struct {
	io.ReadCloser

	room room
	done <-chan struct{} // the request's end
	read int64           // one reader at a time

	// A call that is carried to the leader may be answered while its body is
	// still being read.
	mu    sync.Mutex
	large bool // has a place; under mu
	over  bool // is answered; under mu
}

// meter puts a bodyOf in the place of a request's body. What it returns gives the
// place back, if one was taken.
func (r room) meter(c *gin.Context) (release func()) {
	b := &bodyOf{ReadCloser: c.Request.Body, room: r, done: c.Request.Context().Done()}
	if b.ReadCloser == nil {
		return func() {}
	}
	c.Request.Body = b
	return b.leave
}

// Read refuses with overloaded when the body is large and there is no place for
// it.
func (b *bodyOf) Read(p []byte) (int, error) {
	if b.read >= smallBody && !b.entered() {
		if err := b.enter(); err != nil {
			return 0, err
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
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
