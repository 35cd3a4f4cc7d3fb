package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// town is masters on a transport without a network: some refuse connections, the
// others answer.
type town struct {
	refuses map[string]bool
	leader  string // that those who answer name; empty: none
	answers func(host string, w http.ResponseWriter)
	asked   []string
	at      []time.Time
}

// in runs a test with a client of three masters, in fake time.
func (town *town) in(t *testing.T, test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{Addresses: []string{"http://m1", "http://m2", "http://m3"}, HTTPClient: &http.Client{Transport: roundTripper(town.roundTrip)}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.traces.Store(true) // a real transport tells that it had no connection
		test(t, c)
	})
}

func (town *town) roundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Host
	town.asked, town.at = append(town.asked, host), append(town.at, time.Now())
	if town.refuses[host] {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	w := httptest.NewRecorder()
	stamp(w, "9", town.leader)
	town.answers(host, w)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// took tells who was asked since the last time, and how long that was.
func (town *town) took(began time.Time) ([]string, time.Duration) {
	asked := town.asked
	town.asked = nil
	return asked, time.Since(began)
}

// A master that refuses costs a call no time, and is asked last for a while, also
// when the others still name it as the leader.
func TestTheNextMasterIsAskedAtOnce(t *testing.T) {
	town := &town{refuses: map[string]bool{"m1": true}, leader: "http://m1", answers: func(_ string, w http.ResponseWriter) { submitted(w) }}
	town.in(t, func(t *testing.T, c *Client) {
		t.Helper()
		submit := func(want ...string) {
			t.Helper()
			began := time.Now()
			if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
				t.Fatal(err)
			}
			if asked, took := town.took(began); took != 0 || !slices.Equal(asked, want) {
				t.Errorf("it took %v and asked %v, want %v at once", took, asked, want)
			}
		}
		submit("m1", "m2")
		submit("m2") // which names m1 as the leader
		time.Sleep(lastFor - time.Millisecond)
		submit("m2")
		time.Sleep(2 * time.Millisecond)
		submit("m1", "m2") // it may be there again
		town.refuses = map[string]bool{"m2": true}
		submit("m2", "m3")
		town.refuses = map[string]bool{"m2": true, "m3": true}
		submit("m3", "m1")
		submit("m1") // which leads, and is not last any more
	})
}

// So it is for what slaves report, in one round.
func TestASlavesCallsAskTheNextMasterAtOnce(t *testing.T) {
	town := &town{refuses: map[string]bool{"m1": true, "m2": true}, answers: func(_ string, w http.ResponseWriter) {
		_, _ = w.Write([]byte(`{"results":[]}`))
	}}
	town.in(t, func(t *testing.T, c *Client) {
		t.Helper()
		for _, want := range [][]string{{"m1", "m2", "m3"}, {"m3"}, {"m3"}} {
			began := time.Now()
			if _, err := c.Report(t.Context(), task.Report{Slave: "s"}); err != nil {
				t.Fatal(err)
			}
			if asked, took := town.took(began); took != 0 || !slices.Equal(asked, want) {
				t.Errorf("it took %v and asked %v, want %v at once", took, asked, want)
			}
		}
	})
}

// When all refuse, each is asked once in a round, and rounds have pauses between
// them that grow and differ.
func TestRoundsHavePausesWhenAllRefuse(t *testing.T) {
	town := &town{refuses: map[string]bool{"m1": true, "m2": true, "m3": true}}
	town.in(t, func(t *testing.T, c *Client) {
		t.Helper()
		_, err := c.Submit(within(t, 10*time.Second), one, SubmitOptions{})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v", err)
		}
		different := map[time.Duration]bool{}
		for i := 3; i < len(town.at); i += 3 {
			if round := slices.Sorted(slices.Values(town.asked[i-3 : i])); !slices.Equal(round, []string{"m1", "m2", "m3"}) || !town.at[i-1].Equal(town.at[i-3]) {
				t.Errorf("a round asked %v in %v", round, town.at[i-1].Sub(town.at[i-3]))
			}
			pause := town.at[i].Sub(town.at[i-1])
			if low := min(50*time.Millisecond<<(i/3-1), time.Second) / 2; pause < low || pause > 3*low {
				t.Errorf("pause %d is %v, not within %v and %v", i/3, pause, low, 3*low)
			}
			different[pause] = true
		}
		if len(different) < 8 {
			t.Errorf("%d different pauses", len(different))
		}
	})
}

// A stream that is cut goes on at the next master at once. Only when each was tried
// there is a pause.
func TestAStreamGoesOnElsewhereAtOnce(t *testing.T) {
	n := 0
	town := &town{refuses: map[string]bool{}, answers: func(_ string, w http.ResponseWriter) {
		n++
		tell(w, happened(fmt.Sprintf("%d-0", n), "submitted"))
	}}
	town.in(t, func(t *testing.T, c *Client) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var at []time.Time
		for _, err := range c.Events(ctx, EventsOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if at = append(at, time.Now()); len(at) == 4 {
				break
			}
		}
		if asked, _ := town.took(at[0]); !slices.Equal(asked, []string{"m1", "m2", "m3", "m1"}) {
			t.Errorf("asked %v", asked)
		}
		if !at[2].Equal(at[0]) || at[3].Equal(at[2]) {
			t.Errorf("the others were asked after %v, and the first again after %v", at[2].Sub(at[0]), at[3].Sub(at[2]))
		}
	})
}
