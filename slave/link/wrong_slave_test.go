package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"muster/slave/link"
	"muster/systemtest/timelimit"
	"muster/task"
)

func countingDial(n *atomic.Int32) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		n.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// calls makes each of the Sender's calls.
func calls(ctx context.Context, s *link.Sender, url string) map[string]error {
	errs := map[string]error{}
	_, errs["available"] = s.Available(ctx, url, stamp(1))
	_, _, errs["send"] = s.Send(ctx, url, stamp(2), incarnation, []task.Order{{ID: 1, Attempt: 1, Kind: "echo"}})
	_, _, errs["held"] = s.Held(ctx, url, stamp(3))
	_, errs["cancel"] = s.Cancel(ctx, url, stamp(4), incarnation, 1, 1)
	return errs
}

// Something else than a slave is at the URL, or a slave that errs: unclear,
// always, and never for long or for much memory.
func TestWrongSlaves(t *testing.T) {
	const fine = `"available":true,"answer":"I am available.","free":1,"slots":1,"incarnation":"0123456789abcdef","counter":1`
	says := func(status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body) // the sender may have hung up
		}
	}
	var elsewhere atomic.Int32
	target := fake(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })

	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, target, http.StatusFound) },
		"redirect of a POST": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, target, http.StatusTemporaryRedirect)
		},
		"a web page":           says(200, "<html><body>It works!</body></html>"),
		"nothing":              says(200, ""),
		"no content":           says(204, ""),
		"null":                 says(200, "null"),
		"an empty object":      says(200, "{}"),
		"half an answer":       says(200, `{"available":true,"free":`),
		"two answers":          says(200, `{`+fine+`}{`+fine+`}`),
		"more free than slots": says(200, `{`+strings.Replace(fine, `"free":1`, `"free":2`, 1)+`}`),
		"negative free":        says(200, `{`+strings.Replace(fine, `"free":1`, `"free":-1`, 1)+`}`),
		"no slots":             says(200, `{`+strings.Replace(strings.Replace(fine, `"free":1`, `"free":0`, 1), `"slots":1`, `"slots":0`, 1)+`}`),
		"countless slots":      says(200, `{`+strings.Replace(fine, `"slots":1`, `"slots":1000000000`, 1)+`}`),
		"a number beyond int":  says(200, `{`+strings.Replace(fine, `"free":1`, `"free":1e99`, 1)+`}`),
		"contradiction":        says(200, `{`+strings.Replace(fine, `true`, `false`, 1)+`}`),
		"no incarnation":       says(200, `{`+strings.Replace(fine, incarnation, ``, 1)+`}`),
		"no counter":           says(200, `{`+strings.Replace(fine, `"counter"`, `"other"`, 1)+`}`),
		"server error":         says(500, `{"error":"oh","code":"internal"}`),
		"conflict of its own":  says(409, `{"error":"oh","code":"other"}`),
		"refusal without 409":  says(400, `{"error":"oh","code":"stale_term"}`),
		"strange, without 409": says(400, `{"error":"oh","code":"wrong_cluster"}`),
		"not found":            says(404, "404 page not found"),
		"10 MB of spaces":      says(200, strings.Repeat(" ", 10<<20)),
		"10 MB of answer":      says(200, `{`+fine+`,"x":"`+strings.Repeat("x", 10<<20)+`","tasks":[{"id":9,"status":"lost"}]}`),
		"10 MB of error":       says(500, strings.Repeat("x", 10<<20)),
		"other receipts":       says(200, `{`+fine+`,"tasks":[{"id":9,"attempt":1,"status":"accepted"}]}`),
		"connection closed":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"another protocol": func(rw http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n") // the sender may have hung up
			_ = conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			errs := calls(timelimit.Context(t), newSender(t), fake(t, answer))
			for call, err := range errs {
				if err == nil && name == "other receipts" && call != "send" && call != "held" {
					continue
				}
				t.Run(call, func(t *testing.T) { wantUnclear(t, err) })
			}
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("redirects were followed %d times", n)
	}
}

