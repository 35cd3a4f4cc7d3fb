package api

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// batchTimeout bounds the search for slaves, and the writing, of a whole batch.
const batchTimeout = time.Minute

// submitBatch records many tasks, each with a result of its own, also where one can't
// be read. A large batch
// takes many times its size in memory, so there is one at a time.
func (s *server) submitBatch(c *gin.Context, _ *query) error {
	release, refusal := s.batches.turn(c.Request.Context())
	if refusal != nil {
		return refusal
	}
	defer release()
	body, err := readUpTo(c, s.decoders.batch, maxBatchBody)
	if err != nil {
		return err
	}
	if len(body.Tasks) == 0 { // too many, the decoder refuses
		return invalid("tasks is empty; a batch is 1 to %d of them", wire.MaxElements)
	}
	s.extend(c, batchTimeout)
	ctx, cancel := context.WithTimeout(c.Request.Context(), batchTimeout)
	defer cancel()
	results, err := s.runBatch(ctx, body.Tasks)
	if err != nil {
		return err
	}
	return s.batchAnswer(c, results)
}

// batchAnswer sends what became of a batch, which holds a place until then.
func (s *server) batchAnswer(c *gin.Context, results []wire.BatchResult) error {
	l := s.list(c)
	defer l.close()
	l.placed = true
	l.text(`{"results":[`)
	for i := range results {
		if err := l.grow(textsOf(&results[i])); err != nil {
			return err
		}
		if _, err := l.item(&results[i], math.MaxInt); err != nil {
			return err
		}
	}
	return l.end(struct{}{})
}

// textsOf is about the size of a result.
func textsOf(r *wire.BatchResult) int {
	n := resultFixed + len(r.Error)
	if r.Task != nil {
		n += len(r.Task.Expression)
		if r.Task.Result != nil {
			n += len(*r.Task.Result)
		}
	}
	return n
}

// resultFixed is about what a result takes in an answer besides its texts.
const resultFixed = 256

// runBatch submits those items that are right.
func (s *server) runBatch(ctx context.Context, items wire.ItemList) ([]wire.BatchResult, error) {
	out := make([]wire.BatchResult, len(items))
	var subs []Submission
	var at []int // of subs in items
	for i := range items {
		sub, refusal := s.batchItem(ctx, items[i])
		if refusal != nil {
			out[i] = refusedItem(refusal)
			continue
		}
		subs, at = append(subs, sub), append(at, i)
	}
	if len(subs) == 0 {
		return out, nil
	}
	results, err := s.Backend.SubmitAll(ctx, subs)
	if err != nil {
		return nil, err
	}
	for n, r := range results {
		if r.Refusal != nil {
			out[at[n]] = refusedItem(r.Refusal)
			continue
		}
		t := wire.FromTask(&r.Task)
		out[at[n]] = wire.BatchResult{Task: &t, Existing: r.Existing}
	}
	return out, nil
}

func (s *server) batchItem(ctx context.Context, read wire.Element[wire.BatchItem]) (Submission, *task.Error) {
	if read.Refusal != nil {
		return Submission{}, read.Refusal
	}
	item, key := read.Value, read.Value.IdempotencyKey
	if key != "" {
		var err error
		if key, err = task.CleanKey(key); err != nil {
			return Submission{}, invalid("idempotency_key %s", err)
		}
	}
	return s.submission(ctx, wire.ToSubmission(item), key)
}

func refusedItem(refusal *task.Error) wire.BatchResult {
	code := refusal.Code
	if code == task.CodeNotLeader { // it was, when the batch began
		code = task.CodeNoLeader
	}
	return wire.BatchResult{Error: refusal.Message, Code: code}
}

// turn takes the place of a batch. The caller gives it back.
func (r room) turn(ctx context.Context) (release func(), refusal *task.Error) {
	if !r.enter(ctx.Done()) {
		return nil, task.Refuse(task.CodeOverloaded, "this master is busy with "+strconv.Itoa(cap(r))+" batch; nothing was done, try again in a moment")
	}
	return r.leave, nil
}
