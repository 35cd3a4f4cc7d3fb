package promises_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// said is what one submit by plain HTTP was told; code is empty for a task.
type said struct {
	status      int
	code        client.Code
	id          uint64
	slots, busy int
	took        time.Duration
}

// says submits a job once at one master, which carries it to the leader, and at
// most for d. No library repeats anything or makes anything of the answer.
func (u *user) says(m *master, j job, d time.Duration) (said, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	body, err := json.Marshal(client.Submission{Expression: j.expression})
	if err != nil {
		return said{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url()+"/v1/tasks?forward=true", bytes.NewReader(body))
	if err != nil {
		return said{}, err
	}
	req.Header.Set("Idempotency-Key", j.key)
	u.w.seen.Submitting(j.key, j.expression, j.want)
	began := time.Now()
	resp, err := u.http.Do(req)
	if err != nil {
		return said{took: time.Since(began)}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return said{took: time.Since(began)}, err
	}
	var got struct {
		Task        client.Task
		Code        client.Code
		Slots, Busy int
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return said{}, fmt.Errorf("%s answers %q: %w", m.id, text, err)
	}
	switch got.Code {
	case "":
		u.w.seen.Acknowledged(j.key, got.Task.ID)
	case client.CodeOutcomeUnknown, client.CodeInternal:
	default:
		u.w.seen.Refused(j.key, string(text))
	}
	return said{resp.StatusCode, got.Code, got.Task.ID, got.Slots, got.Busy, time.Since(began)}, nil
}

// mustSay is says, answered.
func (u *user) mustSay(m *master, j job) said {
	u.w.t.Helper()
	s, err := u.says(m, j, patience)
	if err != nil {
		u.w.t.Fatalf("submit %s at %s: %v", j.key, m.id, err)
	}
	return s
}

// saying is a submit at one master that goes on while the story does.
type saying struct {
	said

	err  error
	done chan struct{}
}

func (u *user) saying(m *master, j job, d time.Duration) *saying {
	s := &saying{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.said, s.err = u.says(m, j, d)
	}()
	return s
}

func TestAKnownKeyGoesBeforeCapacity(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		first := w.client.sleeping(5 * time.Second)
		known := w.client.put(first).Task.ID
		later := w.client.sleeping(time.Second)
		w.sleep(time.Second) // followers have it, too
		for _, m := range w.masters {
			if a := w.client.mustSay(m, first); a.status != http.StatusOK || a.id != known {
				w.t.Errorf("at full capacity %s says %+v to the key of task %d", m.id, a, known)
			}
			if a := w.client.mustSay(m, later); a.status != http.StatusServiceUnavailable || a.code != client.CodeFullCapacity || a.slots != 1 || a.busy != 1 {
				w.t.Errorf("at full capacity %s says %+v to a new key", m.id, a)
			}
			if n := len(w.dump(m).Tasks); n != 1 {
				w.t.Errorf("%s has %d tasks, and one was recorded", m.id, n)
			}
		}
		w.client.wait(known)
		if a := w.client.mustSay(w.leader(), later); a.status != http.StatusCreated || a.id != known+1 {
			w.t.Errorf("the key that was refused gets %+v when there is a slot", a)
		}
	})
}

// TestASecondSubmitOfAKeyWaitsForTheFirst has the first submit of a key take the
// last slot, and hang on its way into the log, while others come with the key.
func TestASecondSubmitOfAKeyWaitsForTheFirst(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		leader, j := w.leader(), w.client.sleeping(time.Second)
		came := leader.at(j.key, func() {
			for _, f := range w.followers(leader) {
				f.disk.hold()
			}
		})
		all := []*saying{w.client.saying(leader, j, time.Minute)}
		w.within(came, "the first submit to come to the disk")
		for _, m := range w.masters {
			all = append(all, w.client.saying(m, j, time.Minute))
			// Not seen as a submit: the key is the first one's.
			if a := w.client.call(http.MethodPost, m.url()+"/v1/tasks?forward=true", `{"expression":"1+1"}`, "Idempotency-Key", j.key); a.status != http.StatusConflict || !bytes.Contains(a.body, []byte("key_reused")) {
				w.t.Errorf("another task with a key that is under way: %s says %d %s", m.id, a.status, a.body)
			}
		}
		w.sleep(2 * time.Second)
		for _, s := range all {
			if isDone(s.done) {
				w.t.Fatalf("a submit was answered before the first of its key: %+v, %v", s.said, s.err)
			}
		}
		for _, m := range w.masters {
			m.disk.release()
		}
		created := 0
		for _, s := range all {
			w.within(s.done, "the answer to a submit")
			switch {
			case s.err != nil || s.id != all[0].id || s.id == 0:
				w.t.Errorf("a submit of the one key: %+v, %v; the first: %+v", s.said, s.err, all[0].said)
			case s.status == http.StatusCreated:
				created++
			}
		}
		if created != 1 {
			w.t.Errorf("%d of %d submits say that they made the task", created, len(all))
		}
	})
}

