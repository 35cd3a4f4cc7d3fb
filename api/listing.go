package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// Bounds of answers that hold many things, or large ones.
const (
	// maxPageBytes bounds the JSON of a page's tasks, unless it is one task.
	maxPageBytes = 4 << 20
	// smallAnswer is what an answer may hold in texts without a place: of these
	// there may be any number. A byte of text is at most six of JSON.
	smallAnswer  = 64 << 10
	largeAnswers = 16 // at once
	// answerPiece is how much of a large answer is collected before it is sent.
	answerPiece = 64 << 10
	// answerTimeout is for a reader that does not take a piece; it must take
	// slowestReader on average, too, so that it holds its place for a bounded time.
	answerTimeout = 10 * time.Second
)

// listing writes an answer piece by piece. A small one is collected and sent whole;
// a large one needs a place among largeAnswers and is sent as it is made, so that
// nobody's answer is in memory as a whole.
type listing struct {
	s  *server
	c  *gin.Context
	b  *bytes.Buffer
	to *piecewise // nil while the answer is small
	// size is of the JSON so far, texts that of the texts in it; items counts.
	size, texts, items int
	placed             bool   // it may be large: the caller holds a place of another kind
	leave              func() // gives the place back
}

// list begins a listing; its end gives everything back.
func (s *server) list(c *gin.Context) *listing {
	return &listing{s: s, c: c, b: s.buffer(), leave: func() {}}
}

func (l *listing) close() {
	l.s.release(l.b)
	l.leave()
}

// place takes a place among largeAnswers, if texts make one: it refuses with
// overloaded when there is none for a while.
func (s *server) place(c *gin.Context, texts int) (leave func(), err error) {
	if texts <= smallAnswer {
		return func() {}, nil
	}
	if !s.answers.enter(c.Request.Context().Done()) {
		return nil, task.Refuse(task.CodeOverloaded, "this master is sending as many large answers as it has room for; try again, or ask another master")
	}
	return s.answers.leave, nil
}

// grow is told of the texts that come next, before they are encoded. It refuses
// with overloaded when they make the answer large and there is no place for it.
func (l *listing) grow(texts int) error {
	l.texts += texts
	if err := l.c.Request.Context().Err(); err != nil {
		return l.cut(fmt.Errorf("go on with the answer: %w", err))
	}
	if l.texts <= smallAnswer || l.to != nil {
		return nil
	}
	if !l.placed {
		leave, err := l.s.place(l.c, l.texts)
		if err != nil {
			return err
		}
		l.leave = leave
	}
	l.to = &piecewise{
		w: l.c.Writer, control: http.NewResponseController(l.c.Writer),
		patience: answerTimeout, allowance: answerTimeout, rate: slowestReader,
	}
	l.s.head(l.c, http.StatusOK, l.s.jsonType)
	if err := l.to.begin(); err != nil {
		return l.cut(err)
	}
	return l.flush(0)
}

// text adds what is no item.
func (l *listing) text(s string) { l.b.WriteString(s) }

// item adds one value, which add appends, to the array that is written. It reports
// false, and adds nothing, if the answer would exceed most bytes and is not empty.
func (l *listing) item(add func(b []byte) []byte, most int) (bool, error) {
	before := l.b.Len()
	if l.items > 0 {
		l.b.WriteByte(',')
	}
	l.b.Write(add(l.b.AvailableBuffer()))
	size := l.size + l.b.Len() - before
	if size > most && l.items > 0 {
		l.b.Truncate(before)
		return false, nil
	}
	l.size = size
	l.items++
	return true, l.flush(answerPiece)
}

// end adds the fields that follow the array, as the members of v are, and sends
// what is left.
func (l *listing) end(v any) error {
	rest, err := json.Marshal(v)
	if err != nil {
		return l.cut(fmt.Errorf("encode an answer: %w", err))
	}
	l.text("]")
	if len(rest) > len("{}") {
		l.text(",")
	}
	l.b.Write(append(rest[1:], '\n')) // without its brace
	if l.to == nil {
		l.s.write(l.c, http.StatusOK, l.s.jsonType, l.b.Bytes())
		return nil
	}
	return l.flush(0)
}

// flush sends what is collected of a large answer, if it is more than some bytes.
func (l *listing) flush(above int) error {
	if l.to == nil || l.b.Len() <= above {
		return nil
	}
	if l.c.Request.Method != http.MethodHead {
		if _, err := l.to.Write(l.b.Bytes()); err != nil {
			return l.cut(err)
		}
	}
	l.b.Reset()
	return nil
}

// cut ends an answer that can't be finished. Once it has begun only the end of the
// connection tells of it.
func (l *listing) cut(err error) error {
	if l.to == nil {
		return err
	}
	l.s.log.Debug("the client did not take the answer", "path", l.c.FullPath(), "error", err)
	panic(http.ErrAbortHandler)
}
