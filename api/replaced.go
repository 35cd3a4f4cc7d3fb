package api

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookForLeader is how often a follower that waits for the leader's answer looks
	// whether that one still leads.
	lookForLeader = 50 * time.Millisecond
	// lastAnswer is how long a leader that was replaced may take to answer what was
	// under way: one that handed leadership on is about to.
	lastAnswer = time.Second
)

// replacedError says that another leads than the one that was asked, or that one anew.
type replacedError struct{ now Leadership }

func (e *replacedError) Error() string {
	return fmt.Sprintf("%s leads now, in term %d", e.now.ID, e.now.Term)
}

// whileLeads returns a context for a call to the leader that ends with a replacedError
// when that one was replaced and answered has not been called. answered waits for all
// that was begun, and may be called again. sent tells whether the call had a connection.
func (s *server) whileLeads(ctx context.Context) (_ context.Context, answered func(), sent func() bool) {
	asked := s.Backend.Leadership()
	call, giveUp := context.WithCancelCause(ctx)
	watch, unwatch := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		if err := s.awaitReplaced(watch, asked); err != nil {
			giveUp(err)
		}
	})
	answered = func() {
		unwatch()
		watcher.Wait()
	}
	var connected atomic.Bool
	call = httptrace.WithClientTrace(call, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	return call, answered, connected.Load
}

// awaitReplaced waits for another leader, or another term of the same, and then a
// moment longer. It returns nil if ctx ends before. Nobody tells a follower whether a
// leader that is silent is slow or frozen; that the others have elected one does.
func (s *server) awaitReplaced(ctx context.Context, asked Leadership) error {
	ticker := time.NewTicker(lookForLeader)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := s.Backend.Leadership()
		if now.ID == "" || now.ID == asked.ID && now.Term == asked.Term {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lastAnswer):
			return &replacedError{s.Backend.Leadership()}
		}
	}
}
