package dispatch_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// refused submits a task that nobody takes, and returns why.
func (w *world) refused(more ...func(*dispatch.Request)) *task.Error {
	w.t.Helper()
	a, err := w.submit("1h", more...)
	refusal, ok := errors.AsType[*task.Error](err)
	if !ok {
		w.t.Fatalf("%+v, %v; want a refusal", a, err)
	}
	return refusal
}

// TestFullCapacityWithFreeSlotsSaysWhy: each slave that has a free slot and is not
// given the task is counted with the reason. While all slots are busy there is none.
func TestFullCapacityWithFreeSlotsSaysWhy(t *testing.T) {
	bothWays(t, func(w *world) {
		wants := func(reasons string) {
			w.t.Helper()
			refusal := w.refused()
			if refusal.Code != task.CodeFullCapacity || !strings.Contains(refusal.Message, reasons) {
				w.t.Errorf("%v; want %s", refusal, reasons)
			}
		}
		w.slave("A", 1)
		w.mustSubmit("1h")
		wants("no slave has a free slot (1 of 1 busy); try again in a moment")

		w.slave("B", 1)
		if _, err := w.d.Drain(w.t.Context(), "B", true); err != nil {
			w.t.Fatal(err)
		}
		wants("no slave has a free slot for it (1 of 1 busy): 1 slave is draining; try again in a moment")

		c := w.slave("C", 2)
		c.set(func(s *slave) { s.lie.word = func(a *task.Availability) { a.Free, a.Counter = 0, a.Counter+1000 } })
		time.Sleep(2 * time.Second)
		wants("(1 of 3 busy): 1 slave says that it is not available, 1 slave is draining; try")

		f := w.slave("F", 1)
		f.set(func(s *slave) {
			s.lie.receipts = func(rs []task.Receipt) {
				for i := range rs {
					rs[i] = task.Receipt{ID: rs[i].ID, Attempt: rs[i].Attempt, Status: task.Refused, Reason: task.ReasonNoSlot}
				}
			}
		})
		sent := w.mustSubmit("1h")
		synctest.Wait()
		if _, err := w.d.Cancel(w.t.Context(), sent.ID); err != nil {
			w.t.Fatal(err)
		}
		wants("(1 of 4 busy): 1 slave has not done what it said lately, 1 slave says that it is not available, 1 slave is draining; try")
		if _, err := w.d.Drain(w.t.Context(), "F", true); err != nil {
			w.t.Fatal(err)
		}

		for _, name := range []string{"D", "E"} {
			s := w.slave(name, 1)
			time.Sleep(2 * time.Second)
			s.set(func(s *slave) { s.silent = true })
		}
		wants("(1 of 5 busy): 2 slaves are silent, 1 slave says that it is not available, 2 slaves are draining; try")
	})
}

// TestAnExplainedRefusalTellsWhoWasAsked, in order; one that is not explained does not.
func TestAnExplainedRefusalTellsWhoWasAsked(t *testing.T) {
	for name, more := range map[string][]func(*dispatch.Request){"without a key": {explained}, "with a key": {explained, withKey}, "not explained": nil} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.slave("A", 1)
				w.mustSubmit("1h")
				silent := w.slave("B", 1)
				time.Sleep(2 * time.Second)
				silent.set(func(s *slave) { s.silent = true })
				want := []string{"A: I am not available.", "B: "}
				if more == nil {
					want = nil
				}
				if refusal := w.refused(more...); !slices.Equal(answers(refusal.Asked), want) {
					w.t.Errorf("dialogue %q of %v", answers(refusal.Asked), refusal)
				}
			})
		})
	}
}

