package tasks_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// mustSay is Says, answered.
func mustSay(u *story.User, m *story.Master, j story.Job) story.Said {
	u.W.T.Helper()
	s, err := u.Says(m, j, story.Patience)
	if err != nil {
		u.W.T.Fatalf("submit %s at %s: %v", j.Key, m.ID, err)
	}
	return s
}

// saying is a submit at one master that goes on while the story does.
type saying struct {
	story.Said

	err  error
	done chan struct{}
}

func startSaying(u *story.User, m *story.Master, j story.Job, d time.Duration) *saying {
	s := &saying{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.Said, s.err = u.Says(m, j, d)
	}()
	return s
}

func TestAKnownKeyGoesBeforeCapacity(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		first := w.Client.Sleeping(5 * time.Second)
		known := w.Client.Put(first).Task.ID
		later := w.Client.Sleeping(time.Second)
		w.Sleep(time.Second) // followers have it, too
		for _, m := range w.Masters {
			if a := mustSay(w.Client, m, first); a.Status != http.StatusOK || a.ID != known {
				w.T.Errorf("at full capacity %s says %+v to the key of task %d", m.ID, a, known)
			}
			if a := mustSay(w.Client, m, later); a.Status != http.StatusServiceUnavailable || a.Code != client.CodeFullCapacity || a.Slots != 1 || a.Busy != 1 {
				w.T.Errorf("at full capacity %s says %+v to a new key", m.ID, a)
			}
			if n := len(w.Dump(m).Tasks); n != 1 {
				w.T.Errorf("%s has %d tasks, and one was recorded", m.ID, n)
			}
		}
		w.Client.Wait(known)
		if a := mustSay(w.Client, w.Leader(), later); a.Status != http.StatusCreated || a.ID != known+1 {
			w.T.Errorf("the key that was refused gets %+v when there is a slot", a)
		}
	})
}

// TestASecondSubmitOfAKeyWaitsForTheFirst has the first submit of a key take the
// last slot, and hang on its way into the log, while others come with the key.
func TestASecondSubmitOfAKeyWaitsForTheFirst(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		leader, j := w.Leader(), w.Client.Sleeping(time.Second)
		came := leader.At(j.Key, func() {
			for _, f := range w.Followers(leader) {
				f.Disk.Hold()
			}
		})
		all := []*saying{startSaying(w.Client, leader, j, time.Minute)}
		w.Within(came, "the first submit to come to the disk")
		for _, m := range w.Masters {
			all = append(all, startSaying(w.Client, m, j, time.Minute))
			// Not seen as a submit: the key is the first one's.
			if a := w.Client.Call(http.MethodPost, m.URL()+"/v1/tasks?forward=true", `{"expression":"1+1"}`, "Idempotency-Key", j.Key); a.Status != http.StatusConflict || !bytes.Contains(a.Body, []byte("key_reused")) {
				w.T.Errorf("another task with a key that is under way: %s says %d %s", m.ID, a.Status, a.Body)
			}
		}
		w.Sleep(2 * time.Second)
		for _, s := range all {
			if story.IsDone(s.done) {
				w.T.Fatalf("a submit was answered before the first of its key: %+v, %v", s.Said, s.err)
			}
		}
		for _, m := range w.Masters {
			m.Disk.Release()
		}
		created := 0
		for _, s := range all {
			w.Within(s.done, "the answer to a submit")
			switch {
			case s.err != nil || s.ID != all[0].ID || s.ID == 0:
				w.T.Errorf("a submit of the one key: %+v, %v; the first: %+v", s.Said, s.err, all[0].Said)
			case s.Status == http.StatusCreated:
				created++
			}
		}
		if created != 1 {
			w.T.Errorf("%d of %d submits say that they made the task", created, len(all))
		}
	})
}

// TestWhoWaitsForAFirstSubmitSharesItsRefusal has the first submit of a key be
// refused in the end, after others came with the key.
func TestWhoWaitsForAFirstSubmitSharesItsRefusal(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		s := w.Slave("slave-1", 1)
		w.Sleep(2 * time.Second) // its last word is too old to serve
		s.Deaf()                 // it is asked, and does not answer
		j := w.Client.Sleeping(time.Second)
		var all []*saying
		for range 2 {
			for _, m := range w.Masters {
				all = append(all, startSaying(w.Client, m, j, time.Minute))
			}
		}
		for _, s := range all {
			w.Within(s.done, "the answer to a submit")
			if s.err != nil || s.Code != client.CodeFullCapacity {
				w.T.Errorf("with no slave to be heard: %+v, %v", s.Said, s.err)
			}
		}
		s.Heal()
		w.Sleep(time.Second)
		if a := w.Client.Put(j); a.Task.ID != 1 {
			w.T.Errorf("the key that was refused gets task %d", a.Task.ID)
		}
	})
}

