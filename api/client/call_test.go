package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

func TestFollowsTheLeader(t *testing.T) {
	leader := newScripted(t, nil)
	leader.reply = func(_ int, w http.ResponseWriter, _ *http.Request) {
		stamp(w, "9", leader.URL)
		submitted(w)
	}
	follower := newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) { redirect(w, r, leader.URL) })
	c := ask(t, follower.URL)
	for range 3 {
		s, err := c.Submit(t.Context(), one, SubmitOptions{Explain: true})
		if err != nil || s.Task.ID != 7 {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
	if n, m := len(follower.heard()), len(leader.heard()); n != 1 || m != 3 {
		t.Errorf("the follower was asked %d times, the leader %d times", n, m)
	}
	if got := leader.heard()[0]; got.target != "/v1/tasks?explain=true" || string(got.body) != `{"expression":"1"}` {
		t.Errorf("the leader heard %s %s", got.target, got.body)
	}
	if c.Leader() != leader.URL || c.Index() != 9 {
		t.Errorf("remembers %q and %d", c.Leader(), c.Index())
	}
}

// A read asks the given addresses alone, for what the client has seen.
func TestReadsAreLocal(t *testing.T) {
	leader := newScripted(t, nil)
	leader.reply = func(_ int, w http.ResponseWriter, _ *http.Request) {
		stamp(w, "9", leader.URL)
		submitted(w)
	}
	follower := newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost || r.URL.Query().Get("consistency") != "" {
			redirect(w, r, leader.URL)
			return
		}
		stamp(w, "9", leader.URL)
		submitted(w)
	})
	c := ask(t, follower.URL)
	ctx := t.Context()
	_, err := c.Submit(ctx, one, SubmitOptions{})
	_, err1 := c.Task(ctx, 7, ReadOptions{})
	_, err2 := c.Task(ctx, 7, ReadOptions{MinIndex: 12})
	_, err3 := c.Task(ctx, 7, ReadOptions{Linearizable: true})
	if err = errors.Join(err, err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	got := follower.heard()
	if len(got) != 3 || got[1].target != "/v1/tasks/7?min_index=9" || got[2].target != "/v1/tasks/7?min_index=12" {
		t.Errorf("the follower heard %+v", got)
	}
	if got := leader.heard(); len(got) != 2 || got[1].target != "/v1/tasks/7?min_index=9&consistency=linearizable" {
		t.Errorf("the leader heard %+v", got)
	}
}

// Whatever happens to a submit, its repetitions carry one key.
func TestSubmitIsRepeatedWithOneKey(t *testing.T) {
	master := newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 1:
			cut()
		case 2:
			refuse(w, 503, task.CodeOutcomeUnknown)
		case 3:
			refuse(w, 503, task.CodeNoLeader)
		case 4:
			refuse(w, 429, task.CodeOverloaded)
		case 5:
			refuse(w, 503, task.CodeShuttingDown)
		case 6:
			http.Error(w, "<html>bad gateway", http.StatusBadGateway)
		case 7:
			w.WriteHeader(http.StatusTemporaryRedirect) // to nowhere
		case 8:
			_, _ = w.Write([]byte("{"))
		default:
			submitted(w)
		}
	})
	c := ask(t, gone(), master.URL)
	if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
		t.Fatal(err)
	}
	got := master.heard()
	if len(got) != 9 || len(got[0].key) < 20 {
		t.Fatalf("heard %d times, first with the key %q", len(got), got[0].key)
	}
	for _, call := range got {
		if call.key != got[0].key {
			t.Errorf("another key: %q", call.key)
		}
	}
	if _, err := c.Submit(t.Context(), one, SubmitOptions{Key: "mine"}); err != nil {
		t.Fatal(err)
	}
	if got := master.heard(); got[9].key != "mine" {
		t.Errorf("the key is %q", got[9].key)
	}
}

func TestRefusalsAreFinal(t *testing.T) {
	for _, code := range []task.Code{
		task.CodeFullCapacity, task.CodeNoSlaveForKind, task.CodeKeyReused, task.CodeInvalidExpression, task.CodeDiskLow, task.CodeInternal,
	} {
		master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			refuse(w, 503, code)
		})
		_, err := ask(t, master.URL, master.URL).Submit(t.Context(), one, SubmitOptions{})
		e := refusalIn(t, err, code)
		if e.Slots != 4 || e.Busy != 3 || e.Status != 503 || e.RetryAfter != time.Second || e.Address != master.URL {
			t.Errorf("got %+v", e)
		}
		if n := len(master.heard()); n != 1 {
			t.Errorf("%s: asked %d times", code, n)
		}
		refusal, _ := errors.AsType[*task.Error](err)
		if refusal.Message != "A sentence." || (refusal.Capacity != nil) != (code == task.CodeFullCapacity) {
			t.Errorf("got %+v", refusal)
		}
	}
}

