package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"muster/slave/worker"
	"muster/task"
	"muster/task/wait"
)

const incarnation = "0123456789abcdef"

// masters is a Reporter that acknowledges everything, unless answer says
// otherwise, and remembers each report.
type masters struct {
	mu      sync.Mutex
	answer  func(ctx context.Context, r task.Report) ([]task.Verdict, error)
	reports []task.Report
}

func (m *masters) Report(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	m.mu.Lock()
	m.reports = append(m.reports, r)
	answer := m.answer
	m.mu.Unlock()
	if answer != nil {
		return answer(ctx, r)
	}
	return verdicts(r, nil), nil
}

func (m *masters) say(answer func(ctx context.Context, r task.Report) ([]task.Verdict, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

func (m *masters) all() []task.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]task.Report(nil), m.reports...)
}

// results returns every result that was reported, repeats included.
func (m *masters) results() []task.Result {
	var rs []task.Result
	for _, r := range m.all() {
		rs = append(rs, r.Results...)
	}
	return rs
}

// verdicts answers each result of a report alike.
func verdicts(r task.Report, e *task.Error) []task.Verdict {
	vs := make([]task.Verdict, len(r.Results))
	for i, res := range r.Results {
		vs[i] = task.Verdict{ID: res.ID, Attempt: res.Attempt, Err: e}
	}
	return vs
}

func silent(context.Context, task.Report) ([]task.Verdict, error) {
	return nil, errors.New("no master answers")
}

// rig is a started worker with its masters and the leader's stamps.
type rig struct {
	*worker.Worker
	t       *testing.T
	masters *masters
	seq     uint64
}

func start(t *testing.T, slots int, handlers map[string]worker.Handler) *rig {
	t.Helper()
	m := &masters{}
	w, err := worker.New(worker.Config{Name: "slave-1", Incarnation: incarnation, Slots: slots, Handlers: handlers, Reporter: m})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &rig{Worker: w, t: t, masters: m}
}

// drain drains a worker, and gives up after a while: a report that is repeated for
// ever would keep fake time going for ever.
func drain(t *testing.T, w *worker.Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Drain(ctx); err != nil {
		t.Errorf("drain the worker: %v", err)
	}
}

func (r *rig) stamp() task.Stamp {
	r.seq++
	return task.Stamp{Term: 1, Sequence: r.seq}
}

func (r *rig) accept(orders ...task.Order) []task.Receipt {
	r.t.Helper()
	receipts, _, err := r.Accept(r.stamp(), incarnation, orders)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(receipts) != len(orders) {
		r.t.Fatalf("%d receipts for %d orders", len(receipts), len(orders))
	}
	return receipts
}

func (r *rig) free() int {
	r.t.Helper()
	a, err := r.Available(task.Stamp{})
	if err != nil {
		r.t.Fatal(err)
	}
	return a.Free
}

func (r *rig) held() []task.Held {
	r.t.Helper()
	h, _, err := r.Held(task.Stamp{})
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func order(id task.ID, attempt uint32) task.Order {
	return task.Order{ID: id, Attempt: attempt, Kind: "sleep"}
}

// sleeping takes ten seconds, or until its context ends.
func sleeping(ctx context.Context, o task.Order) (task.Value, error) {
	if !wait.Sleep(ctx, 10*time.Second) {
		return task.Value{}, ctx.Err()
	}
	return task.Value{Type: task.Number, Text: o.ID.String()}, nil
}

var sleepers = map[string]worker.Handler{"sleep": sleeping}

func wantReceipt(t *testing.T, got task.Receipt, status task.ReceiptStatus, reason string) {
	t.Helper()
	if got.Status != status || got.Reason != reason {
		t.Fatalf("receipt of attempt %d of task %d: %v %q, want %v %q", got.Attempt, got.ID, got.Status, got.Reason, status, reason)
	}
}
