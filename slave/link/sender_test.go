package link_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/slave/link"
	"muster/task"
)

// What dispatch asks of a Sender, repeated here because this package must not
// know the dispatcher.
var _ interface {
	Available(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error)
	Knock(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error)
	Send(ctx context.Context, url string, stamp task.Stamp, incarnation string, orders []task.Order) ([]task.Receipt, task.Availability, error)
	Held(ctx context.Context, url string, stamp task.Stamp) ([]task.Held, task.Availability, error)
	Resize(ctx context.Context, url string, stamp task.Stamp, incarnation string, slots int) (task.Availability, error)
	Cancel(ctx context.Context, url string, stamp task.Stamp, incarnation string, id task.ID, attempt uint32) (task.Availability, error)
} = (*link.Sender)(nil)

// A whole conversation over a real connection.
func TestConversation(t *testing.T) {
	ctx := t.Context()
	url := serve(t, newWorker(t, 2, deaf{}))
	s := newSender(t)

	a, err := s.Available(ctx, url+"/", stamp(1))
	if err != nil || a.Free != 2 || a.Slots != 2 || a.Incarnation != incarnation {
		t.Fatalf("%+v, %v", a, err)
	}
	echo := task.Order{ID: 1, Attempt: 1, Kind: "echo", Expression: "a <b> & \u2028"}
	wait := task.Order{ID: 2, Attempt: 4, Kind: "wait"}
	receipts, _, err := s.Send(ctx, url, stamp(2), incarnation, []task.Order{echo, wait, {ID: 3, Attempt: 1, Kind: "cook"}})
	if err != nil || receipts[0].Status != task.Accepted || receipts[1].Status != task.Accepted || receipts[2].Reason != task.ReasonUnknownKind {
		t.Fatalf("%+v, %v", receipts, err)
	}
	sequence := uint64(3)
	for receipts[0].Status != task.Finished { // ends: the handler returns at once
		if receipts, a, err = s.Send(ctx, url, stamp(sequence), incarnation, []task.Order{echo, wait}); err != nil {
			t.Fatal(err)
		}
		sequence++
	}
	want := task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: echo.Expression}}
	if receipts[0].Result != want || receipts[1].Status != task.Running || a.Free != 1 {
		t.Fatalf("%+v, %+v", receipts, a)
	}
	held, _, err := s.Held(ctx, url, stamp(sequence))
	if err != nil || len(held) != 2 || held[0] != (task.Held{ID: 1, Attempt: 1, Finished: true}) || held[1] != (task.Held{ID: 2, Attempt: 4}) {
		t.Fatalf("%+v, %v", held, err)
	}
	sequence++
	if _, err = s.Cancel(ctx, url, stamp(sequence), incarnation, 2, 4); err != nil {
		t.Fatal(err)
	}
	for a.Free < 2 { // ends: the handler returns when it is cancelled
		sequence++
		if a, err = s.Available(ctx, url, stamp(sequence)); err != nil {
			t.Fatal(err)
		}
	}

	if _, err = s.Available(ctx, url, stamp(sequence)); !errors.Is(err, task.ErrStaleStamp) {
		t.Errorf("the same stamp again: %v", err)
	}
	if _, _, err = s.Send(ctx, url, stamp(1), incarnation, nil); !errors.Is(err, task.ErrStaleStamp) {
		t.Errorf("send with an old stamp: %v", err)
	}
	if _, _, err = s.Send(ctx, url, stamp(sequence+1), "another", nil); !errors.Is(err, task.ErrWrongIncarnation) || !strings.Contains(err.Error(), incarnation) {
		t.Errorf("send to another incarnation: %v", err)
	}
	if _, err = s.Cancel(ctx, url, stamp(sequence+2), "another", 1, 1); !errors.Is(err, task.ErrWrongIncarnation) {
		t.Errorf("cancel at another incarnation: %v", err)
	}
	if a, err = s.Resize(ctx, url, stamp(sequence+3), incarnation, 7); err != nil || a.Slots != 7 || a.Free != 7 {
		t.Errorf("resize: %+v, %v", a, err)
	}
	if _, err = s.Resize(ctx, url, stamp(sequence+4), "another", 1); !errors.Is(err, task.ErrWrongIncarnation) {
		t.Errorf("resize at another incarnation: %v", err)
	}
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	if _, err = s.Resize(ctx, none.URL, stamp(sequence+5), incarnation, 1); !errors.Is(err, task.ErrNotResizable) {
		t.Errorf("resize where nobody can: %v", err)
	}
	if _, err = s.Cancel(ctx, none.URL, stamp(sequence+6), incarnation, 1, 1); err == nil || errors.Is(err, task.ErrNotResizable) {
		t.Errorf("cancel where nobody can: %v", err)
	}
}

