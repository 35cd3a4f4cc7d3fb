package promises_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// The tests of this file are named after the promises of docs/promises.md, each
// told once from its everyday side and once from its bad day. The other files go
// through the bad days one by one.

func TestPromise1AcknowledgedIsDurable(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		leader := w.leader()

		// With no majority that writes, nothing is acknowledged.
		for _, f := range w.followers(leader) {
			f.disk.hold()
		}
		pending := w.client.start(w.client.of(leader), w.client.sleeping(time.Second), time.Minute)
		w.sleep(2 * time.Second)
		select {
		case <-pending.done:
			if pending.err == nil {
				w.t.Error("a task was acknowledged that one master of three has on its disk")
			}
		default:
		}
		for _, f := range w.followers(leader) {
			f.disk.release()
		}
		<-pending.done

		// What is acknowledged outlives the death of all masters at that moment.
		for range 4 {
			w.client.submit(time.Second)
			for _, m := range w.masters {
				m.crash()
			}
			for _, m := range w.masters {
				m.start()
			}
			w.ready()
		}
	})
}

func TestPromise2ExactlyOneEnd(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		done := w.client.wait(w.client.submit(time.Second).ID)
		for range 2 {
			for _, other := range []string{`"result":"7","result_type":"number"`, `"error":"no"`} {
				body := fmt.Sprintf(`{"slave":"slave-1","incarnation":%q,"results":[{"id":%d,"attempt":%d,%s}]}`, done.Incarnation, done.ID, done.Attempt, other)
				if a := w.client.call(http.MethodPost, w.leader().url()+"/v1/results", body); !bytes.Contains(a.body, []byte("stale_attempt")) {
					w.t.Errorf("another end was taken: %d %s", a.status, a.body)
				}
			}
			w.leader().crash()
		}
		w.startAll()
		if again := w.client.wait(done.ID); again.Index != done.Index || *again.Result != *done.Result || again.FinishedAt != done.FinishedAt {
			w.t.Errorf("it was %+v, it is %+v", done, again)
		}
	})
}

func TestPromise3OneResult(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		first, second := w.slave("slave-1", 1), w.slave("slave-2", 1)
		task := w.client.submit(8 * time.Second)
		if task.Slave != first.name {
			w.t.Fatalf("it went to %s", task.Slave)
		}
		first.pause() // it goes on computing
		w.sleep(10 * time.Second)
		if now, err := w.client.api.Task(w.t.Context(), task.ID, client.ReadOptions{}); err != nil || now.Slave != second.name || now.Attempt != 2 {
			w.t.Fatalf("silence did not move the task on: %+v, %v", now, err)
		}
		first.heal() // and reports what nobody waits for any more
		w.sleep(time.Second)
		if now, err := w.client.api.Task(w.t.Context(), task.ID, client.ReadOptions{}); err != nil || now.Status != client.TaskInProgress {
			w.t.Errorf("the result of attempt 1 ended attempt 2: %+v, %v", now, err)
		}
		if done := w.client.wait(task.ID); done.Slave != second.name || done.Attempt != 2 || len(w.seen.Runs(task.ID)) != 2 {
			w.t.Errorf("%+v, runs %+v", done, w.seen.Runs(task.ID))
		}
	})
}

func TestPromise5NeverMoreThanSlots(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		s := w.slave("slave-1", 2)
		old := w.leader()
		w.net.Block(old.id, s.name) // its sends are under way, and late
		var first []*started
		for range 2 {
			first = append(first, w.client.start(w.client.of(old), w.client.sleeping(3*time.Second), time.Minute))
		}
		w.sleep(100 * time.Millisecond)
		old.vanish()
		w.leader()
		for range 6 { // more than fit, from now on
			w.client.start(w.client.api, w.client.sleeping(2*time.Second), 10*time.Second)
		}
		w.sleep(100 * time.Millisecond)
		w.net.Pass(old.id, s.name)
		for _, f := range first {
			<-f.done
		}
		w.sleep(20 * time.Second)
	})
}

func TestPromise6Order(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		for _, name := range []string{"slave-c", "slave-a", "slave-b"} { // the order of registration, not of names
			w.slave(name, 1)
		}
		short, long := time.Second, 30*time.Second
		expect := func(d time.Duration, name string) client.Task {
			w.t.Helper()
			task := w.client.submit(d)
			if task.Slave != name {
				w.t.Errorf("the task went to %s, want %s", task.Slave, name)
			}
			return task
		}
		expect(long, "slave-c")
		second := expect(short, "slave-a")
		expect(long, "slave-b")
		w.client.wait(second.ID)
		expect(long, "slave-a")
		w.sleep(time.Minute)
		w.leader().crash()
		expect(short, "slave-c")
		expect(short, "slave-a")
		expect(short, "slave-b")
	})
}

