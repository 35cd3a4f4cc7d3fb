package slaves_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// wrongAnswer is an answer that no slave should give.
type wrongAnswer struct {
	name string
	how  story.Script
}

// wrongAnswers are what may come back from a slave's URL.
func wrongAnswers(w *story.World) []wrongAnswer {
	says := func(status int, body string) story.Script {
		return func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body) // the leader may have hung up
		}
	}
	to := func(status int, url string) story.Script {
		return func(rw http.ResponseWriter, r *http.Request, _ http.Handler) { http.Redirect(rw, r, url, status) }
	}
	return []wrongAnswer{
		{"302 to a master", to(302, "http://m1:80/v1/status")},
		{"307 to a master", to(307, "http://m1:80/v1/tasks")},
		{"302 to another slave", func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(rw, r, "http://good:90"+r.URL.Path, http.StatusFound)
		}},
		{"307 to a stranger", to(307, "http://stranger:80/")},
		{"308 to a stranger", to(308, "http://stranger:80/")},
		{"500", says(500, "oh")},
		{"500 in JSON", says(500, `{"error":"oh","code":"internal"}`)},
		{"503 with a long reason", says(503, `{"error":"`+strings.Repeat("oh ", 300_000)+`","code":"internal"}`)},
		{"204", says(204, "")},
		{"409 stale_term", says(409, `{"error":"oh","code":"stale_term"}`)},
		{"409 wrong_incarnation", says(409, `{"error":"oh","code":"wrong_incarnation","incarnation":"x"}`)},
		{"garbage", says(200, "\x00\xff<html>")},
		{"another shape", says(200, `{"available":"yes","free":[1],"tasks":{"1":"accepted"}}`)},
		{"null", says(200, `null`)},
		{"another incarnation", altered(func(m map[string]any) { m["incarnation"] = "another" })},
		{"more free than slots", altered(func(m map[string]any) { m["free"], m["available"] = 1000, true })},
		{"negative free", altered(func(m map[string]any) { m["free"] = -1 })},
		{"10 MB", altered(func(m map[string]any) { m["more"] = strings.Repeat("x", 10<<20) })},
		{"truncated", truncated},
		{"endless", endless(w)},
		{"nothing", silence},
		{"a drip", drip},
		{"hangs up", func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }},
		{"does it, then hangs up", func(_ http.ResponseWriter, r *http.Request, good http.Handler) {
			good.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}},
		{"another protocol", raw("SSH-2.0-OpenSSH_9.6\r\n")},
		{"endless headers", raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20))},
	}
}

// altered is a good slave's answer, with changes.
func altered(change func(answer map[string]any)) story.Script {
	return func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
		rec := httptest.NewRecorder()
		good.ServeHTTP(rec, r)
		var answer map[string]any
		dec := json.NewDecoder(rec.Body)
		dec.UseNumber()
		if dec.Decode(&answer) != nil || rec.Code != http.StatusOK {
			http.Error(rw, "no answer to alter", rec.Code)
			return
		}
		change(answer)
		body, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(body) // the leader may have hung up
	}
}

// truncated is half of a good slave's answer, under the length of all of it.
func truncated(rw http.ResponseWriter, r *http.Request, good http.Handler) {
	rec := httptest.NewRecorder()
	good.ServeHTTP(rec, r)
	rw.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	rw.WriteHeader(rec.Code)
	_, _ = rw.Write(rec.Body.Bytes()[:rec.Body.Len()/2]) // the leader may have hung up
}

// silence lasts until the leader hangs up.
func silence(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the end of the connection
	<-r.Context().Done()
}

// drip sends a good slave's answer, a byte at a time.
func drip(rw http.ResponseWriter, r *http.Request, good http.Handler) {
	rec := httptest.NewRecorder()
	good.ServeHTTP(rec, r)
	rw.WriteHeader(rec.Code)
	for _, b := range rec.Body.Bytes() {
		if _, err := rw.Write([]byte{b}); err != nil || r.Context().Err() != nil {
			return
		}
		_ = http.NewResponseController(rw).Flush() // as above
		time.Sleep(100 * time.Millisecond)
	}
}

