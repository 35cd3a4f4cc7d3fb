package slaves_test

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
	"muster/systemtest/promises/story"
	"muster/task"
)

// report tells results in the name of a slave, as only the story wants it, and
// returns the code of each verdict ("": accepted).
func report(w *story.World, slave, incarnation string, results ...task.Result) []client.Code {
	w.T.Helper()
	r := task.Report{Slave: slave, Availability: task.Availability{Incarnation: incarnation, Slots: 1}, Results: results}
	verdicts, err := w.Client.API.Report(w.T.Context(), r)
	if err != nil {
		w.T.Fatalf("report of %s: %v", slave, err)
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
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		first, second := w.Script("slave-1", 1), w.Script("slave-2", 1)
		first.Register()
		second.Register()
		old := first.Incarnation
		id := w.Client.Submit(20 * time.Second).ID
		runsOn(w, id, "slave-1")
		first.Restart() // attempt 1 is over
		first.Register()
		w.Await("attempt 2", func(context.Context) error {
			if got := lookUp(w, id); got.Attempt != 2 {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		on, other := first, second
		if lookUp(w, id).Slave == "slave-2" {
			on, other = second, first
		}
		const wrong = "666"
		for what, codes := range map[string][]client.Code{
			"a stale attempt of an old incarnation":     report(w, "slave-1", old, succeeded(id, 1, wrong)),
			"the current attempt of an old incarnation": report(w, "slave-1", old, succeeded(id, 2, wrong)),
			"a stale attempt of the right incarnation":  report(w, on.Name, on.Incarnation, succeeded(id, 1, wrong)),
			"a future attempt":                          report(w, on.Name, on.Incarnation, succeeded(id, 3, wrong)),
			"another slave's task":                      report(w, other.Name, other.Incarnation, succeeded(id, 2, wrong)),
			"its own name, a foreign incarnation":       report(w, on.Name, other.Incarnation, succeeded(id, 2, wrong)),
			"a foreign name, its own incarnation":       report(w, other.Name, on.Incarnation, succeeded(id, 2, wrong)),
			"a slave that nobody knows":                 report(w, "slave-9", on.Incarnation, succeeded(id, 2, wrong)),
			"a failure of a stale attempt":              report(w, on.Name, on.Incarnation, task.Result{ID: task.ID(id), Attempt: 1, Outcome: task.Failed, Error: "no", Retryable: true}),
		} {
			if len(codes) != 1 || codes[0] != client.CodeStaleAttempt {
				w.T.Errorf("%s: %q, want stale_attempt", what, codes)
			}
		}
		if codes := report(w, on.Name, on.Incarnation, succeeded(77, 1, wrong)); len(codes) != 1 || codes[0] != client.CodeTaskNotFound {
			w.T.Errorf("a task that does not exist: %q", codes)
		}
		for what, body := range map[string]string{
			"attempt 0":      `{"id":%d,"attempt":0,"result":"666","result_type":"number"}`,
			"no attempt":     `{"id":%d,"result":"666","result_type":"number"}`,
			"task 0":         `{"id":0,"attempt":2,"result":"%d"}`,
			"no such number": `{"id":%d,"attempt":4294967298,"result":"666"}`,
			"stale and bad":  `{"id":%d,"attempt":1,"outcome":"lost"}`,
		} {
			report := fmt.Sprintf(`{"slave":%q,"incarnation":%q,"results":[`+body+`]}`, on.Name, on.Incarnation, id)
			if got := w.Client.Call(http.MethodPost, w.Leader().URL()+"/v1/results", report); got.Status != http.StatusOK || strings.Contains(string(got.Body), "accepted") {
				w.T.Errorf("%s: %+v, want a verdict that refuses it", what, got)
			}
		}
		if got := lookUp(w, id); got.Status != client.TaskInProgress || got.Attempt != 2 || got.Tries != 1 {
			w.T.Errorf("the reports changed the task: %+v", got)
		}
		wantEnd(w, id, client.Succeeded, on.Name, 2, 2)
		done := lookUp(w, id)
		right := succeeded(id, 2, *done.Result)
		if codes := report(w, on.Name, on.Incarnation, right, right, succeeded(id, 2, wrong)); codes[0] != "" || codes[1] != "" || codes[2] != client.CodeStaleAttempt {
			w.T.Errorf("repeats of the accepted result, and another one: %q", codes)
		}
		if codes := report(w, "slave-1", old, right); codes[0] != client.CodeStaleAttempt {
			w.T.Errorf("the accepted result by another incarnation: %q", codes)
		}
		if now := lookUp(w, id); now.Index != done.Index {
			w.T.Errorf("a done task changed: %+v, then %+v", done, now)
		}
	})
}

// A result that can't be recorded ends its attempt as failed, and keeps no other of the
// same report from being recorded. The slave does not repeat it.
func TestABadResultKeepsNoOtherFromBeingRecorded(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		only := w.Script("slave-1", 3)
		only.Register()
		var bad client.Task
		var mu sync.Mutex
		var batches [][]task.Verdict
		only.Reporting(func(ctx context.Context, r task.Report) ([]task.Verdict, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(batches) == 0 {
				w.Sleep(200 * time.Millisecond) // meanwhile the others end, too, and are told together
			}
			for i := range r.Results {
				if r.Results[i].ID == task.ID(bad.ID) {
					r.Results[i].Outcome = task.Lost // which no slave may say
				}
			}
			verdicts, err := only.API.Report(ctx, r)
			batches = append(batches, verdicts)
			return verdicts, err
		})
		mu.Lock()
		first := w.Client.Submit(time.Second)
		j := w.Client.Sleeping(time.Second)
		j.Want = evidence.Want{Outcome: client.Failed}
		bad = w.Client.Put(j).Task
		last := w.Client.Submit(time.Second)
		mu.Unlock()
		wantEnd(w, first.ID, client.Succeeded, "slave-1", 1, 1)
		wantEnd(w, bad.ID, client.Failed, "slave-1", 1, 1)
		wantEnd(w, last.ID, client.Succeeded, "slave-1", 1, 1)
		const says = "outcome must be"
		if got := lookUp(w, bad.ID); !strings.Contains(got.Error, "the slave's result can't be recorded: "+says) {
			w.T.Errorf("the bad one says %q", got.Error)
		}
		w.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(batches) != 2 || len(batches[1]) != 2 {
			w.T.Fatalf("the slave reported %+v, want one result, and then two", batches)
		}
		if v := batches[1]; v[0].Err == nil || v[0].Err.Code != client.CodeStaleAttempt || !strings.Contains(v[0].Err.Message, says) || v[1].Err != nil {
			w.T.Errorf("verdicts %+v", v)
		}
	})
}

