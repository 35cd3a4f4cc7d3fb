package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/api/client"
)

// fickle is a master that says full capacity, breaks a connection, or does not
// know, before it takes a task; and takes each key once.
type fickle struct {
	mu    sync.Mutex
	tries map[string]int
	ids   map[string]uint64
}

func (f *fickle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	f.tries[key]++
	w.Header().Set("Content-Type", "application/json")
	switch f.tries[key] {
	case 1:
		// net/http itself repeats what breaks on a connection that it has used before.
		// So the first one that breaks must be new.
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error":"full","code":"full_capacity","slots":1,"busy":1}`)
		return
	case 2:
		panic(http.ErrAbortHandler)
	}
	if f.ids[key] == 0 {
		f.ids[key] = uint64(len(f.ids) + 1)
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"message":"ok","task":{"id":%d,"kind":"expression","expression":"","status":"in_progress"}}`, f.ids[key])
}

func loadOn(t *testing.T, h http.Handler, change func(*load)) (*load, *wiretap) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	wire := newWiretap()
	t.Cleanup(wire.next.CloseIdleConnections)
	c, err := client.New(client.Config{Addresses: []string{server.URL}, HTTPClient: wire.client(), MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l := &load{name: "k", submitters: 3, client: c, ledger: &ledger{}}
	change(l)
	return l, wire
}

func TestLoadRepeatsWithTheSameKey(t *testing.T) {
	master := &fickle{tries: map[string]int{}, ids: map[string]uint64{}}
	l, wire := loadOn(t, master, func(*load) {})
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for l.ledger.count() < 20 && t.Context().Err() == nil {
			<-time.After(time.Millisecond)
		}
	}()
	if err := l.run(t.Context(), stop); err != nil {
		t.Fatal(err)
	}
	<-stop
	entries := l.ledger.all()
	if len(twice(entries)) > 0 || len(entries) != len(master.ids) || l.ledger.refused != len(entries) {
		t.Errorf("%d acknowledged, %d known to the master, %d refused at first, twice: %v", len(entries), len(master.ids), l.ledger.refused, twice(entries))
	}
	for _, e := range entries {
		if master.ids[e.key] != e.id || !strings.HasPrefix(e.key, "k-") || e.want == "" {
			t.Errorf("the ledger has %+v, the master %d", e, master.ids[e.key])
		}
	}
	// One connection broke for each task, the first one surely under a submit.
	if broken := int(wire.broken.Load()); broken == 0 || wire.inFlight.Load() != 0 {
		t.Errorf("%d broken, %d on their way after the end", broken, wire.inFlight.Load())
	}
}

func TestLoadEndsAtARefusal(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"no","code":"invalid_expression"}`)
	})
	l, _ := loadOn(t, refuse, func(*load) {})
	if err := l.run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "submit k-1: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestPatientLoadGoesOnUntilItIsEnded(t *testing.T) {
	asked := make(chan struct{}, 1)
	nobody := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error":"nobody leads","code":"no_leader"}`)
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	l, _ := loadOn(t, nobody, func(l *load) { l.patient = true })
	ended := make(chan error)
	go func() { ended <- l.run(ctx, nil) }()
	<-asked
	cancel()
	if err := <-ended; err != nil || l.ledger.count() != 0 {
		t.Errorf("%v, %d acknowledged", err, l.ledger.count())
	}
}

func TestLoadWorkDiffers(t *testing.T) {
	seen := map[string]bool{}
	for n := 1; n <= 100; n++ {
		w := loadWork(n, 100*time.Millisecond)
		if seen[w.String()] || w.want == "" || !strings.Contains(w.expression, "sleep(0.1)") {
			t.Errorf("work %d: %s, wants %q", n, w, w.want)
		}
		seen[w.String()] = true
	}
	if got := loadWork(1001, 0).want; got != "1001994" {
		t.Errorf("1001² - 7 = %s", got)
	}
	if got := loadWork(1003, 0); got.want != "true" {
		t.Errorf("%s is %s", got, got.want)
	}
}