func TestWrongReceipts(t *testing.T) {
	const fine = `"available":true,"answer":"","free":1,"slots":1,"incarnation":"0123456789abcdef","counter":1`
	for name, tasks := range map[string]string{
		"too few":         `[]`,
		"too many":        `[{"id":1,"attempt":1,"status":"accepted"},{"id":1,"attempt":1,"status":"accepted"}]`,
		"another attempt": `[{"id":1,"attempt":2,"status":"accepted"}]`,
		"unknown status":  `[{"id":1,"attempt":1,"status":"perhaps"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			url := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(rw, `{%s,"tasks":%s}`, fine, tasks)
			})
			_, _, err := newSender(t).Send(timelimit.Context(t), url, stamp(1), incarnation, []task.Order{{ID: 1, Attempt: 1, Kind: "echo"}})
			wantUnclear(t, err)
		})
	}
}

// TestABadResultInAReceiptEndsItsAttemptAlone: it has ended, and the other receipts are
// good.
func TestABadResultInAReceiptEndsItsAttemptAlone(t *testing.T) {
	const fine = `"available":true,"answer":"","free":1,"slots":1,"incarnation":"0123456789abcdef","counter":1`
	for name, bad := range map[string]string{
		"no outcome":         `{"id":1,"attempt":1,"status":"finished","result":"1","result_type":"number"}`,
		"impossible outcome": `{"id":1,"attempt":1,"status":"finished","outcome":"lost"}`,
		"no type":            `{"id":1,"attempt":1,"status":"finished","outcome":"succeeded","result":"1"}`,
		"unknown type":       `{"id":1,"attempt":1,"status":"finished","outcome":"succeeded","result":"1","result_type":"date"}`,
		"large result":       `{"id":1,"attempt":1,"status":"finished","outcome":"succeeded","result":"` + strings.Repeat("x", task.MaxResultBytes+1) + `","result_type":"string"}`,
		"large error":        `{"id":1,"attempt":1,"status":"finished","outcome":"failed","error":"` + strings.Repeat("x", task.MaxErrorBytes+1) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			url := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(rw, `{%s,"tasks":[%s,{"id":2,"attempt":1,"status":"accepted"}]}`, fine, bad)
			})
			orders := []task.Order{{ID: 1, Attempt: 1, Kind: "echo"}, {ID: 2, Attempt: 1, Kind: "echo"}}
			got, _, err := newSender(t).Send(timelimit.Context(t), url, stamp(1), incarnation, orders)
			if err != nil || len(got) != 2 || got[0].Status != task.Finished || got[1].Status != task.Accepted {
				t.Fatalf("%+v, %v", got, err)
			}
			if r := got[0].Result; r.ID != 1 || r.Attempt != 1 || r.Outcome != task.Failed || r.Retryable || !strings.HasPrefix(r.Error, "the slave's result can't be recorded: ") {
				t.Errorf("recorded is %+v", r)
			}
		})
	}
}

// A slave may speak HTTP/1.0, that ends its answers by hanging up.
func TestAnswersInHTTP10AreTaken(t *testing.T) {
	const word = `"available":true,"answer":"","free":1,"slots":1,"incarnation":"0123456789abcdef","counter":1`
	url := fake(t, func(rw http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(err)
		}
		body := `{` + word + `}`
		if r.URL.Path == "/tasks" {
			body = `{` + word + `,"tasks":[{"id":1,"attempt":1,"status":"running"}]}`
		}
		_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"+body) // the sender may have hung up
		_ = conn.Close()
	})
	for call, err := range calls(timelimit.Context(t), newSender(t), url) {
		if err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// A reason goes into the masters' log, so it is cut.
func TestLongReasonsAreCut(t *testing.T) {
	url := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(rw, `{"available":true,"answer":"","free":1,"slots":1,"incarnation":%q,"counter":1,
			"tasks":[{"id":1,"attempt":1,"status":"refused","reason":%q}]}`, incarnation, strings.Repeat("ä", 50_000))
	})
	receipts, _, err := newSender(t).Send(timelimit.Context(t), url, stamp(1), incarnation, []task.Order{{ID: 1, Attempt: 1, Kind: "echo"}})
	if err != nil || len(receipts) != 1 || receipts[0].Status != task.Refused {
		t.Fatalf("%+v, %v", receipts, err)
	}
	if reason := receipts[0].Reason; len(reason) > 300 || !utf8.ValidString(reason) {
		t.Errorf("a reason of %d bytes, valid UTF-8: %t", len(reason), utf8.ValidString(reason))
	}
}