// An answer has room for some results only; the others are said to run, and
// come with the slave's reports.
func TestManyLargeResults(t *testing.T) {
	const n, room = 140, 128 // 128 × 64 KiB = 8 MiB
	url, s := serve(t, newWorker(t, n, deaf{})), newSender(t)
	orders := make([]task.Order, n)
	for i := range orders {
		orders[i] = task.Order{ID: task.ID(i + 1), Attempt: 1, Kind: "large"}
	}
	if _, _, err := s.Send(t.Context(), url, stamp(1), incarnation, orders); err != nil {
		t.Fatal(err)
	}
	sequence := uint64(2)
	for finished := 0; finished < n; sequence++ { // ends: the handlers return at once
		held, _, err := s.Held(t.Context(), url, stamp(sequence))
		if err != nil {
			t.Fatal(err)
		}
		finished = 0
		for _, h := range held {
			if h.Finished {
				finished++
			}
		}
	}
	receipts, _, err := s.Send(t.Context(), url, stamp(sequence), incarnation, orders)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		want := task.Finished
		if i >= room {
			want = task.Running
		}
		if r.Status != want {
			t.Fatalf("receipt %d: %v", i, r.Status)
		}
	}
}

// net/http repeats a GET on a new connection when a kept one breaks. The slave
// has seen the stamp by then: its refusal must not be taken for a newer leader.
func TestRepeatedQuestionIsUnclear(t *testing.T) {
	w := newWorker(t, 1, deaf{})
	slave := link.Handler(w)
	var breaks atomic.Bool
	var requests atomic.Int32
	url := fake(t, func(rw http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if !breaks.CompareAndSwap(true, false) {
			slave.ServeHTTP(rw, r)
			return
		}
		slave.ServeHTTP(&discarded{}, r) // it hears the question, and the answer is lost
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close() // breaking it is the point
	})
	s := newSender(t)
	if _, err := s.Available(t.Context(), url, stamp(1)); err != nil {
		t.Fatal(err)
	}
	breaks.Store(true)
	_, err := s.Available(t.Context(), url, stamp(2))
	if n := requests.Load(); n != 3 {
		t.Fatalf("%d requests; the test needs net/http to repeat one", n)
	}
	wantUnclear(t, err)
	if _, err = s.Available(t.Context(), url, stamp(3)); err != nil {
		t.Fatal(err)
	}
}

// discarded is a ResponseWriter that answers nobody.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(int)             {}

// A POST is never repeated: on a broken connection its fate is unclear.
func TestSendIsNeverRepeated(t *testing.T) {
	w := newWorker(t, 1, deaf{})
	slave := link.Handler(w)
	var posts atomic.Int32
	url := fake(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			slave.ServeHTTP(rw, r)
			return
		}
		posts.Add(1)
		slave.ServeHTTP(&discarded{}, r)
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close() // breaking it is the point
	})
	s := newSender(t)
	if _, err := s.Available(t.Context(), url, stamp(1)); err != nil { // a kept connection
		t.Fatal(err)
	}
	_, _, err := s.Send(t.Context(), url, stamp(2), incarnation, []task.Order{{ID: 1, Attempt: 1, Kind: "wait"}})
	wantUnclear(t, err)
	if n := posts.Load(); n != 1 {
		t.Fatalf("sent %d times", n)
	}
	if held, _, err := s.Held(t.Context(), url, stamp(3)); err != nil || len(held) != 1 {
		t.Fatalf("%+v, %v", held, err)
	}
}

// Connections are kept between calls, also after a refusal.
func TestConnectionsAreKept(t *testing.T) {
	url := serve(t, newWorker(t, 1, deaf{}))
	var dials atomic.Int32
	s := link.NewSender(link.SenderConfig{Dial: countingDial(&dials)})
	defer s.Close()
	for i := range uint64(20) {
		if _, err := s.Available(t.Context(), url, stamp(1+i)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Available(t.Context(), url, stamp(1+i)); !errors.Is(err, task.ErrStaleStamp) {
			t.Fatal(err)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Fatalf("%d connections for 40 calls", n)
	}
}

func wantUnclear(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, certain := range []error{task.ErrUnreached, task.ErrWrongCluster, task.ErrStaleStamp, task.ErrWrongIncarnation} {
		if errors.Is(err, certain) {
			t.Fatalf("the error claims to be certain: %v", err)
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
