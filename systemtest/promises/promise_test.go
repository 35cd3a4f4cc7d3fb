package promises_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// The tests of this file are named after the promises of docs/promises.md, each
// told once from its everyday side and once from its bad day. The packages
// below go through the bad days one by one.

func TestPromise1AcknowledgedIsDurable(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		leader := w.Leader()

		// With no majority that writes, nothing is acknowledged.
		for _, f := range w.Followers(leader) {
			f.Disk.Hold()
		}
		pending := w.Client.Start(w.Client.Of(leader), w.Client.Sleeping(time.Second), time.Minute)
		w.Sleep(2 * time.Second)
		select {
		case <-pending.Done:
			if pending.Err == nil {
				w.T.Error("a task was acknowledged that one master of three has on its disk")
			}
		default:
		}
		for _, f := range w.Followers(leader) {
			f.Disk.Release()
		}
		<-pending.Done

		// What is acknowledged outlives the death of all masters at that moment.
		for range 4 {
			w.Client.Submit(time.Second)
			for _, m := range w.Masters {
				m.Crash()
			}
			for _, m := range w.Masters {
				m.Start()
			}
			w.Ready()
		}
	})
}

func TestPromise2ExactlyOneEnd(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		done := w.Client.Wait(w.Client.Submit(time.Second).ID)
		for range 2 {
			for _, other := range []string{`"result":"7","result_type":"number"`, `"error":"no"`} {
				body := fmt.Sprintf(`{"slave":"slave-1","incarnation":%q,"results":[{"id":%d,"attempt":%d,%s}]}`, done.Incarnation, done.ID, done.Attempt, other)
				if a := w.Client.Call(http.MethodPost, w.Leader().URL()+"/v1/results", body); !bytes.Contains(a.Body, []byte("stale_attempt")) {
					w.T.Errorf("another end was taken: %d %s", a.Status, a.Body)
				}
			}
			w.Leader().Crash()
		}
		w.StartAll()
		if again := w.Client.Wait(done.ID); again.Index != done.Index || *again.Result != *done.Result || again.FinishedAt != done.FinishedAt {
			w.T.Errorf("it was %+v, it is %+v", done, again)
		}
	})
}

func TestPromise3OneResult(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		first, second := w.Slave("slave-1", 1), w.Slave("slave-2", 1)
		task := w.Client.Submit(8 * time.Second)
		if task.Slave != first.Name {
			w.T.Fatalf("it went to %s", task.Slave)
		}
		first.Pause() // it goes on computing
		w.Sleep(10 * time.Second)
		if now, err := w.Client.API.Task(w.T.Context(), task.ID, client.ReadOptions{}); err != nil || now.Slave != second.Name || now.Attempt != 2 {
			w.T.Fatalf("silence did not move the task on: %+v, %v", now, err)
		}
		first.Heal() // and reports what nobody waits for any more
		w.Sleep(time.Second)
		if now, err := w.Client.API.Task(w.T.Context(), task.ID, client.ReadOptions{}); err != nil || now.Status != client.TaskInProgress {
			w.T.Errorf("the result of attempt 1 ended attempt 2: %+v, %v", now, err)
		}
		if done := w.Client.Wait(task.ID); done.Slave != second.Name || done.Attempt != 2 || len(w.Seen.Runs(task.ID)) != 2 {
			w.T.Errorf("%+v, runs %+v", done, w.Seen.Runs(task.ID))
		}
	})
}

func TestPromise5NeverMoreThanSlots(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		s := w.Slave("slave-1", 2)
		old := w.Leader()
		w.Net.Block(old.ID, s.Name) // its sends are under way, and late
		var first []*story.Started
		for range 2 {
			first = append(first, w.Client.Start(w.Client.Of(old), w.Client.Sleeping(3*time.Second), time.Minute))
		}
		w.Sleep(100 * time.Millisecond)
		old.Vanish()
		w.Leader()
		for range 6 { // more than fit, from now on
			w.Client.Start(w.Client.API, w.Client.Sleeping(2*time.Second), 10*time.Second)
		}
		w.Sleep(100 * time.Millisecond)
		w.Net.Pass(old.ID, s.Name)
		for _, f := range first {
			<-f.Done
		}
		w.Sleep(20 * time.Second)
	})
}

func TestPromise6Order(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		for _, name := range []string{"slave-c", "slave-a", "slave-b"} { // the order of registration, not of names
			w.Slave(name, 1)
		}
		short, long := time.Second, 30*time.Second
		expect := func(d time.Duration, name string) client.Task {
			w.T.Helper()
			task := w.Client.Submit(d)
			if task.Slave != name {
				w.T.Errorf("the task went to %s, want %s", task.Slave, name)
			}
			return task
		}
		expect(long, "slave-c")
		second := expect(short, "slave-a")
		expect(long, "slave-b")
		w.Client.Wait(second.ID)
		expect(long, "slave-a")
		w.Sleep(time.Minute)
		w.Leader().Crash()
		expect(short, "slave-c")
		expect(short, "slave-a")
		expect(short, "slave-b")
	})
}