// What must not be done twice is repeated only when it was surely not done.
func TestUnsafeIsNotRepeated(t *testing.T) {
	for name, tc := range map[string]struct {
		first func(w http.ResponseWriter)
		calls int
		code  Code
	}{
		"cut":       {func(http.ResponseWriter) { cut() }, 1, task.CodeOutcomeUnknown},
		"unknown":   {func(w http.ResponseWriter) { refuse(w, 503, task.CodeOutcomeUnknown) }, 1, task.CodeOutcomeUnknown},
		"garbage":   {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, 1, task.CodeOutcomeUnknown},
		"no leader": {func(w http.ResponseWriter) { refuse(w, 503, task.CodeNoLeader) }, 2, ""},
		"stopping":  {func(w http.ResponseWriter) { refuse(w, 503, task.CodeShuttingDown) }, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			master := newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					tc.first(w)
					return
				}
				say(w, 200, map[string]string{"message": "done"})
			})
			for _, call := range []func(*Client) (string, error){
				func(c *Client) (string, error) { return c.RemoveMaster(t.Context(), "m2") },
				func(c *Client) (string, error) { return c.TransferLeadership(t.Context(), "m2") },
			} {
				master.mu.Lock()
				master.calls = nil
				master.mu.Unlock()
				message, err := call(ask(t, gone(), master.URL))
				if n := len(master.heard()); n != tc.calls {
					t.Errorf("asked %d times", n)
				}
				if tc.code != "" {
					wantCode(t, err, tc.code)
				} else if err != nil || message != "done" {
					t.Errorf("got %q, %v", message, err)
				}
			}
		})
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nobody := roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})
		c, err := New(Config{Addresses: []string{"http://m1", "http://m2"}, HTTPClient: &http.Client{Transport: nobody}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.traces.Store(true) // a real transport tells that it had no connection
		nobodyAnswers(t, c)
	})
}

func nobodyAnswers(t *testing.T, c *Client) {
	t.Helper()
	for name, call := range map[string]func(context.Context) error{
		"submit": func(ctx context.Context) error { _, err := c.Submit(ctx, one, SubmitOptions{}); return err },
		"remove": func(ctx context.Context) error { _, err := c.RemoveMaster(ctx, "m"); return err },
		"read":   func(ctx context.Context) error { _, err := c.Slaves(ctx, ReadOptions{}); return err },
	} {
		err := call(within(t, 50*time.Millisecond))
		if !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoLeader) || CodeOf(err) != "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Submit(ctx, one, SubmitOptions{}); !errors.Is(err, context.Canceled) || CodeOf(err) != "" {
		t.Errorf("got %v", err)
	}
}

// TestAnOverloadedLeaderIsLeftAlone for as long as it asks, also through the others, who
// only lead back to it.
func TestAnOverloadedLeaderIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		began := time.Now()
		masters := roundTripper(func(*http.Request) (*http.Response, error) {
			asked = append(asked, time.Since(began))
			w := httptest.NewRecorder()
			w.Header().Set("Retry-After", "4")
			refuse(w, http.StatusTooManyRequests, task.CodeOverloaded)
			return w.Result(), nil
		})
		c, err := New(Config{Addresses: []string{"http://m1", "http://m2", "http://m3"}, HTTPClient: &http.Client{Transport: masters}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Submit(within(t, 9*time.Second), one, SubmitOptions{}); CodeOf(err) != task.CodeOverloaded {
			t.Errorf("got %v", err)
		}
		if want := []time.Duration{0, 4 * time.Second, 8 * time.Second}; !slices.Equal(asked, want) {
			t.Errorf("masters were asked after %v, want %v", asked, want)
		}
	})
}

func TestNobodyLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := askInFakeTime(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, task.CodeNoLeader) })
		_, err := c.Submit(within(t, 100*time.Millisecond), one, SubmitOptions{})
		if !errors.Is(err, ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// Masters that redirect in circles are no leader, and not asked without end.
func TestCircles(t *testing.T) {
	var a, b *scripted
	a = newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) { redirect(w, r, b.URL) })
	b = newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) { redirect(w, r, a.URL) })
	_, err := ask(t, a.URL).RegisterSlave(t.Context(), task.Registration{Name: "s"})
	if !errors.Is(err, ErrNoLeader) {
		t.Errorf("got %v", err)
	}
	if n := len(a.heard()) + len(b.heard()); n != maxHops {
		t.Errorf("asked %d times", n)
	}
}

// An attempt that may have been done stays so, whatever fails after it.
func TestFateStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := askInFakeTime(t, func(w http.ResponseWriter, _ *http.Request) {
			if n++; n == 1 {
				cut()
			}
			refuse(w, 503, task.CodeNoLeader)
		})
		_, err := c.Submit(within(t, time.Minute), one, SubmitOptions{})
		e := refusalIn(t, err, task.CodeOutcomeUnknown)
		if e.Status != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// A refusal after an attempt that may have been done, or may be yet, speaks for
