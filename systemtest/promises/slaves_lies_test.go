package promises_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// on alters a good slave's answers to all calls, one after the other.
func (s *scripted) on(change func(answer map[string]any)) {
	var mu sync.Mutex
	for _, e := range endpoints {
		s.answers(e, altered(func(answer map[string]any) {
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
func lies() map[string]func(s *scripted) {
	return map[string]func(s *scripted){
		"always free":          func(s *scripted) { s.on(word(s.slots, s.slots)) },
		"never free":           func(s *scripted) { s.on(word(0, s.slots)) },
		"a thousand slots":     func(s *scripted) { s.on(word(1000, 1000)) },
		"negative free":        func(s *scripted) { s.on(func(m map[string]any) { m["free"] = -1 }) },
		"negative slots":       func(s *scripted) { s.on(func(m map[string]any) { m["slots"] = -1 }) },
		"another incarnation":  func(s *scripted) { s.on(func(m map[string]any) { m["incarnation"] = "another" }) },
		"many incarnations":    func(s *scripted) { n := 0; s.on(func(m map[string]any) { n++; m["incarnation"] = fmt.Sprint(n) }) },
		"a counter that jumps": func(s *scripted) { n := 0; s.on(func(m map[string]any) { n += 1 << 40; m["counter"] = n }) },
		"a counter that falls": func(s *scripted) { n := 1 << 40; s.on(func(m map[string]any) { n--; m["counter"] = n }) },
		"the largest counter once": func(s *scripted) {
			n := 0
			s.on(func(m map[string]any) {
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
		"holds what nobody sent": func(s *scripted) {
			s.answers(listed, altered(func(m map[string]any) {
				tasks, _ := m["tasks"].([]any)
				for i := range 2000 {
					tasks = append(tasks, map[string]any{"id": 5000 + i, "attempt": 1, "status": "running"})
				}
				m["tasks"] = tasks
			}))
		},
		"holds nothing": func(s *scripted) {
			s.answers(listed, altered(func(m map[string]any) { m["tasks"] = []any{} }))
		},
	}
}

// refusing offers slots and refuses what is sent. The real worker behind never
// hears of it.
func refusing(reason string) func(s *scripted) {
	return func(s *scripted) {
		s.on(word(s.slots, s.slots))
		s.answers(sent, func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			var body struct {
				Incarnation string `json:"incarnation"`
				Tasks       []struct {
					ID      uint64 `json:"id"`
					Attempt uint32 `json:"attempt"`
				} `json:"tasks"`
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				s.w.t.Error(err)
			}
			tasks := []any{}
			for _, t := range body.Tasks {
				tasks = append(tasks, map[string]any{"id": t.ID, "attempt": t.Attempt, "status": "refused", "reason": reason})
			}
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(map[string]any{ // the leader may have hung up
				"available": true, "answer": "I am available.", "free": s.slots, "slots": s.slots,
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
			bothWays(t, func(w *world) {
				w.formed(1)
				liar := w.script("liar", 2)
				liar.register()
				w.slave("good", 4)
				first := w.client.submit(2 * time.Second).ID // at the liar, before it begins to lie
				w.sleep(10 * time.Millisecond)
				lie(liar)
				since := time.Now()
				ids := []uint64{first}
				for i := range 30 {
					j := w.client.sleeping(time.Second)
					before := time.Now()
					got, err := w.client.try(w.t.Context(), w.client.of(w.masters[0]), j)
					if err != nil {
						w.t.Fatalf("submit %d: %v", i, err)
					}
					ids = append(ids, got.Task.ID)
					if took := time.Since(before); took > 700*time.Millisecond {
						w.t.Errorf("submit %d took %v", i, took)
					}
					w.sleep(500 * time.Millisecond)
				}
				for _, id := range ids {
					w.inTime(name, id, 20*time.Second)
				}
				total, most := liar.called(since)
				if most > 20 {
					w.t.Errorf("the liar was called %d times within a second, %d times in %v", most, total, time.Since(since))
				}
				status, err := w.observer.api.Status(w.t.Context(), w.masters[0].url(), false)
				if err != nil || status.AppliedIndex > 200 {
					w.t.Errorf("the log has %d entries for 31 tasks (%v)", status.AppliedIndex, err)
				}
			})
		})
	}
}