// TestAFullQueueTellsWhoWasAsked, too.
func TestAFullQueueTellsWhoWasAsked(t *testing.T) {
	bothWays(t, func(w *world) {
		w.limit = 1
		w.depose()
		w.lead()
		w.slave("A", 1)
		w.mustSubmit("1h")
		w.mustSubmit("1h", queued)
		refusal := w.refused(queued, explained)
		if got := answers(refusal.Asked); refusal.Code != task.CodeQueueFull || !slices.Equal(got, []string{"A: I am not available."}) {
			w.t.Errorf("%v with the dialogue %q", refusal, got)
		}
	})
}

// quoted lists a dialogue with where each line is from.
func quoted(asked []task.Asked) []string {
	lines := make([]string, len(asked))
	for i, a := range asked {
		lines[i] = a.Slave + ": " + a.Answer + " (" + a.From + ")"
	}
	return lines
}

// TestASlaveThatIsSilentAfterACancelIsNotQuoted: its last word was of the time before the
// cancel, and it has not answered the question.
func TestASlaveThatIsSilentAfterACancelIsNotQuoted(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		running := w.mustSubmit("1h")
		synctest.Wait()
		a.set(func(s *slave) { s.silent = true })
		if _, err := w.d.Cancel(w.t.Context(), running.ID); err != nil {
			w.t.Fatal(err)
		}
		refusal := w.refused(explained)
		if !strings.Contains(refusal.Message, "(0 of 1 busy): 1 slave did not answer in time; try") {
			w.t.Errorf("%v", refusal)
		}
		if got := quoted(refusal.Asked); !slices.Equal(got, []string{"A:  (slave)"}) {
			w.t.Errorf("dialogue %q", got)
		}
	})
}

// TestASlaveThatLeavesAQuestionUnansweredIsNotQuoted: what it said before is not its
// answer, although the request that it sits on is not given up yet.
func TestASlaveThatLeavesAQuestionUnansweredIsNotQuoted(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		a.set(func(s *slave) { s.lie.word = func(a *task.Availability) { a.Free, a.Counter = 0, a.Counter+1000 } })
		time.Sleep(2 * time.Second) // what it said when it was registered is too old
		_ = w.refused()
		probes := w.wire.count("held " + a.url)
		a.set(func(s *slave) { s.silent = true })
		for w.wire.count("held "+a.url) == probes { // the leader asks a busy slave for a sign of life
			time.Sleep(10 * time.Millisecond)
		}
		if refusal := w.refused(); !strings.Contains(refusal.Message, ": 1 slave did not answer in time; try") {
			w.t.Errorf("%v", refusal)
		}
	})
}

// TestTheLeaderQuotesNobodyWhoSaidNothing: what it knows without asking is from its
// books, and it puts no words into the mouth of who was silent, or said the opposite.
func TestTheLeaderQuotesNobodyWhoSaidNothing(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slave("A", 1)
		w.mustSubmit("1h")
		b := w.slave("B", 1)
		time.Sleep(2 * time.Second)
		b.set(func(s *slave) { s.silent = true })
		c := w.slave("C", 1)
		c.set(func(s *slave) { s.lie.word = func(a *task.Availability) { a.Free, a.Counter = 0, a.Counter+1000 } })
		time.Sleep(2 * time.Second) // what C said when it was registered is too old
		want := []string{"A: I am not available. (books)", "B:  (slave)", "C: I am not available. (slave)"}
		if w.ttl == 0 {
			want[0] = "A: I am not available. (slave)"
		}
		if got := quoted(w.refused(explained).Asked); !slices.Equal(got, want) {
			w.t.Errorf("dialogue %q; want %q", got, want)
		}

		if w.ttl > 0 {
			want[1], want[2] = "B:  (books)", "C: I am not available. (books)" // nobody asks them again so soon
		}
		if got := quoted(w.refused(explained).Asked); !slices.Equal(got, want) {
			w.t.Errorf("again: dialogue %q; want %q", got, want)
		}
	})
}