// TestWhoLeavesDoesNotTakeTheOthersAlong has the client of the first submit of a
// key go while others wait with the key.
func TestWhoLeavesDoesNotTakeTheOthersAlong(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		s := w.Slave("slave-1", 1)
		w.Slave("slave-2", 1)
		w.Sleep(2 * time.Second)
		s.Deaf()
		leader, j := w.Leader(), w.Client.Sleeping(time.Second)
		first := startSaying(w.Client, leader, j, 50*time.Millisecond)
		w.Sleep(20 * time.Millisecond)
		var rest []*saying
		for _, m := range w.Masters {
			rest = append(rest, startSaying(w.Client, m, j, time.Minute))
		}
		<-first.done
		for _, s := range rest {
			w.Within(s.done, "the answer to a submit")
			if s.err != nil || s.ID != 1 {
				w.T.Errorf("after the first had gone: %+v, %v", s.Said, s.err)
			}
		}
		s.Heal()
	})
}

// TestOneKeyIsOneTaskWhoeverLeads has clients submit one key at all masters at
// once, again and again, while the leader is lost in each way.
func TestOneKeyIsOneTaskWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 1) // so that a second task would not fit
				leader, j := w.Leader(), w.Client.Sleeping(time.Second)
				came := leader.At(j.Key, func() {})
				ctx, cancel := context.WithTimeout(context.Background(), story.Patience)
				defer cancel()
				var all sync.WaitGroup
				ids := make([]uint64, 6)
				for i := range ids {
					all.Go(func() {
						for ctx.Err() == nil && ids[i] == 0 {
							if a, err := w.Client.Says(w.Masters[i%3], j, 3*time.Second); err == nil {
								ids[i] = a.ID
								if a.Code == client.CodeFullCapacity {
									w.T.Errorf("the last slot went to the key, and the key was told: %+v", a)
								}
							}
							w.Sleep(20 * time.Millisecond)
						}
					})
				}
				w.Within(came, "a submit to come to the disk")
				l.Strike(leader)
				w.Sleep(3 * time.Second)
				w.Net.PassAll()
				leader.Mend()
				w.Ready()
				all.Wait()
				for _, id := range ids {
					if id != ids[0] || id == 0 {
						w.T.Fatalf("one key got tasks %v", ids)
					}
				}
			})
		})
	}
}

// TestAKeyIsForOneTaskForEver tries another task with a key that is known, after
// failovers and restarts, too.
func TestAKeyIsForOneTaskForEver(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		first := w.Client.Sleeping(time.Second)
		id := w.Client.Put(first).Task.ID
		reused := func() {
			w.T.Helper()
			for _, m := range w.Masters {
				for _, body := range []string{
					`{"expression":"1"}`,
					fmt.Sprintf(`{"expression":%q,"parameters":{"x":1}}`, first.Expression),
					fmt.Sprintf(`{"expression":%q,"max_tries":2}`, first.Expression),
					fmt.Sprintf(`{"expression":%q,"timeout_ms":7}`, first.Expression),
				} {
					a := w.Client.CallAround(http.MethodPost, m.URL()+"/v1/tasks", body, "Idempotency-Key", first.Key)
					if a.Status != http.StatusConflict || !bytes.Contains(a.Body, []byte(`"key_reused"`)) || !bytes.Contains(a.Body, fmt.Appendf(nil, `"task":%d`, id)) {
						w.T.Errorf("%s says %d %s to %s", m.ID, a.Status, a.Body, body)
					}
				}
			}
		}
		reused()
		w.Client.Wait(id)
		w.Leader().Crash()
		w.StartAll()
		reused()
		for _, m := range w.Masters {
			m.Crash()
		}
		w.StartAll()
		reused()
		if again := w.Client.Put(first).Task.ID; again != id {
			w.T.Errorf("the key of task %d gets task %d", id, again)
		}
	})
}

func TestKeysHaveLimits(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		for _, m := range w.Masters {
			for _, key := range []string{"", strings.Repeat("k", 256), "schlüssel", "a\tb", "\x80"} {
				a := w.Client.CallAround(http.MethodPost, m.URL()+"/v1/tasks", `{"expression":"1"}`, "Idempotency-Key", key)
				if a.Status != http.StatusBadRequest || !bytes.Contains(a.Body, []byte("is not a key")) {
					w.T.Errorf("%s says %d %s to the key %q", m.ID, a.Status, a.Body, key)
				}
			}
		}
		for _, key := range []string{strings.Repeat("~", 255), "x", "a b", `"quoted" \ {}`} {
			j := w.Client.Job("1 + 1", evidence.Want{Outcome: client.Succeeded, Result: "2"})
			j.Key = key
			id := w.Client.Put(j).Task.ID
			w.Leader().Crash()
			w.StartAll()
			if again := w.Client.Put(j).Task.ID; again != id {
				w.T.Errorf("the key %q got task %d, then %d", key, id, again)
			}
		}
	})
}
