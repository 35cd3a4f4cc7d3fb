package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"muster/task"
)

// fakeCluster is the state that several masters share, without Raft: what is
// written on one is at once on all.
type fakeCluster struct {
	mu     sync.Mutex
	index  uint64
	tasks  map[task.ID]task.Task
	keys   map[string]task.ID
	slaves []task.Slave
	leader *fakeMaster // nil: none
	// term is what the leader's adds to 7.
	term atomic.Uint64
	// leaderAsked, if set, is called when somebody wants to know the leader.
	leaderAsked func()
	changed     chan struct{} // closed at every change
	changes     []Change
	forgotten   Place // what follows an earlier place is gone
}

// fakeMaster is the Backend of one of them.
type fakeMaster struct {
	*fakeCluster

	id, url string

	// What a test makes happen; set before the first call.
	refuse   error // of every write
	panics   bool  // in every write
	notReady error
	stalled  error
	wrongURL string // what this master takes for the leader's URL
	cluster  string // empty: c-1
	hang     bool   // writes last until their context ends

	looked atomic.Int64 // calls of Changes
}

var _ Backend = (*fakeMaster)(nil)

func newCluster() *fakeCluster {
	return &fakeCluster{tasks: map[task.ID]task.Task{}, keys: map[string]task.ID{}, changed: make(chan struct{})}
}

// newLeader returns a master that leads a cluster of its own, with one slave.
func newLeader(url string) *fakeMaster {
	m := &fakeMaster{fakeCluster: newCluster(), id: "m1", url: url}
	m.leader = m
	m.slaves = []task.Slave{{
		Name: "slave-1", URL: "http://127.0.0.1:9", Slots: 2, State: task.SlaveAlive, Incarnation: "i-1",
		Kinds: []task.Kind{{Name: "expression", Idempotent: true}}, RegisteredAt: 1, LastSeenAt: 2, Index: 1,
	}}
	m.index = 1
	return m
}

