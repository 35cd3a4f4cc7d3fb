package evaluate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"muster/task"
)

// Evaluator computes expressions in this process. It is safe for concurrent use.
type Evaluator struct {
	sleep func(ctx context.Context, d time.Duration) error
	turns turns // nil: as many compute at once as are asked to
	cache cache
}

// New returns an Evaluator whose function sleep is the given one; nil: real time.
func New(sleep func(ctx context.Context, d time.Duration) error) *Evaluator {
	if sleep == nil {
		sleep = pause
	}
	return &Evaluator{sleep: sleep}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call is one evaluation, as the library and the functions see it.
type call struct {
	ctx   context.Context //nolint:containedctx // the library has no other way to hand it to a function
	sleep func(ctx context.Context, d time.Duration) error
	turn  turn

	literals []string
	given    []given
}

// given is a parameter's value.
type given struct {
	name  string
	value any // a float64, a string or a bool
}

// panicked begins the failure of an expression over which the library panicked.
const panicked = "the expression can't be computed"

// Evaluate computes the expression of an order. Any error is the expression's
// own, or ctx's.
func (e *Evaluator) Evaluate(ctx context.Context, o task.Order) (v task.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = task.Value{}, fmt.Errorf("%s: %v", panicked, p)
		}
	}()
	c := &call{ctx: ctx, sleep: e.sleep, turn: turn{of: e.turns}}
	if err := c.turn.take(ctx); err != nil {
		return task.Value{}, err
	}
	defer c.turn.release()
	made, err := e.cache.get(o.Expression)
	if err != nil {
		return task.Value{}, err
	}
	if refusal := task.CheckParameters(o.Parameters); refusal != nil {
		return task.Value{}, errors.New(refusal.Message)
	}
	if c.given, err = values(o.Parameters); err != nil {
		return task.Value{}, err
	}
	c.literals = made.literals
	result, err := made.parsed.Eval(c)
	if err != nil {
		return task.Value{}, err
	}
	return format(result)
}

func values(params []task.Parameter) ([]given, error) {
	if len(params) == 0 {
		return nil, nil
	}
	list := make([]given, len(params))
	for i, p := range params {
		list[i].name = p.Name
		switch p.Value.Type {
		case task.Number:
			f, err := strconv.ParseFloat(p.Value.Text, 64)
			if err != nil {
				return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
			}
			list[i].value = f
		case task.Boolean:
			list[i].value = p.Value.Text == "true"
		case task.String, task.NoValue:
			list[i].value = p.Value.Text
		}
	}
	return list, nil
}

// format writes a result as text: the shortest number that reads back as the same
// 64-bit float, without an exponent below 1e21.
func format(result any) (task.Value, error) {
	switch v := result.(type) {
	case float64:
		return task.Value{Type: task.Number, Text: formatNumber(v)}, nil
	case bool:
		return task.Value{Type: task.Boolean, Text: strconv.FormatBool(v)}, nil
	case string:
		if len(v) > task.MaxResultBytes {
			return task.Value{}, fmt.Errorf("the result has %d bytes; at most %d are possible", len(v), task.MaxResultBytes)
		}
		return task.Value{Type: task.String, Text: v}, nil
	case nil:
		return task.Value{}, errors.New("the expression has no value")
	case []any:
		return task.Value{}, errors.New("the result is a list; only a number, a string or a boolean can be one")
	default:
		return task.Value{}, errors.New("the result is not a number, a string or a boolean")
	}
}

func formatNumber(f float64) string {
	if f > -1e21 && f < 1e21 && (f > 1e-7 || f < -1e-7 || f == 0) {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
