package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/task"
)

// reports tells results in the name of a slave, as only the story wants it, and
// returns the code of each verdict ("": accepted).
func (w *world) reports(slave, incarnation string, results ...task.Result) []client.Code {
	w.t.Helper()
	r := task.Report{Slave: slave, Availability: task.Availability{Incarnation: incarnation, Slots: 1}, Results: results}
	verdicts, err := w.client.api.Report(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("report of %s: %v", slave, err)
	}
	var codes []client.Code
	for _, v := range verdicts {
		c := client.Code("")
		if v.Err != nil {
			c = v.Err.Code
		}
		codes = append(codes, c)
	}
	return codes
}

func succeeded(id uint64, attempt uint32, text string) task.Result {
	return task.Result{ID: task.ID(id), Attempt: attempt, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: text}}
}

// A result counts for the current attempt, from the incarnation that has it, and
// for nothing else, whoever says it and how often.
func TestOnlyTheCurrentAttemptsResultCounts(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		first, second := w.script("slave-1", 1), w.script("slave-2", 1)
		first.register()
		second.register()
		old := first.incarnation
		id := w.client.submit(20 * time.Second).ID
		w.runsOn(id, "slave-1")
		first.restart() // attempt 1 is over
		first.register()
		w.await("attempt 2", func(context.Context) error {
			if got := w.task(id); got.Attempt != 2 {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		on, other := first, second
		if w.task(id).Slave == "slave-2" {
			on, other = second, first
		}
		const wrong = "666"
		for what, codes := range map[string][]client.Code{
			"a stale attempt of an old incarnation":     w.reports("slave-1", old, succeeded(id, 1, wrong)),
			"the current attempt of an old incarnation": w.reports("slave-1", old, succeeded(id, 2, wrong)),
			"a stale attempt of the right incarnation":  w.reports(on.name, on.incarnation, succeeded(id, 1, wrong)),
			"a future attempt":                          w.reports(on.name, on.incarnation, succeeded(id, 3, wrong)),
			"another slave's task":                      w.reports(other.name, other.incarnation, succeeded(id, 2, wrong)),
			"its own name, a foreign incarnation":       w.reports(on.name, other.incarnation, succeeded(id, 2, wrong)),
			"a foreign name, its own incarnation":       w.reports(other.name, on.incarnation, succeeded(id, 2, wrong)),
			"a slave that nobody knows":                 w.reports("slave-9", on.incarnation, succeeded(id, 2, wrong)),
			"a failure of a stale attempt":              w.reports(on.name, on.incarnation, task.Result{ID: task.ID(id), Attempt: 1, Outcome: task.Failed, Error: "no", Retryable: true}),
		} {
			if len(codes) != 1 || codes[0] != client.CodeStaleAttempt {
				w.t.Errorf("%s: %q, want stale_attempt", what, codes)
			}
		}
		if codes := w.reports(on.name, on.incarnation, succeeded(77, 1, wrong)); len(codes) != 1 || codes[0] != client.CodeTaskNotFound {
			w.t.Errorf("a task that does not exist: %q", codes)
		}
		for what, body := range map[string]string{
			"attempt 0":      `{"id":%d,"attempt":0,"result":"666","result_type":"number"}`,
			"no attempt":     `{"id":%d,"result":"666","result_type":"number"}`,
			"task 0":         `{"id":0,"attempt":2,"result":"%d"}`,
			"no such number": `{"id":%d,"attempt":4294967298,"result":"666"}`,
			"stale and bad":  `{"id":%d,"attempt":1,"outcome":"lost"}`,
		} {
			report := fmt.Sprintf(`{"slave":%q,"incarnation":%q,"results":[`+body+`]}`, on.name, on.incarnation, id)
			if got := w.client.call(http.MethodPost, w.leader().url()+"/v1/results", report); got.status != http.StatusOK || strings.Contains(string(got.body), "accepted") {
				w.t.Errorf("%s: %+v, want a verdict that refuses it", what, got)
			}
		}
		if got := w.task(id); got.Status != client.TaskInProgress || got.Attempt != 2 || got.Tries != 1 {
			w.t.Errorf("the reports changed the task: %+v", got)
		}
		w.wantEnd(id, client.Succeeded, on.name, 2, 2)
		done := w.task(id)
		right := succeeded(id, 2, *done.Result)
		if codes := w.reports(on.name, on.incarnation, right, right, succeeded(id, 2, wrong)); codes[0] != "" || codes[1] != "" || codes[2] != client.CodeStaleAttempt {
			w.t.Errorf("repeats of the accepted result, and another one: %q", codes)
		}
		if codes := w.reports("slave-1", old, right); codes[0] != client.CodeStaleAttempt {
			w.t.Errorf("the accepted result by another incarnation: %q", codes)
		}
		if now := w.task(id); now.Index != done.Index {
			w.t.Errorf("a done task changed: %+v, then %+v", done, now)
		}
	})
}

// A result that can't be recorded ends its attempt as failed, and keeps no other of the
// same report from being recorded. The slave does not repeat it.
func TestABadResultKeepsNoOtherFromBeingRecorded(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		only := w.script("slave-1", 3)
		only.register()
		var bad client.Task
		var mu sync.Mutex
		var batches [][]task.Verdict
		only.reporting(func(ctx context.Context, r task.Report) ([]task.Verdict, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(batches) == 0 {
				w.sleep(200 * time.Millisecond) // meanwhile the others end, too, and are told together
			}
			for i := range r.Results {
				if r.Results[i].ID == task.ID(bad.ID) {
					r.Results[i].Outcome = task.Lost // which no slave may say
				}
			}
			verdicts, err := only.api.Report(ctx, r)
			batches = append(batches, verdicts)
			return verdicts, err
		})
		mu.Lock()
		first := w.client.submit(time.Second)
		j := w.client.sleeping(time.Second)
		j.want = evidence.Want{Outcome: client.Failed}
		bad = w.client.put(j).Task
		last := w.client.submit(time.Second)
		mu.Unlock()
		w.wantEnd(first.ID, client.Succeeded, "slave-1", 1, 1)
		w.wantEnd(bad.ID, client.Failed, "slave-1", 1, 1)
		w.wantEnd(last.ID, client.Succeeded, "slave-1", 1, 1)
		const says = "outcome must be"
		if got := w.task(bad.ID); !strings.Contains(got.Error, "the slave's result can't be recorded: "+says) {
			w.t.Errorf("the bad one says %q", got.Error)
		}
		w.sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(batches) != 2 || len(batches[1]) != 2 {
			w.t.Fatalf("the slave reported %+v, want one result, and then two", batches)
		}
		if v := batches[1]; v[0].Err == nil || v[0].Err.Code != client.CodeStaleAttempt || !strings.Contains(v[0].Err.Message, says) || v[1].Err != nil {
			w.t.Errorf("verdicts %+v", v)
		}
	})
}

