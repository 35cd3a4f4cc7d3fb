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
	body, err := readBody(s, c, s.decoders.batch)
	if err != nil {
		return err
	}
	if len(body.Tasks) == 0 { // too many, the decoder refuses
		return invalid("tasks is empty; a batch is 1 to %d of them", wire.MaxElements)
	}
	s.extend(c, batchTimeout)
	ctx, cancel := context.WithTimeout(c.Request.Context(), batchTimeout)
	defer cancel()
	refusals, results, err := s.runBatch(ctx, body.Tasks)
	if err != nil {
		return err
	}
	return s.batchAnswer(c, refusals, results)
}

// batchAnswer sends what became of a batch, which holds a place until then. The
// results are of the items that have no refusal, in order.
func (s *server) batchAnswer(c *gin.Context, refusals []*task.Error, results []SubmitResult) error {
	l := s.list(c)
	defer l.close()
	l.placed = true
	l.text(`{"results":[`)
	for _, refusal := range refusals {
		var r SubmitResult
		if r.Refusal = refusal; refusal == nil {
			r, results = results[0], results[1:]
		}
		if err := l.result(&r); err != nil {
			return err
		}
	}
	return l.end(struct{}{})
}

// result adds what became of one item.
func (l *listing) result(r *SubmitResult) error {
	texts := resultFixed + r.Task.Bytes()
	add := func(b []byte) []byte { return wire.AppendBatchTask(b, &r.Task, r.Existing) }
	if r.Refusal != nil {
		refusal := *r.Refusal
		if refusal.Code == task.CodeNotLeader { // it was, when the batch began
			refusal.Code = task.CodeNoLeader
		}
		texts = resultFixed + len(refusal.Message)
		add = func(b []byte) []byte { return wire.AppendBatchRefusal(b, &refusal) }
	}
	if err := l.grow(texts); err != nil {
		return err
	}
	_, err := l.item(add, math.MaxInt)
	return err
}

// resultFixed is about what a result takes in an answer besides its texts.
const resultFixed = 256

// runBatch submits those items that are right, and returns what became of these.
func (s *server) runBatch(ctx context.Context, items wire.ItemList) (refusals []*task.Error, results []SubmitResult, err error) {
	refusals = make([]*task.Error, len(items))
	subs := make([]Submission, 0, len(items))
	for i := range items {
		sub, refusal := s.batchItem(ctx, &items[i])
		if refusals[i] = refusal; refusal == nil {
			subs = append(subs, sub)
		}
	}
	if len(subs) > 0 {
		results, err = s.Backend.SubmitAll(ctx, subs)
	}
	return refusals, results, err
}

func (s *server) batchItem(ctx context.Context, read *wire.Element[wire.BatchItem]) (Submission, *task.Error) {
	if read.Refusal != nil {
		return Submission{}, read.Refusal
	}
	key := read.Value.IdempotencyKey
	if key != "" {
		var err error
		if key, err = task.CleanKey(key); err != nil {
			return Submission{}, invalid("idempotency_key %s", err)
		}
	}
	return s.submission(ctx, wire.ToSubmission(&read.Value), key)
}

// turn takes the place of a batch. The caller gives it back.
func (r room) turn(ctx context.Context) (release func(), refusal *task.Error) {
	if !r.enter(ctx.Done()) {
		return nil, task.Refuse(task.CodeOverloaded, "this master is busy with "+strconv.Itoa(cap(r))+" batch; nothing was done, try again in a moment")
	}
	return r.leave, nil
}
