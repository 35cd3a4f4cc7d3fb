package slaves_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"muster/systemtest/promises/story"
)

// on alters a good slave's answers to all calls, one after the other.
func on(s *story.Scripted, change func(answer map[string]any)) {
	var mu sync.Mutex
	for _, e := range story.Endpoints {
		s.Answers(e, altered(func(answer map[string]any) {
			mu.Lock()
			defer mu.Unlock()
			change(answer)
		}))
	}
}

// word changes what a slave says of its slots.
func word(free, slots int) func(map[string]any) {
	return func(m map[string]any) { m["free"], m["slots"], m["available"] = free, slots, free > 0 }
}

// lies are what a slave may say of itself in well-formed answers, again and again.
func lies() map[string]func(s *story.Scripted) {
	return map[string]func(s *story.Scripted){
		"always free":         func(s *story.Scripted) { on(s, word(s.Slots, s.Slots)) },
		"never free":          func(s *story.Scripted) { on(s, word(0, s.Slots)) },
		"a thousand slots":    func(s *story.Scripted) { on(s, word(1000, 1000)) },
		"negative free":       func(s *story.Scripted) { on(s, func(m map[string]any) { m["free"] = -1 }) },
		"negative slots":      func(s *story.Scripted) { on(s, func(m map[string]any) { m["slots"] = -1 }) },
		"another incarnation": func(s *story.Scripted) { on(s, func(m map[string]any) { m["incarnation"] = "another" }) },
		"many incarnations": func(s *story.Scripted) {
			n := 0
			on(s, func(m map[string]any) { n++; m["incarnation"] = fmt.Sprint(n) })
		},
		"a counter that jumps": func(s *story.Scripted) { n := 0; on(s, func(m map[string]any) { n += 1 << 40; m["counter"] = n }) },
		"a counter that falls": func(s *story.Scripted) { n := 1 << 40; on(s, func(m map[string]any) { n--; m["counter"] = n }) },
		"the largest counter once": func(s *story.Scripted) {
			n := 0
			on(s, func(m map[string]any) {
				if n++; n == 3 {
					m["counter"] = json.Number("18446744073709551615")
				}
			})
		},
		"refuses all, no_slot":      refusing("no_slot"),
		"refuses all, draining":     refusing("draining"),
		"refuses all, unknown_kind": refusing("unknown_kind"),
		"refuses all, superseded":   refusing("superseded"),
		"refuses all, at length":    refusing(string(make([]byte, 100_000))),
		"holds what nobody sent": func(s *story.Scripted) {
			s.Answers(story.Listed, altered(func(m map[string]any) {
				tasks, _ := m["tasks"].([]any)
				for i := range 2000 {
					tasks = append(tasks, map[string]any{"id": 5000 + i, "attempt": 1, "status": "running"})
				}
				m["tasks"] = tasks
			}))
		},
		"holds nothing": func(s *story.Scripted) {
			s.Answers(story.Listed, altered(func(m map[string]any) { m["tasks"] = []any{} }))
		},
	}
}

// refusing offers slots and refuses what is sent. The real worker behind never
// hears of it.
func refusing(reason string) func(s *story.Scripted) {
	return func(s *story.Scripted) {
		on(s, word(s.Slots, s.Slots))
		s.Answers(story.Sent, func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			var body struct {
				Incarnation string `json:"incarnation"`
				Tasks       []struct {
					ID      uint64 `json:"id"`
					Attempt uint32 `json:"attempt"`
				} `json:"tasks"`
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				s.W.T.Error(err)
			}
			tasks := []any{}
			for _, t := range body.Tasks {
				tasks = append(tasks, map[string]any{"id": t.ID, "attempt": t.Attempt, "status": "refused", "reason": reason})
			}
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(map[string]any{ // the leader may have hung up
				"available": true, "answer": "I am available.", "free": s.Slots, "slots": s.Slots,
				"incarnation": body.Incarnation, "counter": 1 << 30, "tasks": tasks,
			})
		})
	}
}

// A slave that lies about itself, again and again, harms neither other slaves nor
// tasks: each submit is answered soon, each task is done at the good one or at
// the liar, once, and the liar is not called in a busy loop.
func TestALiarHarmsNobody(t *testing.T) {
	for name, lie := range lies() {
		t.Run(name, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(1)
				liar := w.Script("liar", 2)
				liar.Register()
				w.Slave("good", 4)
				first := w.Client.Submit(2 * time.Second).ID // at the liar, before it begins to lie
				w.Sleep(10 * time.Millisecond)
				lie(liar)
				since := time.Now()
				ids := []uint64{first}
				for i := range 30 {
					j := w.Client.Sleeping(time.Second)
					before := time.Now()
					got, err := w.Client.Try(w.T.Context(), w.Client.Of(w.Masters[0]), j)
					if err != nil {
						w.T.Fatalf("submit %d: %v", i, err)
					}
					ids = append(ids, got.Task.ID)
					if took := time.Since(before); took > 700*time.Millisecond {
						w.T.Errorf("submit %d took %v", i, took)
					}
					w.Sleep(500 * time.Millisecond)
				}
				for _, id := range ids {
					inTime(w, name, id, 20*time.Second)
				}
				total, most := liar.Called(since)
				if most > 20 {
					w.T.Errorf("the liar was called %d times within a second, %d times in %v", most, total, time.Since(since))
				}
				status, err := w.Observer.API.Status(w.T.Context(), w.Masters[0].URL(), false)
				if err != nil || status.AppliedIndex > 200 {
					w.T.Errorf("the log has %d entries for 31 tasks (%v)", status.AppliedIndex, err)
				}
			})
		})
	}
}