// A result of a task that waits, and was never assigned since, counts for nothing.
func TestAResultOfAWaitingTaskDoesNotCount(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		only := w.script("slave-1", 1)
		only.register()
		id := w.client.submit(20 * time.Second).ID
		w.runsOn(id, "slave-1")
		w.net.Block("m1", "slave-1")
		w.net.Block("slave-1", "m1")
		only.becomes(client.SlaveLost)
		if got := w.task(id); got.Status != client.TaskPending {
			w.t.Fatalf("%+v, want it pending", got)
		}
		for attempt := range uint32(3) {
			if codes := w.reports("slave-1", only.incarnation, succeeded(id, attempt+1, "666")); codes[0] != client.CodeStaleAttempt {
				w.t.Errorf("attempt %d: %q", attempt+1, codes)
			}
		}
		w.net.PassAll()
		w.wantEnd(id, client.Succeeded, "slave-1", 2, 2)
	})
}

// A report whose answers are lost is repeated until one arrives, in batches of
// old and new results, and counts once.
func TestAReportIsRepeatedUntilItIsHeard(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		only := w.script("slave-1", 4)
		only.register()
		lost := 0
		only.reporting(func(ctx context.Context, r task.Report) ([]task.Verdict, error) {
			verdicts, err := only.api.Report(ctx, r)
			if lost++; lost%4 != 0 {
				return nil, context.DeadlineExceeded
			}
			return verdicts, err
		})
		var ids []uint64
		for range 12 {
			ids = append(ids, w.client.submit(300*time.Millisecond).ID)
			w.sleep(200 * time.Millisecond)
		}
		for _, id := range ids {
			w.wantEnd(id, client.Succeeded, "slave-1", 1, 1)
		}
		w.await("all results to be acknowledged", func(context.Context) error {
			held, _, err := only.worker.Held(task.Stamp{})
			if err == nil && len(held) > 0 {
				err = fmt.Errorf("slave-1 holds %+v", held)
			}
			return err
		})
	})
}

// A slave that masters reach, and that does not reach them, does not keep its
// results to itself: they are fetched.
func TestAResultThatCantBeReportedIsFetched(t *testing.T) {
	for _, kind := range []string{task.KindExpression, once} {
		t.Run(kind, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(1)
				only := w.script("slave-1", 2)
				only.register()
				only.reporting(func(context.Context, task.Report) ([]task.Verdict, error) { return nil, context.DeadlineExceeded })
				for range 4 {
					var ids []uint64
					for range 2 {
						j := w.client.sleeping(time.Second)
						j.kind = kind
						ids = append(ids, w.client.put(j).Task.ID)
					}
					for _, id := range ids {
						w.inTime("no report", id, 8*time.Second)
						w.wantEnd(id, client.Succeeded, "slave-1", 1, 1)
					}
				}
			})
		})
	}
}
