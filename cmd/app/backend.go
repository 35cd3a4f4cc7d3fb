package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"muster/api"
	"muster/cluster"
	"muster/cluster/dispatch"
	"muster/cluster/watch"
	"muster/fsm"
	"muster/task"
)

// backend joins a Raft node and the dispatcher of its current term, if it leads,
// to what the API needs.
type backend struct {
	node    *cluster.Node
	version string
	// current is the dispatcher of the term in which this master leads; nil on a
	// follower and while leadership is being taken over.
	current atomic.Pointer[dispatch.Dispatcher]
	// paused is set while this master leads and no dispatcher runs after a panic.
	paused atomic.Pointer[paused]
	health *health
}

var _ api.Backend = (*backend)(nil)

// broke tells the dispatcher, if there is one, that a connection to a slave has broken.
func (b *backend) broke(url string) {
	if d := b.current.Load(); d != nil {
		d.Broke(url)
	}
}

// Leader returns the leader's API URL and whether it is this master.
func (b *backend) Leader() (string, bool) {
	_, url := b.node.Leader()
	return url, b.node.IsLeader()
}

// Cluster names the cluster that this master belongs to.
func (b *backend) Cluster() string { return b.node.ClusterID() }

// Read returns a picture of the state, as consistent as opts ask.
func (b *backend) Read(ctx context.Context, opts api.ReadOptions) (api.View, error) {
	if opts.Linearizable {
		if err := b.node.Barrier(ctx); err != nil {
			return nil, b.refusal(err)
		}
	}
	if opts.MinIndex > 0 {
		if err := b.node.WaitIndex(ctx, opts.MinIndex); err != nil {
			return nil, task.Refuse(task.CodeIndexNotReached, fmt.Sprintf("this master has applied index %d, not yet %d; ask another master or try again", b.node.View().Index(), opts.MinIndex))
		}
	}
	v := b.node.View()
	if d := b.current.Load(); d != nil {
		return leaderView{v, d}, nil
	}
	return v, nil
}

// leaderView adds what only the leader knows: when a slave was last heard of.
type leaderView struct {
	*fsm.View
	d *dispatch.Dispatcher
}

// Slaves returns the registry in registration order.
func (v leaderView) Slaves() []task.Slave {
	slaves := v.View.Slaves()
	for i := range slaves {
		v.see(&slaves[i])
	}
	return slaves
}

// Slave returns one entry of the registry.
func (v leaderView) Slave(name string) (task.Slave, bool) {
	s, ok := v.View.Slave(name)
	v.see(&s)
	return s, ok
}

func (v leaderView) see(s *task.Slave) {
	if at, ok := v.d.LastSeen(s.Name); ok {
		s.LastSeenAt = task.Millis(at.UnixMilli())
	}
}

// Changes returns what follows a place in the log.
func (b *backend) Changes(after api.Place, limit int) api.Changes {
	events, reach, more := b.node.EventsAfter(watch.Position{Index: after.Index, Number: after.Position}, limit)
	out := api.Changes{Gone: reach == watch.Gone, Unseen: reach == watch.Unseen, More: more, List: make([]api.Change, len(events))}
	for i, e := range events {
		out.List[i] = api.Change{Place: api.Place{Index: e.Index, Position: e.Number}, What: changes[e.Event.Kind], Task: e.Event.Task, Slave: e.Event.Slave, Master: e.Event.Master}
	}
	return out
}

// changes are the API's words for the state machine's events.
var changes = map[fsm.EventKind]string{
	fsm.TaskSubmitted: "submitted", fsm.TaskAssigned: "assigned", fsm.TaskGivenUp: "given_up", fsm.TaskDone: "done", fsm.TaskStopped: "done",
	fsm.SlaveRegistered: "changed", fsm.SlaveGone: "gone", fsm.SlaveRemoved: "removed",
	fsm.MasterPut: "changed", fsm.MasterRemoved: "removed",
}

// Leadership returns who leads, as far as this master knows.
func (b *backend) Leadership() api.Leadership {
	id, url := b.node.Leader()
	return api.Leadership{ID: id, APIURL: url, Term: b.node.Term()}
}

// AwaitTask returns when the task is done.
func (b *backend) AwaitTask(ctx context.Context, id task.ID) error {
	return b.node.AwaitDone(ctx, id)
}

