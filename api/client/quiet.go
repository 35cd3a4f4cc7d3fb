package client

import (
	"context"
	"errors"
	"io"
	"time"
)

// maxQuiet is how long a stream may stay quiet, once it has begun.
const maxQuiet = 30 * time.Second

// quietness ends a request whose answer does not go on.
type quietness struct {
	ctx   context.Context //nolint:containedctx // of one request, which it ends
	timer *time.Timer
	end   context.CancelCauseFunc
}

// watch returns a context that ends when the answer's header takes longer than
// limit, or a read of the body longer than maxQuiet.
func watch(ctx context.Context, limit time.Duration) (context.Context, *quietness) {
	q := &quietness{}
	q.ctx, q.end = context.WithCancelCause(ctx)
	q.timer = time.AfterFunc(limit, func() { q.end(errors.New("nothing came for too long")) })
	return q.ctx, q
}

func (q *quietness) stop() {
	q.timer.Stop()
	q.end(nil)
}

// impatient is the body of an answer that may not stay quiet for long. What its
// reader does between two reads may last.
type impatient struct {
	body  io.Reader
	quiet *quietness
}

// Read says why when nothing came.
func (r *impatient) Read(p []byte) (int, error) {
	r.quiet.timer.Reset(maxQuiet)
	defer r.quiet.timer.Stop()
	n, err := r.body.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // a Reader's io.EOF is bare
		if why := context.Cause(r.quiet.ctx); why != nil {
			err = why
		}
	}
	return n, err //nolint:wrapcheck // a Reader's errors are
}