// mostOfAnEndlessAnswer is what a leader may take of an answer before it gives
// up; the network itself holds some of it.
var mostOfAnEndlessAnswer = map[story.Endpoint]int{story.Asked: 1 << 20, story.Sent: 1 << 20, story.Listed: 17 << 20, story.Cancelled: 1 << 20}

// endless begins as an answer and never ends.
func endless(w *story.World) story.Script {
	return func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.WriteString(rw, `{"available":true,"answer":"`) // the leader may have hung up
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for written := 0; ; written += len(chunk) {
			if written > mostOfAnEndlessAnswer[story.EndpointOf(r)] {
				w.T.Errorf("%s: the leader took %d bytes of an endless answer", story.EndpointOf(r), written)
				return
			}
			if _, err := rw.Write(chunk); err != nil {
				return
			}
		}
	}
}

// raw writes bytes to the connection and closes it.
func raw(answer string) story.Script {
	return func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, answer) // the leader may have hung up
		_ = conn.Close()                    // never fails
	}
}

// stranger listens where nobody of muster is, and counts who calls.
func stranger(w *story.World) *atomic.Int32 {
	w.T.Helper()
	p := w.Net.Start("stranger")
	l, err := p.Listen(context.Background(), "stranger:80")
	if err != nil {
		w.T.Fatal(err)
	}
	var calls atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			_ = c.Close() // never fails
		}
	}()
	w.T.Cleanup(p.Crash)
	return &calls
}

var _ net.Listener

// inTime waits for a task that a bad slave may have had first.
func inTime(w *story.World, what string, id uint64, limit time.Duration) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := w.Client.API.Wait(ctx, id); err != nil {
		t, _ := w.Observer.API.Task(context.Background(), id, client.ReadOptions{})
		w.T.Errorf("%s: task %d was not done within %v: %+v", what, id, limit, t)
	}
}

// A slave that answers one of its calls wrongly, in any way, harms nobody else:
// submits are answered soon, its tasks go to a good slave, and it is not called
// in a busy loop.
func TestAWrongAnswerHarmsOnlyItsSlave(t *testing.T) {
	for _, e := range story.Endpoints {
		t.Run(string(e), func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(1)
				strangers := stranger(w)
				bad := w.Script("bad", 2)
				bad.Register()
				w.Slave("good", 8)
				for _, x := range wrongAnswers(w) {
					answersWrong(w, bad, e, x)
				}
				if n := strangers.Load(); n != 0 {
					w.T.Errorf("a redirect was followed %d times", n)
				}
			})
		})
	}
}

// answersWrong has a slave that was good until now, and has a task, give a wrong
// answer from now on.
func answersWrong(w *story.World, bad *story.Scripted, e story.Endpoint, x wrongAnswer) {
	w.T.Helper()
	what := fmt.Sprintf("%s to %s", x.name, e)
	ids := []uint64{w.Client.Submit(2 * time.Second).ID}
	w.Sleep(10 * time.Millisecond)
	bad.Answers(e, x.how)
	since := time.Now()
	for range 3 {
		before := time.Now()
		ids = append(ids, w.Client.Submit(time.Second).ID)
		if took := time.Since(before); took > 700*time.Millisecond {
			w.T.Errorf("%s: a submit took %v", what, took)
		}
	}
	for _, id := range ids {
		inTime(w, what, id, 15*time.Second)
	}
	w.Sleep(10 * time.Second)
	if total, most := bad.Called(since); most > 40 {
		w.T.Errorf("%s: the slave was called %d times within a second, %d times in %v", what, most, total, time.Since(since))
	}
	bad.Behave()
	bad.Register()
	w.Sleep(2 * time.Second)
}
