package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"muster/api/wire"
	"muster/task"
)

// streamPiece is how much is collected before it is sent, in bytes.
const streamPiece = 32 << 10

// resyncPatience bounds the wait for a place among those that get the whole state.
const resyncPatience = 30 * time.Second

// stream sends events to one reader.
type stream struct {
	watch

	backend Backend
	frames  *frames
	// collecting is how long to wait for more events before they are sent.
	collecting func() time.Duration
	resyncs    room
	large      room // for large events
	to         *piecewise
	out        *bufio.Writer

	at     Place // all up to here was looked at
	told   Place // the last id that was sent
	leader Leadership
	led    bool // leader was sent
}

func newStream(s *server, w watch, to *piecewise) *stream {
	return &stream{
		watch: w, backend: s.Backend, frames: &s.frames, collecting: s.collecting, resyncs: s.resyncs, large: s.bigEvents,
		to: to, out: bufio.NewWriterSize(to, streamPiece), at: w.from,
	}
}

// run sends until the reader leaves, is too slow, or ctx ends.
func (x *stream) run(ctx context.Context) error {
	if x.resync != "" {
		if err := x.reset(ctx, x.resync); err != nil {
			return err
		}
	}
	x.place(x.at) // a reader that is cut off before the first event goes on from here
	look, beat := time.NewTimer(leaderLook), time.NewTicker(heartbeat)
	defer look.Stop()
	defer beat.Stop()
	for {
		x.tellLeader()
		changes := x.backend.Changes(x.at, changesAtOnce)
		if changes.Gone {
			if err := x.reset(ctx, "what follows "+x.at.String()+" is not known here any more"); err != nil {
				return err
			}
			continue
		}
		for i := range changes.List {
			if err := x.change(ctx, &changes.List[i]); err != nil {
				return err
			}
		}
		if err := x.send(); err != nil {
			return err
		}
		if len(changes.List) > 0 {
			continue
		}
		select {
		case <-changes.More:
			if err := x.collect(ctx); err != nil {
				return err
			}
		case <-look.C:
			look.Reset(leaderLook + 4*x.collecting())
		case <-beat.C:
			x.beat()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// collect waits for more events.
func (x *stream) collect(ctx context.Context) error {
	d := x.collecting()
	if d == 0 {
		return nil
	}
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send hands what was collected to the network.
func (x *stream) send() error {
	if x.out.Buffered() == 0 {
		return nil
	}
	if err := x.out.Flush(); err != nil {
		return err //nolint:wrapcheck // the connection's error says enough
	}
	return x.to.flush()
}

// change sends one change, if the reader wants it. An error of writing is found
// by the next send; an error means that the change was not written, so nothing
// may follow.
func (x *stream) change(ctx context.Context, c *Change) error {
	x.at = c.Place
	switch {
	case c.Task != nil && x.types[eventTask] && x.tasks.Matches(c.Task):
		if err := x.taskChange(ctx, c); err != nil {
			return err
		}
	case c.Slave != nil && x.types[eventSlave]:
		_, _ = x.out.Write(x.frames.get(c.Place, func() []byte { // see write
			shown := wire.FromSlave(c.Slave)
			return frame(eventSlave, c.String(), wire.Event{ID: c.String(), Change: c.What, Slave: &shown})
		}))
	case c.Master != nil && x.types[eventMaster]:
		x.master(wire.Event{ID: c.String(), Change: c.What}, x.role(*c.Master))
	default:
		return nil
	}
	x.told = c.Place
	return nil
}

// taskChange sends a change of a task.
func (x *stream) taskChange(ctx context.Context, c *Change) error {
	if c.Task.Bytes() > smallAnswer {
		return x.task(ctx, wire.Event{ID: c.String(), Change: c.What}, c.Task)
	}
	_, _ = x.out.Write(x.frames.get(c.Place, func() []byte { // see write
		shown := wire.FromTask(c.Task)
		return frame(eventTask, c.String(), wire.Event{ID: c.String(), Change: c.What, Task: &shown})
	}))
	return nil
}

// task sends a task. A large one takes a place among large answers: each reader
// that has not taken it holds it in memory.
func (x *stream) task(ctx context.Context, e wire.Event, t *task.Task) error {
	if t.Bytes() > smallAnswer {
		select {
		case x.large <- struct{}{}:
			defer x.large.leave()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	shown := wire.FromTask(t)
	e.Task = &shown
	x.event(eventTask, e.ID, e)
	return nil
}

func (x *stream) slave(e wire.Event, s *task.Slave) {
	shown := wire.FromSlave(s)
	e.Slave = &shown
	x.event(eventSlave, e.ID, e)
}

func (x *stream) master(e wire.Event, m *task.Master) {
	shown := wire.FromMaster(m)
	e.Master = &shown
	x.event(eventMaster, e.ID, e)
}

// role adds to a master of the log what only Raft knows. One that is not a member
// any more follows nobody, and votes no more.
func (x *stream) role(m task.Master) *task.Master {
	m.Role = task.Follower
	for _, member := range x.backend.Masters() {
		if member.ID == m.ID {
			m.Role, m.Voter = member.Role, member.Voter
		}
	}
	return &m
}

// tellLeader sends who leads, if that has changed.
func (x *stream) tellLeader() {
	if !x.types[eventLeader] {
		return
	}
	now := x.backend.Leadership()
	if x.led && now == x.leader {
		return
	}
	x.leader, x.led = now, true
	x.event(eventLeader, "", wire.LeaderEvent{ID: now.ID, APIURL: now.APIURL, Term: now.Term})
}

// beat shows that the connection lives, and moves the reader's place on.
func (x *stream) beat() {
	if x.at != x.told {
		x.place(x.at)
		return
	}
	x.write(": heartbeat\n\n")
}

// place moves the reader's place on without an event.
func (x *stream) place(p Place) {
	x.write("id: " + p.String() + "\n\n")
	x.told = p
}

// reset sends the whole state, as of one moment, and goes on from there. Until it
// is whole, the reader's place stays what it was.
func (x *stream) reset(ctx context.Context, reason string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patience := time.AfterFunc(resyncPatience, cancel)
	defer patience.Stop()
	select {
	case x.resyncs <- struct{}{}:
	case <-ctx.Done():
		return errors.New("too many readers get the whole state")
	}
	defer x.resyncs.leave()
	patience.Stop()
	view, err := x.backend.Read(ctx, ReadOptions{})
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	x.event("reset", "", wire.ResetEvent{Reason: reason})
	present := wire.Event{Change: "present"}
	if x.types[eventMaster] {
		for _, m := range x.backend.Masters() {
			x.master(present, &m)
		}
	}
	if x.types[eventSlave] {
		for _, slave := range view.Slaves() {
			x.slave(present, &slave)
		}
	}
	if err := x.presentTasks(ctx, view, present); err != nil {
		return err
	}
	x.at = Place{Index: view.Index(), Position: EndOfEntry}
	x.event("resynced", x.at.String(), wire.ResyncedEvent{Index: view.Index()})
	x.told = x.at
	return nil
}

func (x *stream) presentTasks(ctx context.Context, view View, present wire.Event) error {
	if !x.types[eventTask] {
		return nil
	}
	selection := x.tasks
	selection.Limit = task.MaxPage
	for {
		page := view.List(selection)
		for i := range page.Tasks {
			if err := x.task(ctx, present, &page.Tasks[i]); err != nil {
				return err
			}
		}
		if err := errors.Join(x.send(), ctx.Err()); err != nil || page.Next == 0 {
			return err
		}
		selection.After = page.Next
	}
}

// event writes one event that is only for this reader.
func (x *stream) event(name, id string, data any) { _, _ = x.out.Write(frame(name, id, data)) } // see write

// write collects text. bufio keeps an error until the next Flush, and so does send.
func (x *stream) write(s string) { _, _ = x.out.WriteString(s) }