// A result of a task that waits, and was never assigned since, counts for nothing.
func TestAResultOfAWaitingTaskDoesNotCount(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		only := w.Script("slave-1", 1)
		only.Register()
		id := w.Client.Submit(20 * time.Second).ID
		runsOn(w, id, "slave-1")
		w.Net.Block("m1", "slave-1")
		w.Net.Block("slave-1", "m1")
		only.Becomes(client.SlaveLost)
		if got := lookUp(w, id); got.Status != client.TaskPending {
			w.T.Fatalf("%+v, want it pending", got)
		}
		for attempt := range uint32(3) {
			if codes := report(w, "slave-1", only.Incarnation, succeeded(id, attempt+1, "666")); codes[0] != client.CodeStaleAttempt {
				w.T.Errorf("attempt %d: %q", attempt+1, codes)
			}
		}
		w.Net.PassAll()
		wantEnd(w, id, client.Succeeded, "slave-1", 2, 2)
	})
}

// A report whose answers are lost is repeated until one arrives, in batches of
// old and new results, and counts once.
func TestAReportIsRepeatedUntilItIsHeard(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		only := w.Script("slave-1", 4)
		only.Register()
		lost := 0
		only.Reporting(func(ctx context.Context, r task.Report) ([]task.Verdict, error) {
			verdicts, err := only.API.Report(ctx, r)
			if lost++; lost%4 != 0 {
				return nil, context.DeadlineExceeded
			}
			return verdicts, err
		})
		var ids []uint64
		for range 12 {
			ids = append(ids, w.Client.Submit(300*time.Millisecond).ID)
			w.Sleep(200 * time.Millisecond)
		}
		for _, id := range ids {
			wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)
		}
		w.Await("all results to be acknowledged", func(context.Context) error {
			held, _, err := only.Worker.Held(task.Stamp{})
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
	for _, kind := range []string{task.KindExpression, story.Once} {
		t.Run(kind, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(1)
				only := w.Script("slave-1", 2)
				only.Register()
				only.Reporting(func(context.Context, task.Report) ([]task.Verdict, error) { return nil, context.DeadlineExceeded })
				for range 4 {
					var ids []uint64
					for range 2 {
						j := w.Client.Sleeping(time.Second)
						j.Kind = kind
						ids = append(ids, w.Client.Put(j).Task.ID)
					}
					for _, id := range ids {
						inTime(w, "no report", id, 8*time.Second)
						wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)
					}
				}
			})
		})
	}
}
