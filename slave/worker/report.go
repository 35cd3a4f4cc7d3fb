package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"muster/task"
	"muster/task/wait"
)

// Bounds of one report. Encoded, it stays below the 1 MiB that a master takes,
// even if every byte of text has to be escaped (six for one).
const (
	maxReportResults = 1000
	maxReportBytes   = 128 << 10
)

// report is the reporter's goroutine. While one report is under way, what
// finishes joins the next; nothing lingers.
func (w *Worker) report() {
	pause := wait.Backoff{Min: 20 * time.Millisecond, Max: 2 * time.Second}
	limit := maxReportResults
	troubled := false
	for {
		batch, r := w.nextBatch(limit)
		if len(batch) == 0 {
			select {
			case <-w.wake:
				continue
			case <-w.reporting.Done():
				return
			}
		}
		verdicts, err := w.send(batch, r)
		settled, err := w.settle(batch, verdicts, err)
		if settled > 0 {
			limit = maxReportResults
			pause.Reset()
		}
		if settled == len(batch) {
			if troubled {
				w.log.Info("results are acknowledged again")
			}
			troubled = false
			continue
		}
		if w.reporting.Err() != nil {
			return
		}
		// Should one result be what the masters choke on, smaller batches,
		// of which it is in one only, let the others through.
		limit = max(1, len(batch)/2)
		level := slog.LevelDebug // an outage is worth one warning, not hundreds
		if !troubled {
			level = slog.LevelWarn
		}
		troubled = true
		w.log.Log(w.reporting, level, "results not acknowledged, repeating until they are", "results", len(batch)-settled, "error", err)
		if !wait.Sleep(w.reporting, pause.Next()) {
			return
		}
	}
}

// nextBatch takes the next results from the queue. The report, still without
// them, says for whom they are, and the slave's word on its slots at the same moment.
func (w *Worker) nextBatch(limit int) ([]*attempt, task.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, bytes := 0, 0
	for n < min(limit, len(w.queue)) {
		bytes += size(w.queue[n].result)
		if n > 0 && bytes > maxReportBytes {
			break
		}
		n++
	}
	batch := make([]*attempt, n)
	copy(batch, w.queue)
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	w.inFlight = n
	return batch, task.Report{Slave: w.cfg.Name, Cluster: w.cluster, Availability: w.availability()}
}

// send makes one call of the Reporter. Finished attempts don't change, so their
// results are read without the lock.
func (w *Worker) send(batch []*attempt, r task.Report) ([]task.Verdict, error) {
	r.Results = make([]task.Result, len(batch))
	for i, a := range batch {
		r.Results[i] = a.result
	}
	ctx, cancel := context.WithTimeout(w.reporting, w.cfg.ReportTimeout)
	defer cancel()
	return w.cfg.Reporter.Report(ctx, r)
}

// settle acknowledges the results whose verdict is final and puts the others at
// the end of the queue. It returns how many are settled, and why the first of
// the others is not: the error of the whole report, if there was one.
func (w *Worker) settle(batch []*attempt, verdicts []task.Verdict, failed error) (settled int, why error) {
	why = failed
	said := words(batch, verdicts)
	// Another incarnation of this name has taken over: nobody wants these.
	replaced := errors.Is(failed, &task.Error{Code: task.CodeWrongIncarnation})
	// Not a verdict: one master may be listed by mistake. Who asks all of them in
	// vain calls Serve.
	if w.cfg.Estranged != nil && errors.Is(failed, &task.Error{Code: task.CodeWrongCluster}) {
		w.cfg.Estranged()
	}

	var unwanted []task.Verdict
	defer func() { w.logUnwanted(unwanted) }() // without the lock: a program's own logger may take its time
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, a := range batch {
		verdict, ok := said(i)
		switch {
		case a.estranged: // while it was under way
			settled++
			continue
		case replaced || ok && final(verdict):
			w.kept -= size(a.result)
			w.known.acknowledge(a)
			settled++
			if verdict != nil {
				unwanted = append(unwanted, task.Verdict{ID: a.id, Attempt: a.number, Err: verdict})
			}
			continue
		case why == nil && ok:
			why = verdict
		case why == nil:
			why = errors.New("the answer has no verdict on the result")
		}
		w.queue = append(w.queue, a)
	}
	w.inFlight = 0
	w.refresh()
	return settled, why
}

// words finds the verdict on each of a batch. They come in any order, and mostly in the
// order of the batch.
func words(batch []*attempt, verdicts []task.Verdict) func(i int) (verdict *task.Error, ok bool) {
	inOrder := func(i int) bool {
		return i < len(verdicts) && key{verdicts[i].ID, verdicts[i].Attempt} == batch[i].key
	}
	var said map[key]*task.Error
	return func(i int) (*task.Error, bool) {
		if said == nil && inOrder(i) {
			return verdicts[i].Err, true
		}
		if said == nil {
			said = make(map[key]*task.Error, len(verdicts))
			for _, v := range verdicts {
				said[key{v.ID, v.Attempt}] = v.Err
			}
		}
		verdict, ok := said[batch[i].key]
		return verdict, ok
	}
}

func (w *Worker) logUnwanted(verdicts []task.Verdict) {
	for _, v := range verdicts {
		w.log.Info("a master does not want a result", "task", v.ID, "attempt", v.Attempt, "reason", v.Err)
	}
}

// final reports whether a verdict settles a result: accepted, or never wanted.
func final(e *task.Error) bool {
	if e == nil {
		return true
	}
	switch e.Code {
	case task.CodeTaskNotFound, task.CodeStaleAttempt, task.CodeTaskForgotten, task.CodeWrongIncarnation:
		return true
	default:
		return false
	}
}
