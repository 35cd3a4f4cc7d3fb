package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"muster/api/client/internal/raw"
	"muster/api/wire"
	"muster/task/wait"
)

// The names of events.
const (
	EventTask     = "task"
	EventSlave    = "slave"
	EventMaster   = "master"
	EventLeader   = "leader"
	EventReset    = "reset"    // what follows is not known any more; the whole state comes next
	EventResynced = "resynced" // that was the whole state
)

// Event is one event of a stream: a change, or one of the others.
type Event struct {
	Name string

	// ID is where the reader is when it has taken this event; see EventsOptions.After.
	// It is empty while the whole state comes, and for events that have no place.
	ID string

	// Of a change: what it was (submitted, assigned, given_up, done, changed, gone,
	// removed; present while the whole state comes), and one of the three as it is
	// since then.
	Change string
	Task   *Task
	Slave  *Slave
	Master *Master

	Leader *wire.LeaderEvent // of EventLeader
	Reason string            // of EventReset
	Index  uint64            // of EventResynced: the state's
}

// EventsOptions say what to watch.
type EventsOptions struct {
	After  string   // an Event's ID: what follows it; "": what happens from now on
	Resync bool     // begin with the whole state
	Types  []string // some of EventTask, EventSlave, EventMaster, EventLeader; empty: as the API has it

	// Tasks selects the tasks whose changes are wanted. Its order, pages and
	// consistency have no meaning here.
	Tasks ListOptions
}

// Events goes on until ctx ends or it is refused: when a master is cut off it asks
// the next one, and goes on after the last event. Each change comes once, in the
// order of the log, or there is an EventReset: then changes may be missing, and the
// whole state follows.
func (c *Client) Events(ctx context.Context, opts EventsOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := &eventReader{last: opts.After, resync: opts.Resync, yield: yield}
		pause, ended := c.cfg.MinBackoff, 0
		for {
			before := r.taken
			err := c.do(ctx, call{
				what: "watch", safe: true, timeout: c.cfg.AttemptTimeout,
				build: func(base string) (*http.Request, error) {
					params := opts.params(r)
					return raw.NewWatchEventsRequest(base, &params)
				},
				stream: r.read,
			}, nil)
			switch {
			case r.stopped:
				return
			case err == nil:
				err = ctx.Err()
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			c.log.Debug("a stream of events ended", "after", r.last, "error", r.broken)
			c.turn()
			if r.taken > before {
				pause = c.cfg.MinBackoff
			}
			if ended++; ended%len(c.addresses) != 0 {
				continue // the next master is asked at once
			}
			wait.Sleep(ctx, pause/2+rand.N(pause)) //nolint:gosec // chance, not secrecy
			pause = min(2*pause, c.cfg.MaxBackoff)
		}
	}
}

// turn lets the next call begin at another master.
func (c *Client) turn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = (c.first + 1) % len(c.addresses)
}

// params are the options as the API has them.
func (o *EventsOptions) params(r *eventReader) wire.WatchEventsParams {
	p := o.Tasks.params(nil)
	return wire.WatchEventsParams{
		Status: p.Status, Outcome: p.Outcome, Slave: p.Slave, Kind: p.Kind, Label: p.Label, Key: p.Key, ID: p.ID,
		SubmittedAfter: p.SubmittedAfter, SubmittedBefore: p.SubmittedBefore, FinishedAfter: p.FinishedAfter, FinishedBefore: p.FinishedBefore,
		Types: given(strings.Join(o.Types, ",")), After: given(r.last), Resync: given(r.resync),
	}
}

// eventReader reads streams, one after the other.
type eventReader struct {
	yield   func(Event, error) bool
	last    string // the reader's place
	resync  bool   // the whole state was asked for and has not come
	taken   int    // blocks that moved the place on
	stopped bool   // the taker wants no more
	broken  error  // why the last stream ended
}

// read takes the blocks of one stream.
func (r *eventReader) read(header http.Header, body io.Reader) {
	if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		r.broken = fmt.Errorf("what answered sends %.60q and no events", kind)
		return
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	var b block
	for lines.Scan() {
		if len(lines.Bytes()) > 0 {
			b.add(lines.Text())
			continue
		}
		if r.broken = r.take(b); r.broken != nil || r.stopped {
			return
		}
		b = block{}
	}
	r.broken = lines.Err() // a block without an end is not one
}

// block is what comes up to an empty line.
type block struct{ name, id, data string }

// add takes in a line; what begins with a colon, and unknown fields, mean nothing.
func (b *block) add(line string) {
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		b.name = value
	case "id":
		b.id = value
	case "data":
		b.data = value // ours have one line
	}
}

// take hands an event on, and moves the reader's place.
func (r *eventReader) take(b block) error {
	if b.id != "" {
		from, known := placeOf(r.last)
		to, ok := placeOf(b.id)
		switch {
		case !ok:
			return fmt.Errorf("the id %.40q is none", b.id)
		case known && b.name != EventResynced && !from.before(to):
			return nil // it was taken before
		}
	}
	if b.data != "" {
		e, err := b.event()
		if err != nil {
			return err
		}
		if !r.yield(e, nil) {
			r.stopped = true
			return nil
		}
	}
	if b.id != "" {
		r.last, r.taken = b.id, r.taken+1
	}
	if b.name == EventResynced {
		r.resync = false
	}
	return nil
}

// event reads a block's data.
func (b *block) event() (Event, error) {
	e := Event{Name: b.name, ID: b.id}
	var err error
	switch b.name {
	case EventTask, EventSlave, EventMaster:
		var w wire.Event
		err = json.Unmarshal([]byte(b.data), &w)
		e.Change, e.Task, e.Slave, e.Master = w.Change, w.Task, w.Slave, w.Master
		if err == nil && w.Task == nil && w.Slave == nil && w.Master == nil {
			err = errors.New("it is about nothing")
		}
	case EventLeader:
		e.Leader = &wire.LeaderEvent{}
		err = json.Unmarshal([]byte(b.data), e.Leader)
	case EventReset:
		var w wire.ResetEvent
		err = json.Unmarshal([]byte(b.data), &w)
		e.Reason = w.Reason
	case EventResynced:
		var w wire.ResyncedEvent
		err = json.Unmarshal([]byte(b.data), &w)
		e.Index = w.Index
	default: // of a later version
	}
	if err != nil {
		return e, fmt.Errorf("understand the event %.60q: %w", b.data, err)
	}
	return e, nil
}

// place is what an id says: INDEX-POSITION, or INDEX for behind all of the entry.
type place struct{ index, position uint64 }

func placeOf(id string) (place, bool) {
	index, position, exact := strings.Cut(id, "-")
	p := place{position: math.MaxUint64}
	var err error
	if p.index, err = strconv.ParseUint(index, 10, 64); err == nil && exact {
		p.position, err = strconv.ParseUint(position, 10, 64)
	}
	return p, err == nil
}

func (p place) before(q place) bool {
	return p.index < q.index || p.index == q.index && p.position < q.position
}