// TestASlaveThatTheLeaderDoubtsIsNotQuoted: it said that it is available.
func TestASlaveThatTheLeaderDoubtsIsNotQuoted(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		a.set(func(s *slave) {
			s.lie.word = func(a *task.Availability) { a.Free = 1 }
			s.lie.receipts = func(rs []task.Receipt) {
				for i := range rs {
					rs[i] = task.Receipt{ID: rs[i].ID, Attempt: rs[i].Attempt, Status: task.Refused, Reason: task.ReasonNoSlot}
				}
			}
		})
		sent := w.mustSubmit("1h")
		synctest.Wait()
		if _, err := w.d.Cancel(w.t.Context(), sent.ID); err != nil {
			w.t.Fatal(err)
		}
		if got := quoted(w.refused(explained).Asked); !slices.Equal(got, []string{"A:  (books)"}) {
			w.t.Errorf("dialogue %q", got)
		}
	})
}

// TestAWithdrawnSubmitListsWhomItAsked, and not those whose turn did not come.
func TestAWithdrawnSubmitListsWhomItAsked(t *testing.T) {
	bothWays(t, func(w *world) {
		for _, name := range []string{"A", "B"} {
			s := w.slave(name, 1)
			s.set(func(s *slave) { s.silent = true })
		}
		time.Sleep(2 * time.Second) // what they said when they were registered is too old
		ctx, cancel := context.WithTimeout(w.t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := w.d.Submit(ctx, dispatch.Request{Explain: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1h", MaxTries: 3, TimeoutMS: 60_000}})
		refusal, ok := errors.AsType[*task.Error](err)
		if !ok || refusal.Code != task.CodeOverloaded {
			w.t.Fatalf("%v; want %s", err, task.CodeOverloaded)
		}
		if got := quoted(refusal.Asked); !slices.Equal(got, []string{"A:  (slave)"}) {
			w.t.Errorf("dialogue %q", got)
		}
	})
}

// TestDrainedSlavesAreNamedAsWhatIsInTheWay: to try again in a moment would be of no use,
// and who wants it explained is shown them. That holds for kinds, too, that only they run.
func TestDrainedSlavesAreNamedAsWhatIsInTheWay(t *testing.T) {
	bothWays(t, func(w *world) {
		for _, name := range []string{"A", "B"} {
			w.slave(name, 1)
			if _, err := w.d.Drain(w.t.Context(), name, true); err != nil {
				w.t.Fatal(err)
			}
		}
		want := []string{"A is draining", "B is draining"}
		shown := func(refusal *task.Error) []string {
			var all []string
			for _, a := range refusal.Asked {
				if a.Answer != "" || a.From != task.FromBooks {
					w.t.Errorf("%+v was not asked", a)
				}
				all = append(all, a.Slave+" "+a.Why)
			}
			return all
		}
		refusal := w.refused(explained)
		if says := "full capacity: all 2 slaves that could run the task are drained (muster slaves undrain NAME ends that); undrain or start one, then try again"; refusal.Code != task.CodeFullCapacity || refusal.Message != says {
			w.t.Errorf("%s: %s", refusal.Code, refusal.Message)
		}
		if got := shown(refusal); !slices.Equal(got, want) {
			w.t.Errorf("shown are %q", got)
		}
		w.labelled("C", 1, "gpu=yes")
		if _, err := w.d.Drain(w.t.Context(), "C", true); err != nil {
			w.t.Fatal(err)
		}
		refusal = w.refused(explained, func(r *dispatch.Request) { r.Spec.Requires = labels("gpu=yes") })
		if refusal.Code != task.CodeNoSlaveForKind || !strings.HasSuffix(refusal.Message, "gpu=yes; the 1 slave that could run the task is drained (muster slaves undrain NAME ends that)") {
			w.t.Errorf("%s: %s", refusal.Code, refusal.Message)
		}
		if got := shown(refusal); !slices.Equal(got, []string{"C is draining"}) {
			w.t.Errorf("shown are %q", got)
		}
		if refusal = w.refused(); len(refusal.Asked) > 0 {
			w.t.Errorf("nobody asked for %v", refusal.Asked)
		}
	})
}