// change does f as one entry of the log.
func (c *fakeCluster) change(f func(index uint64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	f(c.index)
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *fakeCluster) look() (uint64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index, c.changed
}

func (m *fakeMaster) Leader() (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaderAsked != nil {
		m.leaderAsked()
	}
	if m.leader == m {
		return m.url, true
	}
	if m.wrongURL != "" {
		return m.wrongURL, false
	}
	if m.leader == nil {
		return "", false
	}
	return m.leader.url, false
}

func (m *fakeMaster) Cluster() string { return cmp.Or(m.cluster, "c-1") }

func (m *fakeMaster) Read(ctx context.Context, opts ReadOptions) (View, error) {
	if opts.Linearizable && m.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for {
		index, changed := m.look()
		if index >= opts.MinIndex {
			return m.view(), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, task.Refuse(task.CodeIndexNotReached, fmt.Sprintf("at %d, not %d", index, opts.MinIndex))
		}
	}
}

// Changes returns what a test put into the cluster with happen.
func (m *fakeMaster) Changes(after Place, limit int) Changes {
	m.looked.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	before := func(p, q Place) bool { return p.Index < q.Index || p.Index == q.Index && p.Position < q.Position }
	out := Changes{Unseen: after.Index > m.index, Gone: before(after, m.forgotten), More: m.changed}
	for _, c := range m.changes {
		if before(after, c.Place) && len(out.List) < limit && !out.Gone {
			out.List = append(out.List, c)
		}
	}
	return out
}

// happen is an entry with changes.
func (c *fakeCluster) happen(changes ...Change) {
	c.change(func(index uint64) {
		for i, x := range changes {
			x.Place = Place{Index: index, Position: i}
			c.changes = append(c.changes, x)
			if x.Task != nil {
				x.Task.Index = index
				c.tasks[x.Task.ID] = *x.Task
			}
		}
	})
}

func (m *fakeMaster) Leadership() Leadership {
	url, _ := m.Leader()
	return Leadership{ID: strings.TrimPrefix(url, "http://"), APIURL: url, Term: 7 + m.term.Load()}
}

func (m *fakeMaster) AwaitTask(ctx context.Context, id task.ID) error {
	for {
		_, changed := m.look()
		t, ok := m.view().Task(id)
		if !ok {
			return task.Refuse(task.CodeTaskNotFound, "no such task")
		}
		if t.Status == task.Done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// write is how every write begins.
func (m *fakeMaster) write(ctx context.Context) error {
	switch {
	case m.panics:
		panic("planted")
	case m.hang:
		<-ctx.Done()
		return ctx.Err()
	case m.refuse != nil:
		return m.refuse
	}
	if url, self := m.Leader(); !self {
		e := task.Refuse(task.CodeNotLeader, "not the leader")
		e.Leader = url
		return e
	}
	return nil
}

func (m *fakeMaster) Submit(ctx context.Context, s Submission) (Submitted, error) {
	if err := m.write(ctx); err != nil {
		return Submitted{}, err
	}
	var out Submitted
	m.change(func(index uint64) {
		if id, ok := m.keys[s.Key]; ok && s.Key != "" {
			out = Submitted{Task: m.tasks[id], Existing: true}
			return
		}
		t := task.Task{
			ID: task.ID(len(m.tasks) + 1), Spec: s.Spec, Key: s.Key, Status: task.InProgress, Slave: "slave-1",
			Incarnation: "i-1", Attempt: 1, SubmittedAt: 1000, StartedAt: 1001, Index: index,
		}
		m.tasks[t.ID], m.keys[s.Key] = t, t.ID
		out.Task = t
	})
	if s.Explain {
		out.Asked = []task.Asked{{Slave: "slave-0", From: "slave"}, {Slave: "slave-1", Answer: task.AnswerAvailable, From: "books"}}
	}
	return out, nil
}

func (m *fakeMaster) Results(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	if err := m.write(ctx); err != nil {
		return nil, err
	}
	out := make([]task.Verdict, len(r.Results))
	m.change(func(index uint64) {
		for i, res := range r.Results {
			out[i] = task.Verdict{ID: res.ID, Attempt: res.Attempt}
			t, ok := m.tasks[res.ID]
			if !ok {
				out[i].Err = task.Refuse(task.CodeTaskNotFound, "There is no such task.")
				continue
			}
			at := task.Attempt{ID: res.ID, Attempt: res.Attempt, Slave: r.Slave, Incarnation: r.Availability.Incarnation}
			t, out[i].Err = t.Complete(at, res, 2000)
			t.Index = index
			m.tasks[res.ID] = t
		}
	})
	return out, nil
}

func (m *fakeMaster) RegisterSlave(ctx context.Context, r task.Registration) (task.Slave, error) {
	if err := m.write(ctx); err != nil {
		return task.Slave{}, err
	}
	var s task.Slave
	m.change(func(index uint64) {
		s = task.Slave{
			Name: r.Name, URL: r.URL, Slots: r.Slots, State: task.SlaveAlive, Incarnation: r.Incarnation, Kinds: r.Kinds,
			RegisteredAt: 3000, Index: index,
		}
		m.slaves = append(m.slaves, s)
	})
	return s, nil
}

func (m *fakeMaster) LeaveSlave(ctx context.Context, name, incarnation string) (task.Slave, error) {
	if err := m.write(ctx); err != nil {
		return task.Slave{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slaves {
		if m.slaves[i].Name == name {
			if m.slaves[i].Incarnation != incarnation {
				return task.Slave{}, task.Refuse(task.CodeWrongIncarnation, "another")
			}
			m.slaves[i].State = task.SlaveLeft
			return m.slaves[i], nil
		}
	}
	return task.Slave{}, task.Refuse(task.CodeSlaveNotFound, "none")
}

func (m *fakeMaster) Masters() []task.Master {
	return []task.Master{{
		ID: m.id, RaftAddress: "127.0.0.1:1", APIURL: m.url, Commands: 3, Role: task.Leader, Voter: true, Index: 1,
	}}
}

func (m *fakeMaster) Join(ctx context.Context, _ task.JoinRequest) (Joined, error) {
	if err := m.write(ctx); err != nil {
		return Joined{}, err
	}
	return Joined{ClusterID: m.Cluster(), Masters: m.Masters()}, nil
}

func (m *fakeMaster) RemoveMaster(ctx context.Context, id string) error {
	if err := m.write(ctx); err != nil {
		return err
	}
	if id != m.id {
		return task.Refuse(task.CodeMasterNotFound, "There is no master "+id+".")
	}
	return nil
}

func (m *fakeMaster) SubmitAll(ctx context.Context, subs []Submission) ([]SubmitResult, error) {
	if err := m.write(ctx); err != nil {
		return nil, err
	}
	out := make([]SubmitResult, len(subs))
	for i, s := range subs {
		if strings.Contains(s.Spec.Expression, "full") {
			out[i].Refusal = task.Refuse(task.CodeFullCapacity, "all are busy")
			continue
		}
		var err error
		if out[i].Submitted, err = m.Submit(ctx, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *fakeMaster) CancelTask(ctx context.Context, id task.ID) (task.Task, error) {
	if err := m.write(ctx); err != nil {
		return task.Task{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[id]
	if !ok {
		return task.Task{}, task.Refuse(task.CodeTaskNotFound, "none")
	}
	t, err := t.Cancel(5)
	if err != nil {
		return task.Task{}, err
	}
	m.tasks[id] = t
	return t, nil
}

func (m *fakeMaster) DrainSlave(ctx context.Context, name string, drained bool) (task.Slave, error) {
	return m.changeSlave(ctx, name, func(s *task.Slave) *task.Error {
		s.Drained = drained
		s.State = s.Present()
		return nil
	})
}

func (m *fakeMaster) RemoveSlave(ctx context.Context, name string, force bool) (task.Slave, error) {
	return m.changeSlave(ctx, name, func(s *task.Slave) *task.Error {
		if s.Busy > 0 && !force {
			return task.Refuse(task.CodeSlaveBusy, "busy")
		}
		return nil
	})
}

func (m *fakeMaster) changeSlave(ctx context.Context, name string, change func(*task.Slave) *task.Error) (task.Slave, error) {
	if err := m.write(ctx); err != nil {
		return task.Slave{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.slaves {
		if m.slaves[i].Name == name {
			if err := change(&m.slaves[i]); err != nil {
				return task.Slave{}, err
			}
			return m.slaves[i], nil
		}
	}
	return task.Slave{}, task.Refuse(task.CodeSlaveNotFound, "none")
}

func (m *fakeMaster) ResizeSlave(ctx context.Context, name string, slots int) (task.Slave, error) {
	return m.changeSlave(ctx, name, func(s *task.Slave) *task.Error {
		s.Slots = slots
		return nil
	})
}

func (m *fakeMaster) TransferLeadership(ctx context.Context, id string) error {
	return m.RemoveMaster(ctx, id)
}

func (m *fakeMaster) Status(fingerprint bool) Status {
	index, _ := m.look()
	s := Status{
		ID: m.id, ClusterID: m.Cluster(), DiskID: "d-1", Founders: map[string]string{"m1": "d-1"}, Version: "1", Role: task.Leader,
		Voter: true, Term: 7, LeaderID: m.id, LeaderURL: m.url, AppliedIndex: index, Ready: true,
	}
	if fingerprint {
		s.Fingerprint = "abc"
	}
	return s
}

func (m *fakeMaster) Ready() error { return m.notReady }

func (m *fakeMaster) Healthy() error { return m.stalled }

// fakeView is a copy.
type fakeView struct {
	index  uint64
	tasks  map[task.ID]task.Task
	slaves []task.Slave
}

func (c *fakeCluster) view() fakeView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fakeView{index: c.index, tasks: maps.Clone(c.tasks), slaves: slices.Clone(c.slaves)}
}

func (v fakeView) Index() uint64 { return v.index }

func (v fakeView) Task(id task.ID) (task.Task, bool) { t, ok := v.tasks[id]; return t, ok }

func (v fakeView) List(q task.Query) task.Page {
	ids := slices.Sorted(maps.Keys(v.tasks))
	if q.Descending {
		slices.Reverse(ids)
	}
	var page task.Page
	size := 0
	for _, id := range ids {
		t := v.tasks[id]
		after := q.After == 0 || !q.Descending && id > q.After || q.Descending && id < q.After
		if !after || !q.Matches(&t) {
			continue
		}
		size += t.Bytes()
		if n := len(page.Tasks); n == q.Limit || n > 0 && size > task.MaxPageBytes {
			page.Next = page.Tasks[n-1].ID
			break
		}
		page.Tasks = append(page.Tasks, t)
	}
	return page
}

func (v fakeView) Counts() task.Counts {
	c := task.Counts{Submitted: uint64(len(v.tasks))}
	for _, t := range v.tasks {
		switch t.Status {
		case task.Pending:
			c.Pending++
		case task.InProgress:
			c.InProgress++
		case task.Done:
			c.Done++
		}
	}
	return c
}

func (v fakeView) Capacity() task.Capacity { return task.Capacity{Slaves: 1, Slots: 2, Busy: 1} }
func (v fakeView) Slaves() []task.Slave    { return v.slaves }

func (v fakeView) Slave(name string) (task.Slave, bool) {
	for _, s := range v.slaves {
		if s.Name == name {
			return s, true
		}
	}
	return task.Slave{}, false
}

var errPlanted = errors.New("planted")