func TestPromise7FullCapacityIsSaidHonestly(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		w.Slave("slave-2", 2)
		for range 3 {
			w.Client.Submit(5 * time.Second)
		}
		w.Sleep(time.Second) // followers have it, too
		for _, m := range w.Masters {
			a := w.Client.CallAround(http.MethodPost, m.URL()+"/v1/tasks", `{"expression":"1+1"}`, "Idempotency-Key", "later")
			var e struct {
				Code        string
				Slots, Busy int
			}
			if err := json.Unmarshal(a.Body, &e); err != nil || a.Status != http.StatusServiceUnavailable || e.Code != "full_capacity" ||
				e.Slots != 3 || e.Busy != 3 || a.Header.Get("Retry-After") == "" {
				w.T.Errorf("%s says %d %s", m.ID, a.Status, a.Body)
			}
			if d := w.Dump(m); len(d.Tasks) != 3 {
				w.T.Errorf("%s recorded something: %+v", m.ID, d.Tasks)
			}
		}
		w.Sleep(6 * time.Second)
		j := w.Client.Job("1+1", evidence.Want{Outcome: client.Succeeded, Result: "2"})
		j.Key = "later"
		if got := w.Client.Put(j); got.Task.ID != 4 {
			w.T.Errorf("the key that was refused is now task %d", got.Task.ID)
		}
	})
}

func TestPromise8UnknownIsSaidHonestly(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		old := w.Leader()
		old.Alone() // it reaches slaves and clients, and no master
		j := w.Client.Sleeping(time.Second)
		w.Seen.Submitting(j.Key, j.Expression, j.Want)
		a := w.Client.Call(http.MethodPost, old.URL()+"/v1/tasks", fmt.Sprintf(`{"expression":%q}`, j.Expression), "Idempotency-Key", j.Key)
		if a.Status != http.StatusServiceUnavailable || !bytes.Contains(a.Body, []byte(`"outcome_unknown"`)) {
			w.T.Errorf("a write in doubt is answered %d %s", a.Status, a.Body)
		}
		w.Net.PassAll()
		first := w.Client.Put(j)
		for range 2 {
			w.Leader().Crash()
			if again := w.Client.Put(j); again.Task.ID != first.Task.ID {
				w.T.Errorf("the key is task %d, then %d", first.Task.ID, again.Task.ID)
			}
			w.StartAll()
		}
	})
}

func TestPromise9AnyMasterTakesAnyCall(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		leader := w.Leader()
		for _, m := range w.Masters {
			for _, forward := range []bool{false, true} {
				j := w.Client.Sleeping(time.Second)
				w.Seen.Submitting(j.Key, j.Expression, j.Want)
				url := m.URL() + "/v1/tasks"
				if forward {
					url += "?forward=true"
				}
				a := w.Client.Call(http.MethodPost, url, fmt.Sprintf(`{"expression":%q}`, j.Expression), "Idempotency-Key", j.Key, "Host", "203.0.113.9")
				if m != leader && !forward {
					if want := leader.URL() + "/v1/tasks"; a.Status != http.StatusTemporaryRedirect || a.Header.Get("Location") != want {
						w.T.Errorf("%s redirects with %d to %q, want %q", m.ID, a.Status, a.Header.Get("Location"), want)
					}
					continue
				}
				var got struct{ Task struct{ ID uint64 } }
				if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != http.StatusCreated {
					w.T.Errorf("%s answers %d %s", m.ID, a.Status, a.Body)
					continue
				}
				w.Seen.Acknowledged(j.Key, got.Task.ID)
				for _, other := range w.Masters {
					if read := w.Client.Call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?min_index=%s", other.URL(), got.Task.ID, a.Header.Get("Muster-Index")), ""); read.Status != http.StatusOK {
						w.T.Errorf("%s answers %d %s", other.ID, read.Status, read.Body)
					}
				}
			}
		}
	})
}

func TestPromise10ReadsAreStamped(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		leader := w.Leader()
		behind := w.Followers(leader)[0]
		w.Net.Block(leader.ID, behind.ID)
		task := w.Client.Submit(time.Second)

		began := time.Now()
		a := w.Client.Call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?min_index=%d", behind.URL(), task.ID, task.Index), "")
		if took := time.Since(began); a.Status != http.StatusGatewayTimeout || !bytes.Contains(a.Body, []byte("index_not_reached")) || took > 30*time.Second {
			w.T.Errorf("after %v: %d %s", took, a.Status, a.Body)
		}
		local := w.Client.Call(http.MethodGet, behind.URL()+"/v1/tasks", "")
		if index, err := strconv.ParseUint(local.Header.Get("Muster-Index"), 10, 64); err != nil || local.Status != http.StatusOK || index >= task.Index {
			w.T.Errorf("a stale read: %d at index %q, %v", local.Status, local.Header.Get("Muster-Index"), err)
		}
		w.Net.PassAll()
		w.Ready()
		for _, m := range w.Masters {
			a := w.Client.Call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?min_index=%d", m.URL(), task.ID, task.Index), "")
			index, err := strconv.ParseUint(a.Header.Get("Muster-Index"), 10, 64)
			if err != nil || a.Status != http.StatusOK || index < task.Index || a.Header.Get("Muster-Leader") != w.Leader().URL() {
				w.T.Errorf("%s: %d, headers %v, %v", m.ID, a.Status, a.Header, err)
			}
		}
	})
}