func TestPromise7FullCapacityIsSaidHonestly(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		w.slave("slave-2", 2)
		for range 3 {
			w.client.submit(5 * time.Second)
		}
		w.sleep(time.Second) // followers have it, too
		for _, m := range w.masters {
			a := w.client.callAround(http.MethodPost, m.url()+"/v1/tasks", `{"expression":"1+1"}`, "Idempotency-Key", "later")
			var e struct {
				Code        string
				Slots, Busy int
			}
			if err := json.Unmarshal(a.body, &e); err != nil || a.status != http.StatusServiceUnavailable || e.Code != "full_capacity" ||
				e.Slots != 3 || e.Busy != 3 || a.header.Get("Retry-After") == "" {
				w.t.Errorf("%s says %d %s", m.id, a.status, a.body)
			}
			if d := w.dump(m); len(d.Tasks) != 3 {
				w.t.Errorf("%s recorded something: %+v", m.id, d.Tasks)
			}
		}
		w.sleep(6 * time.Second)
		j := w.client.job("1+1", evidence.Want{Outcome: client.Succeeded, Result: "2"})
		j.key = "later"
		if got := w.client.put(j); got.Task.ID != 4 {
			w.t.Errorf("the key that was refused is now task %d", got.Task.ID)
		}
	})
}

func TestPromise8UnknownIsSaidHonestly(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		old := w.leader()
		old.alone() // it reaches slaves and clients, and no master
		j := w.client.sleeping(time.Second)
		w.seen.Submitting(j.key, j.expression, j.want)
		a := w.client.call(http.MethodPost, old.url()+"/v1/tasks", fmt.Sprintf(`{"expression":%q}`, j.expression), "Idempotency-Key", j.key)
		if a.status != http.StatusServiceUnavailable || !bytes.Contains(a.body, []byte(`"outcome_unknown"`)) {
			w.t.Errorf("a write in doubt is answered %d %s", a.status, a.body)
		}
		w.net.PassAll()
		first := w.client.put(j)
		for range 2 {
			w.leader().crash()
			if again := w.client.put(j); again.Task.ID != first.Task.ID {
				w.t.Errorf("the key is task %d, then %d", first.Task.ID, again.Task.ID)
			}
			w.startAll()
		}
	})
}

func TestPromise9AnyMasterTakesAnyCall(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		leader := w.leader()
		for _, m := range w.masters {
			for _, forward := range []bool{false, true} {
				j := w.client.sleeping(time.Second)
				w.seen.Submitting(j.key, j.expression, j.want)
				url := m.url() + "/v1/tasks"
				if forward {
					url += "?forward=true"
				}
				a := w.client.call(http.MethodPost, url, fmt.Sprintf(`{"expression":%q}`, j.expression), "Idempotency-Key", j.key, "Host", "203.0.113.9")
				if m != leader && !forward {
					if want := leader.url() + "/v1/tasks"; a.status != http.StatusTemporaryRedirect || a.header.Get("Location") != want {
						w.t.Errorf("%s redirects with %d to %q, want %q", m.id, a.status, a.header.Get("Location"), want)
					}
					continue
				}
				var got struct{ Task struct{ ID uint64 } }
				if err := json.Unmarshal(a.body, &got); err != nil || a.status != http.StatusCreated {
					w.t.Errorf("%s answers %d %s", m.id, a.status, a.body)
					continue
				}
				w.seen.Acknowledged(j.key, got.Task.ID)
				for _, other := range w.masters {
					if read := w.client.call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?min_index=%s", other.url(), got.Task.ID, a.header.Get("Muster-Index")), ""); read.status != http.StatusOK {
						w.t.Errorf("%s answers %d %s", other.id, read.status, read.body)
					}
				}
			}
		}
	})
}

func TestPromise10ReadsAreStamped(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		leader := w.leader()
		behind := w.followers(leader)[0]
		w.net.Block(leader.id, behind.id)
		task := w.client.submit(time.Second)

		began := time.Now()
		a := w.client.call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?min_index=%d", behind.url(), task.ID, task.Index), "")
		if took := time.Since(began); a.status != http.StatusGatewayTimeout || !bytes.Contains(a.body, []byte("index_not_reached")) || took > 30*time.Second {
			w.t.Errorf("after %v: %d %s", took, a.status, a.body)
		}
		local := w.client.call(http.MethodGet, behind.url()+"/v1/tasks", "")
		if index, err := strconv.ParseUint(local.header.Get("Muster-Index"), 10, 64); err != nil || local.status != http.StatusOK || index >= task.Index {
			w.t.Errorf("a stale read: %d at index %q, %v", local.status, local.header.Get("Muster-Index"), err)
		}
		w.net.PassAll()
		w.ready()
		for _, m := range w.masters {
			a := w.client.call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?min_index=%d", m.url(), task.ID, task.Index), "")
			index, err := strconv.ParseUint(a.header.Get("Muster-Index"), 10, 64)
			if err != nil || a.status != http.StatusOK || index < task.Index || a.header.Get("Muster-Leader") != w.leader().url() {
				w.t.Errorf("%s: %d, headers %v, %v", m.id, a.status, a.header, err)
			}
		}
	})
}

// answer is one HTTP answer, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes one HTTP call and follows nothing. Headers come in pairs.
func (u *user) call(method, url, body string, headers ...string) answer {
	u.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		u.w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := u.http.Do(req)
	if err != nil {
		u.w.t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		u.w.t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// callAround is call, followed around redirects.
func (u *user) callAround(method, url, body string, headers ...string) answer {
	u.w.t.Helper()
	for range 3 {
		a := u.call(method, url, body, headers...)
		if a.status != http.StatusTemporaryRedirect {
			return a
		}
		url = a.header.Get("Location")
	}
	u.w.t.Fatalf("%s %s goes in circles", method, url)
	return answer{}
}