// Submit finds a slave and records the task.
func (b *backend) Submit(ctx context.Context, s api.Submission) (api.Submitted, error) {
	d, err := b.dispatcher()
	if err != nil {
		return api.Submitted{}, err
	}
	a, err := d.Submit(ctx, request(s))
	if err != nil {
		return api.Submitted{}, b.refusal(err)
	}
	return submitted(a), nil
}

// SubmitAll is Submit for many tasks.
func (b *backend) SubmitAll(ctx context.Context, subs []api.Submission) ([]api.SubmitResult, error) {
	d, err := b.dispatcher()
	if err != nil {
		return nil, err
	}
	reqs := make([]dispatch.Request, len(subs))
	for i, s := range subs {
		reqs[i] = request(s)
	}
	out := make([]api.SubmitResult, len(subs))
	for i, r := range d.SubmitAll(ctx, reqs) {
		out[i] = api.SubmitResult{Submitted: submitted(r.Answer)}
		if r.Err == nil {
			continue
		}
		if refusal, ok := errors.AsType[*task.Error](b.refusal(r.Err)); ok {
			out[i].Refusal = refusal
		} else {
			out[i].Refusal = task.Refuse(task.CodeOutcomeUnknown, "the task may or may not have been recorded; repeat it with the same key to find out")
		}
	}
	return out, nil
}

func request(s api.Submission) dispatch.Request {
	return dispatch.Request{Spec: s.Spec, Key: s.Key, Explain: s.Explain, Queue: s.Queue}
}

func submitted(a dispatch.Answer) api.Submitted {
	return api.Submitted{Task: a.Task, Existing: a.Existing, Asked: a.Asked}
}

// CancelTask ends a task and has its slave stop it.
func (b *backend) CancelTask(ctx context.Context, id task.ID) (task.Task, error) {
	return atDispatcher(b, func(d *dispatch.Dispatcher) (task.Task, error) { return d.Cancel(ctx, id) })
}

// Results records a slave's results.
func (b *backend) Results(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	var verdicts []task.Verdict
	d, err := b.dispatcher()
	switch {
	case err == nil:
		verdicts, err = d.Report(ctx, r)
	case b.paused.Load() != nil:
		verdicts, err = dispatch.Record(ctx, b.node, r)
	}
	return verdicts, b.refusal(err)
}

// RegisterSlave dials a slave back and puts it into the registry.
func (b *backend) RegisterSlave(ctx context.Context, r task.Registration) (task.Slave, error) {
	return atDispatcher(b, func(d *dispatch.Dispatcher) (task.Slave, error) { return d.Register(ctx, r) })
}

// LeaveSlave records a slave's goodbye.
func (b *backend) LeaveSlave(ctx context.Context, name, incarnation string) (task.Slave, error) {
	return atDispatcher(b, func(d *dispatch.Dispatcher) (task.Slave, error) { return d.Leave(ctx, name, incarnation) })
}

// DrainSlave keeps a slave from getting tasks, or with false lets it have some again.
func (b *backend) DrainSlave(ctx context.Context, name string, drained bool) (task.Slave, error) {
	return atDispatcher(b, func(d *dispatch.Dispatcher) (task.Slave, error) { return d.Drain(ctx, name, drained) })
}

// ResizeSlave has a slave change its number of slots.
func (b *backend) ResizeSlave(ctx context.Context, name string, slots int) (task.Slave, error) {
	return atDispatcher(b, func(d *dispatch.Dispatcher) (task.Slave, error) { return d.Resize(ctx, name, slots) })
}

// RemoveSlave drops a slave from the registry.
func (b *backend) RemoveSlave(ctx context.Context, name string, force bool) (task.Slave, error) {
	return atDispatcher(b, func(d *dispatch.Dispatcher) (task.Slave, error) { return d.Remove(ctx, name, force) })
}

// Masters lists the masters.
func (b *backend) Masters() []task.Master { return b.node.Masters() }

// Join takes a master in.
func (b *backend) Join(ctx context.Context, r task.JoinRequest) (api.Joined, error) {
	if err := b.node.Join(ctx, r); err != nil {
		return api.Joined{}, b.refusal(err)
	}
	return api.Joined{ClusterID: b.node.ClusterID(), Masters: b.node.Masters()}, nil
}

