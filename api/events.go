package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// Bounds of event streams. A reader has no queue here: it reads the node's window
// of recent changes at its own pace.
const (
	maxStreams     = 256              // readers at once
	maxResyncs     = 4                // of them, those that get the whole state
	streamPatience = 10 * time.Second // for a reader that does not take a piece
	streamTime     = 24 * time.Hour   // of one stream; its reader comes back
	heartbeat      = 15 * time.Second
	leaderLook     = 250 * time.Millisecond // how often it is looked who leads, and for each reader a little less often
	comeBackAfter  = 2 * time.Second        // at least, for a reader that came at a bad time
	changesAtOnce  = 256
	largeEvents    = 16 // that are being sent at once
)

// The kinds of events that a reader may choose.
const (
	eventTask   = "task"
	eventSlave  = "slave"
	eventMaster = "master"
	eventLeader = "leader"
)

// watch is what a reader wants to see.
type watch struct {
	tasks  task.Query
	types  map[string]bool
	from   Place
	resync string // why the reader gets the whole state first; empty: it does not
}

// watchEvents streams what changes. Any answer but 200 ends a browser's
// EventSource for good, so one that has come at a bad time is told to come back in
// a stream of its own; other readers hear 503.
func (s *server) watchEvents(c *gin.Context, q *query) error {
	err := s.streamEvents(c, q)
	refusal, ok := errors.AsType[*task.Error](err)
	switch {
	case !ok || !retryable(refusal.Code):
		return err
	case accepts(c.Request.Header, "text/event-stream"):
		s.comeBack(c, refusal)
	default:
		s.failAs(c, http.StatusServiceUnavailable, refusal)
	}
	return nil
}

// comeBack has an EventSource ask again after a while, and not all at once.
func (s *server) comeBack(c *gin.Context, refusal *task.Error) {
	pause := comeBackAfter + rand.N(comeBackAfter) //nolint:gosec // chance, not secrecy
	c.Header("Cache-Control", "no-store")
	c.Header("X-Accel-Buffering", "no")
	s.write(c, http.StatusOK, []string{"text/event-stream"}, fmt.Appendf(nil, "retry: %d\n: %s: %s\n\n", pause.Milliseconds(), refusal.Code, refusal.Message))
}

func (s *server) streamEvents(c *gin.Context, q *query) error {
	w, err := s.watch(c.Request.Context(), c.Request.Header, q)
	if err != nil {
		return err
	}
	if !s.streams.tryEnter() {
		return task.Refuse(task.CodeTooManyStreams, fmt.Sprintf("this master serves %d readers of events already, and no more at once; "+
			"ask another master, or try again", maxStreams))
	}
	defer s.streams.leave()
	if err := s.reach(c, w.from); err != nil {
		return err
	}
	ctx, cancel := waiting(c.Request.Context(), streamTime)
	defer cancel()
	s.stamp(c, s.index(c.Request.Context()))
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects before it sends would hold events back
	h.Set("X-Content-Type-Options", "nosniff")
	to := &piecewise{w: c.Writer, control: http.NewResponseController(c.Writer), patience: streamPatience}
	release := to.cutWith(ctx)
	defer release()
	c.Writer.WriteHeader(http.StatusOK)
	if err := to.begin(); err != nil || c.Request.Method == http.MethodHead {
		return nil // the reader has left
	}
	if err := newStream(s, w, to).run(ctx); ctx.Err() == nil {
		s.metrics.readersCut.Inc()
		s.log.Info("a reader of events was cut", "client", c.Request.RemoteAddr, "error", err)
	}
	return nil
}

// reach waits, for a bounded time, until this master has come as far as a place
// that another one named.
func (s *server) reach(c *gin.Context, p Place) error {
	ctx, cancel := waiting(c.Request.Context(), s.IndexWait)
	defer cancel()
	for {
		changes := s.Backend.Changes(p, 1)
		if !changes.Unseen {
			return nil
		}
		select {
		case <-changes.More:
		case <-ctx.Done():
			return task.Refuse(task.CodeIndexNotReached, fmt.Sprintf("this master has not come as far as index %d; ask another master or try again", p.Index))
		}
	}
}

// watch reads what a reader wants. Where it names no place, it is what happens
// from now on.
func (s *server) watch(ctx context.Context, h http.Header, q *query) (watch, error) {
	w := watch{tasks: q.tasks()}
	if q.flag("resync") {
		w.resync = "the whole state was asked for"
	}
	w.types = q.types()
	after, given := q.get("after")
	if last := h.Get("Last-Event-ID"); last != "" {
		after, given = last, true
	}
	if given {
		var ok bool
		if w.from, ok = parsePlace(after); !ok {
			q.refuse("after (or the header Last-Event-ID)", "an event's id as in 41-0, or an index", after)
		}
	}
	if q.wrong != nil {
		return w, q.wrong
	}
	if of, ok := q.get("cluster"); ok && s.Backend.Cluster() != of {
		given, w.resync = false, "the masters are another cluster: "+s.Backend.Cluster()
	}
	if !given {
		w.from = Place{Index: s.index(ctx), Position: EndOfEntry}
	}
	return w, nil
}

// types are the events to be sent: by default all, and with a filter of tasks
// those of tasks.
func (q *query) types() map[string]bool {
	all := []string{eventTask, eventSlave, eventMaster, eventLeader}
	chosen := all
	if v, ok := q.get("types"); ok {
		chosen = strings.Split(v, ",")
		for _, name := range chosen {
			if !slices.Contains(all, name) {
				q.refuse("types", strings.Join(all, ", ")+" or some of them with commas between", v)
			}
		}
	} else if q.filters() {
		chosen = []string{eventTask, eventLeader}
	}
	types := map[string]bool{}
	for _, name := range chosen {
		types[name] = true
	}
	return types
}

// filters tells whether tasks are filtered.
func (q *query) filters() bool {
	return slices.ContainsFunc(taskFilters(), func(name string) bool { _, ok := q.get(name); return ok })
}

// parsePlace reads an event's id. A bare index is behind all of its entry.
func parsePlace(s string) (Place, bool) {
	index, position, exact := strings.Cut(s, "-")
	p := Place{Position: EndOfEntry}
	var err error
	if p.Index, err = strconv.ParseUint(index, 10, 64); err != nil {
		return Place{}, false
	}
	if exact {
		n, err := strconv.ParseUint(position, 10, 31)
		if err != nil {
			return Place{}, false
		}
		p.Position = int(n)
	}
	return p, true
}

func (p Place) String() string {
	index := strconv.FormatUint(p.Index, 10)
	if p.Position == EndOfEntry {
		return index
	}
	return index + "-" + strconv.Itoa(p.Position)
}