// itself alone, unless it would have met any attempt.
func TestARefusalDoesNotEndADoubt(t *testing.T) {
	for code, want := range map[task.Code]task.Code{
		task.CodeFullCapacity: task.CodeOutcomeUnknown, task.CodeNoSlaveForKind: task.CodeOutcomeUnknown, task.CodeDiskLow: task.CodeOutcomeUnknown,
		task.CodeKeyReused: task.CodeKeyReused, task.CodeInvalidExpression: task.CodeInvalidExpression,
	} {
		for what, doubt := range map[string]func(w http.ResponseWriter){
			"cut":     func(http.ResponseWriter) { cut() },
			"unknown": func(w http.ResponseWriter) { refuse(w, 503, task.CodeOutcomeUnknown) },
		} {
			master := newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					doubt(w)
					return
				}
				refuse(w, 503, code)
			})
			_, err := ask(t, master.URL).Submit(t.Context(), one, SubmitOptions{})
			e := refusalIn(t, err, want)
			if n := len(master.heard()); n != 2 {
				t.Errorf("%s, then %s: asked %d times", what, code, n)
			}
			if want == task.CodeOutcomeUnknown && !strings.Contains(e.Error(), string(code)) {
				t.Errorf("%s, then %s: %v", what, code, err)
			}
		}
	}
}

// A master that is frozen takes connections and says nothing: an attempt ends,
// the next goes elsewhere, and calls do not begin there again. In fake time.
func TestFrozenMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		transport := roundTripper(func(r *http.Request) (*http.Response, error) {
			asked[r.URL.Host]++
			if r.URL.Host == "frozen" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			w := httptest.NewRecorder()
			submitted(w)
			return w.Result(), nil
		})
		c, err := New(Config{Addresses: []string{"http://frozen", "http://alive"}, HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		submit := func(want time.Duration) {
			began := time.Now()
			if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want || asked["frozen"] > 2 {
				t.Errorf("after %s, asked %v", took, asked)
			}
		}
		submit(3 * time.Second)
		submit(0)
		c.leader = "http://frozen" // a leader that has fallen silent is not believed in either
		submit(3 * time.Second)
		submit(0)
	})
}

// Pauses grow, differ, stay under their bound, and heed what an overloaded
// master asks for. In fake time, over a transport without a network.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		transport := roundTripper(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			w := httptest.NewRecorder()
			switch n := len(at); {
			case n == 12:
				w.Header().Set("Retry-After", "7")
				refuse(w, 429, task.CodeOverloaded)
			case n < 14:
				refuse(w, 503, task.CodeNoLeader)
			default:
				submitted(w)
			}
			resp := w.Result()
			resp.Request = r
			return resp, nil
		})
		c, err := New(Config{Addresses: []string{"http://m1"}, HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
			t.Fatal(err)
		}
		want, different := 50*time.Millisecond, map[time.Duration]bool{}
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1])
			low, high := want/2, want*3/2
			if i == 12 {
				low, high = 7*time.Second, 7*time.Second
			}
			if pause < low || pause > high {
				t.Errorf("pause %d is %s, not within %s and %s", i, pause, low, high)
			}
			want = min(2*want, time.Second)
			different[pause] = true
		}
		if len(different) != len(at)-1 {
			t.Errorf("%d of %d pauses are different", len(different), len(at)-1)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A transport that does not say when it has a connection may have sent anything.
func TestSilentTransport(t *testing.T) {
	calls := 0
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		calls++
		return nil, errors.New("planted")
	})
	c, err := New(Config{Addresses: []string{"http://m1", "http://m2"}, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.RemoveMaster(t.Context(), "m2")
	wantCode(t, err, task.CodeOutcomeUnknown)
	if calls != 1 {
		t.Errorf("asked %d times", calls)
	}
}

func TestNewChecksAddresses(t *testing.T) {
	for _, addresses := range [][]string{nil, {""}, {"h:80"}, {"ftp://h"}, {"http://"}, {"http://h", "/x"}, {"http://h?x"}, {"http://h?"}, {"http://h#"}, {"http://u@h"}, {"http://h//"}, {"http://h:0"}, {"http://h:080"}, {"http://h\u200b"}, {"http://h．x"}} {
		if _, err := New(Config{Addresses: addresses}); err == nil {
			t.Errorf("%q passed", addresses)
		}
	}
	own := &http.Client{}
	c, err := New(Config{Addresses: []string{"http://h/prefix/"}, HTTPClient: own})
	if err != nil || own.CheckRedirect != nil || c.addresses[0] != "http://h/prefix" {
		t.Errorf("got %v, %v", c, err)
	}
}

// A cluster behind a path of a proxy works, also through a redirect.
func TestPrefix(t *testing.T) {
	var master *scripted
	master = newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/m1"); ok {
			r.URL.Path = rest
			redirect(w, r, master.URL+"/m2")
			return
		}
		submitted(w)
	})
	if _, err := ask(t, master.URL+"/m1/").Submit(t.Context(), one, SubmitOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := master.heard(); len(got) != 2 || got[1].target != "/m2/v1/tasks" {
		t.Errorf("heard %+v", got)
	}
}