// RemoveMaster takes a master out.
func (b *backend) RemoveMaster(ctx context.Context, id string) error {
	return b.refusal(b.node.RemoveMaster(ctx, id))
}

// TransferLeadership hands leadership to another master.
func (b *backend) TransferLeadership(ctx context.Context, id string) error {
	return b.refusal(b.node.TransferLeadership(ctx, id))
}

// Healthy tells which loop of this master is stuck.
func (b *backend) Healthy() error { return b.health.err() }

// Ready tells what is missing until this master can serve.
func (b *backend) Ready() error {
	if err := b.Healthy(); err != nil {
		return err
	}
	return b.node.Ready()
}

// Status describes this master.
func (b *backend) Status(fingerprint bool) api.Status {
	hello := b.node.Hello()
	view := b.node.View()
	leaderID, leaderURL := b.node.Leader()
	s := api.Status{
		ID: hello.ID, ClusterID: hello.ClusterID, DiskID: hello.DiskID, Founders: hello.Founders,
		RaftAddress: hello.RaftAddress, APIURL: hello.APIURL,
		WallClock: hello.WallClock, Clock: b.node.Clock(),
		FreeDisk: hello.FreeDisk, DiskLow: hello.DiskLow,
		Version: b.version, Role: task.Joining, Term: b.node.Term(),
		LeaderID: leaderID, LeaderURL: leaderURL,
		AppliedIndex: view.Index(), LeaderContactMS: b.node.LastContact().Milliseconds(),
		Counts: view.Counts(), Capacity: view.Capacity(), Ready: true,
	}
	s.OldestPendingAt = view.WaitingSince(s.Clock)
	for _, m := range b.node.Masters() {
		if m.ID == s.ID {
			s.Role, s.Voter = m.Role, m.Voter
		}
	}
	if b.node.LastContact() < 0 {
		s.LeaderContactMS = -1
	}
	if fingerprint {
		s.Fingerprint = view.Fingerprint()
	}
	if err := b.Ready(); err != nil {
		s.Ready, s.NotReady = false, err.Error()
	}
	return s
}

// dispatcher returns the one that leads, or says where to go instead.
func (b *backend) dispatcher() (*dispatch.Dispatcher, error) {
	if d := b.current.Load(); d != nil {
		return d, nil
	}
	return nil, b.elsewhere()
}

// atDispatcher asks the dispatcher that leads for one thing.
func atDispatcher[T any](b *backend, ask func(d *dispatch.Dispatcher) (T, error)) (T, error) {
	d, err := b.dispatcher()
	if err != nil {
		var none T
		return none, err
	}
	got, err := ask(d)
	return got, b.refusal(err)
}

// elsewhere is the refusal of a master that can't write now.
func (b *backend) elsewhere() *task.Error {
	id, url := b.node.Leader()
	pause := b.paused.Load()
	switch {
	case b.node.IsLeader() && pause != nil:
		wait := max(1, int(math.Ceil(time.Until(pause.until).Seconds())))
		err := task.Refuse(task.CodeNoLeader, fmt.Sprintf("this master leads, but what gives tasks to slaves failed %d times in a short time, by a mistake in muster that its log tells of, "+
			"and pauses for %d s more; nothing was recorded, try again then", pause.panics, wait))
		err.RetryAfter = wait
		return err
	case b.node.IsLeader():
		return task.Refuse(task.CodeNoLeader, "this master was just elected and is taking over; try again in a moment")
	case id != "" && url == "":
		return task.Refuse(task.CodeNoLeader, fmt.Sprintf("master %s leads, but this one is catching up with the log and does not know yet where to reach it; ask another master, or try again in a moment", id))
	case url == "":
		return task.Refuse(task.CodeNoLeader, "no leader is known, an election may be under way; try again in a moment")
	}
	err := task.Refuse(task.CodeNotLeader, fmt.Sprintf("this master follows; the leader is %s at %s", id, url))
	err.Leader = url
	return err
}

// refusal fills in where the leader is, when that is what the caller needs.
func (b *backend) refusal(err error) error {
	var refusal *task.Error
	if errors.As(err, &refusal) && refusal.Code == task.CodeNotLeader && refusal.Leader == "" {
		return b.elsewhere()
	}
	return err
}