// Another incarnation that takes a request all the same is not believed.
func TestAnswerOfAnotherIncarnation(t *testing.T) {
	url := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"available":true,"answer":"","free":1,"slots":1,"incarnation":"another","counter":1,"tasks":[{"id":1,"attempt":1,"status":"accepted"}]}`)
	})
	errs := calls(timelimit.Context(t), newSender(t), url)
	wantUnclear(t, errs["send"])
	wantUnclear(t, errs["cancel"])
}

// A slave that takes the request and says nothing, or does not end its answer:
// the context ends it, unclear.
func TestSilentSlave(t *testing.T) {
	for name, word := range map[string]string{"silent": "", "endless": `{"available":`} {
		t.Run(name, func(t *testing.T) {
			came, release := make(chan struct{}, 2), make(chan struct{})
			url := fake(t, func(rw http.ResponseWriter, _ *http.Request) {
				if word != "" {
					_, _ = io.WriteString(rw, word) // the sender may have hung up
					_ = http.NewResponseController(rw).Flush()
				}
				came <- struct{}{}
				<-release
			})
			t.Cleanup(func() { close(release) })
			s := newSender(t)
			for _, call := range []func(ctx context.Context) error{
				func(ctx context.Context) error { _, err := s.Available(ctx, url, stamp(1)); return err },
				func(ctx context.Context) error { _, _, err := s.Send(ctx, url, stamp(2), incarnation, nil); return err },
			} {
				ctx, leave := context.WithCancel(t.Context())
				go func() { <-came; leave() }()
				wantUnclear(t, call(ctx))
				leave()
			}
		})
	}
}

// The connection breaks with a reset after the request was written.
func TestResetAfterTheRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_ = conn.(*net.TCPConn).SetLinger(0) // close with a reset
			_ = conn.Close()
		}
	}()
	for call, err := range calls(timelimit.Context(t), newSender(t), "http://"+l.Addr().String()) {
		t.Run(call, func(t *testing.T) { wantUnclear(t, err) })
	}
	_ = l.Close() // ends the accepting goroutine
	<-done
}

// What surely did not reach a slave says so.
func TestUnreached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	blackhole := link.NewSender(link.SenderConfig{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done() // packets vanish
		return nil, ctx.Err()
	}})
	unknownHost := link.NewSender(link.SenderConfig{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}}
	}})
	plain := newSender(t)
	for name, c := range map[string]struct {
		sender *link.Sender
		url    string
	}{
		"refused":        {plain, closed},
		"not HTTP":       {plain, "ftp://127.0.0.1:1"},
		"not a URL":      {plain, "http://[::1"},
		"no host":        {plain, ""},
		"packets vanish": {blackhole, closed},
		"unknown host":   {unknownHost, "http://slave-1.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			for call, err := range calls(within(t, 100*time.Millisecond), c.sender, c.url) {
				if !errors.Is(err, task.ErrUnreached) {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
	// A slave that stops: the connection that was kept is no proof of anything,
	// but the next call finds nobody.
	t.Run("gone", func(t *testing.T) {
		w := newWorker(t, 1, deaf{})
		server := &http.Server{Handler: link.Handler(w), ReadHeaderTimeout: time.Second}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(l) }() // ends with Close
		url := "http://" + l.Addr().String()
		s := newSender(t)
		if _, err := s.Available(t.Context(), url, stamp(1)); err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		<-done
		_, err = s.Available(t.Context(), url, stamp(2))
		for sequence := uint64(3); sequence < 10 && !errors.Is(err, task.ErrUnreached); sequence++ {
			_, err = s.Available(t.Context(), url, stamp(sequence))
		}
		if !errors.Is(err, task.ErrUnreached) {
			t.Fatal(err)
		}
	})
}

// Whatever a slave answers, the Sender returns an answer that can be or an
// error.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"available":true,"free":1,"slots":1,"incarnation":"0123456789abcdef","counter":1,"tasks":[{"id":1,"attempt":1,"status":"finished","outcome":"succeeded"}]}`))
	f.Add([]byte(`{"free":null,"tasks":[null]}`))
	var body atomic.Pointer[[]byte]
	l := pipeListener(f, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(*body.Load()) }))
	s := link.NewSender(link.SenderConfig{Dial: l.dial})
	f.Fuzz(func(t *testing.T, b []byte) {
		body.Store(&b)
		a, err := s.Available(t.Context(), "http://slave", stamp(1))
		if err == nil && (a.Free < 0 || a.Free > a.Slots || a.Slots > task.MaxSlots || a.Incarnation == "") {
			t.Fatalf("believed %+v", a)
		}
		receipts, _, err := s.Send(t.Context(), "http://slave", stamp(1), incarnation, []task.Order{{ID: 1, Attempt: 1, Kind: "echo"}})
		if err == nil && (len(receipts) != 1 || receipts[0].ID != 1 || receipts[0].Status == 0) {
			t.Fatalf("believed %+v", receipts)
		}
		if _, _, err = s.Held(t.Context(), "http://slave", stamp(1)); errors.Is(err, task.ErrUnreached) {
			t.Fatal(err)
		}
	})
}