// TestWhoWaitsForAFirstSubmitSharesItsRefusal has the first submit of a key be
// refused in the end, after others came with the key.
func TestWhoWaitsForAFirstSubmitSharesItsRefusal(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		s := w.slave("slave-1", 1)
		w.sleep(2 * time.Second) // its last word is too old to serve
		s.deaf()                 // it is asked, and does not answer
		j := w.client.sleeping(time.Second)
		var all []*saying
		for range 2 {
			for _, m := range w.masters {
				all = append(all, w.client.saying(m, j, time.Minute))
			}
		}
		for _, s := range all {
			w.within(s.done, "the answer to a submit")
			if s.err != nil || s.code != client.CodeFullCapacity {
				w.t.Errorf("with no slave to be heard: %+v, %v", s.said, s.err)
			}
		}
		s.heal()
		w.sleep(time.Second)
		if a := w.client.put(j); a.Task.ID != 1 {
			w.t.Errorf("the key that was refused gets task %d", a.Task.ID)
		}
	})
}

// TestWhoLeavesDoesNotTakeTheOthersAlong has the client of the first submit of a
// key go while others wait with the key.
func TestWhoLeavesDoesNotTakeTheOthersAlong(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		s := w.slave("slave-1", 1)
		w.slave("slave-2", 1)
		w.sleep(2 * time.Second)
		s.deaf()
		leader, j := w.leader(), w.client.sleeping(time.Second)
		first := w.client.saying(leader, j, 50*time.Millisecond)
		w.sleep(20 * time.Millisecond)
		var rest []*saying
		for _, m := range w.masters {
			rest = append(rest, w.client.saying(m, j, time.Minute))
		}
		<-first.done
		for _, s := range rest {
			w.within(s.done, "the answer to a submit")
			if s.err != nil || s.id != 1 {
				w.t.Errorf("after the first had gone: %+v, %v", s.said, s.err)
			}
		}
		s.heal()
	})
}

// TestOneKeyIsOneTaskWhoeverLeads has clients submit one key at all masters at
// once, again and again, while the leader is lost in each way.
func TestOneKeyIsOneTaskWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 1) // so that a second task would not fit
				leader, j := w.leader(), w.client.sleeping(time.Second)
				came := leader.at(j.key, func() {})
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				var all sync.WaitGroup
				ids := make([]uint64, 6)
				for i := range ids {
					all.Go(func() {
						for ctx.Err() == nil && ids[i] == 0 {
							if a, err := w.client.says(w.masters[i%3], j, 3*time.Second); err == nil {
								ids[i] = a.id
								if a.code == client.CodeFullCapacity {
									w.t.Errorf("the last slot went to the key, and the key was told: %+v", a)
								}
							}
							w.sleep(20 * time.Millisecond)
						}
					})
				}
				w.within(came, "a submit to come to the disk")
				l.strike(leader)
				w.sleep(3 * time.Second)
				w.net.PassAll()
				leader.mend()
				w.ready()
				all.Wait()
				for _, id := range ids {
					if id != ids[0] || id == 0 {
						w.t.Fatalf("one key got tasks %v", ids)
					}
				}
			})
		})
	}
}

// TestAKeyIsForOneTaskForEver tries another task with a key that is known, after
// failovers and restarts, too.
func TestAKeyIsForOneTaskForEver(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		first := w.client.sleeping(time.Second)
		id := w.client.put(first).Task.ID
		reused := func() {
			w.t.Helper()
			for _, m := range w.masters {
				for _, body := range []string{
					`{"expression":"1"}`,
					fmt.Sprintf(`{"expression":%q,"parameters":{"x":1}}`, first.expression),
					fmt.Sprintf(`{"expression":%q,"max_tries":2}`, first.expression),
					fmt.Sprintf(`{"expression":%q,"timeout_ms":7}`, first.expression),
				} {
					a := w.client.callAround(http.MethodPost, m.url()+"/v1/tasks", body, "Idempotency-Key", first.key)
					if a.status != http.StatusConflict || !bytes.Contains(a.body, []byte(`"key_reused"`)) || !bytes.Contains(a.body, fmt.Appendf(nil, `"task":%d`, id)) {
						w.t.Errorf("%s says %d %s to %s", m.id, a.status, a.body, body)
					}
				}
			}
		}
		reused()
		w.client.wait(id)
		w.leader().crash()
		w.startAll()
		reused()
		for _, m := range w.masters {
			m.crash()
		}
		w.startAll()
		reused()
		if again := w.client.put(first).Task.ID; again != id {
			w.t.Errorf("the key of task %d gets task %d", id, again)
		}
	})
}

func TestKeysHaveLimits(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		for _, m := range w.masters {
			for _, key := range []string{"", strings.Repeat("k", 256), "schlüssel", "a\tb", "\x80"} {
				a := w.client.callAround(http.MethodPost, m.url()+"/v1/tasks", `{"expression":"1"}`, "Idempotency-Key", key)
				if a.status != http.StatusBadRequest || !bytes.Contains(a.body, []byte("is not a key")) {
					w.t.Errorf("%s says %d %s to the key %q", m.id, a.status, a.body, key)
				}
			}
		}
		for _, key := range []string{strings.Repeat("~", 255), "x", "a b", `"quoted" \ {}`} {
			j := w.client.job("1 + 1", evidence.Want{Outcome: client.Succeeded, Result: "2"})
			j.key = key
			id := w.client.put(j).Task.ID
			w.leader().crash()
			w.startAll()
			if again := w.client.put(j).Task.ID; again != id {
				w.t.Errorf("the key %q got task %d, then %d", key, id, again)
			}
		}
	})
}
