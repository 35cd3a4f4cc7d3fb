package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// The headers of every answer.
const (
	headerIndex  = "Muster-Index"
	headerLeader = "Muster-Leader"
	// headerCluster is left out while this master belongs to none. In a request it says
	// which one is meant.
	headerCluster = "Muster-Cluster"
)

// send writes a JSON body, which add appends: the answers of which there are many.
func (s *server) send(c *gin.Context, status int, add func(b []byte) []byte) {
	b := s.buffer()
	defer s.release(b)
	b.Write(append(add(b.AvailableBuffer()), '\n'))
	s.write(c, status, s.jsonType, b.Bytes())
}

// answer writes any other JSON body. It is encoded first: a body that can't be becomes
// an error and not an empty 200.
func (s *server) answer(c *gin.Context, body any) {
	status := http.StatusOK
	b := s.buffer()
	defer s.release(b)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		s.log.Error("can't encode an answer", "path", c.FullPath(), "error", err)
		b.Reset()
		status = http.StatusInternalServerError
		b.WriteString(`{"error":"the answer could not be encoded","code":"internal"}` + "\n")
	}
	s.write(c, status, s.jsonType, b.Bytes())
}

func (s *server) buffer() *bytes.Buffer {
	b, _ := s.buffers.Get().(*bytes.Buffer) // New makes them
	return b
}

// release keeps a buffer for the next answer, unless it has grown large.
func (s *server) release(b *bytes.Buffer) {
	if b.Cap() > 1<<20 {
		return
	}
	b.Reset()
	s.buffers.Put(b)
}

func (s *server) write(c *gin.Context, status int, contentType []string, body []byte) {
	c.Writer.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	s.head(c, status, contentType)
	if len(body) > smallAnswer {
		s.deadline(c, answerTimeout+time.Duration(len(body))*time.Second/slowestReader)
	}
	if _, err := c.Writer.Write(body); err != nil {
		s.log.Debug("the client did not take the answer", "path", c.FullPath(), "error", err)
	}
}

// head begins an answer.
func (s *server) head(c *gin.Context, status int, contentType []string) {
	h := c.Writer.Header()
	if len(h[headerIndex]) == 0 {
		s.stamp(c, s.index(c.Request.Context()))
	}
	h["Content-Type"] = contentType
	h["X-Content-Type-Options"] = s.noSniff
	c.Writer.WriteHeader(status)
	c.Writer.WriteHeaderNow() // gin's own 404 and 405 pages write when nothing was written
}

// stamp says what the answer has seen. A read stamps the view that it read; any
// other answer what this master has applied when it answers.
func (s *server) stamp(c *gin.Context, index uint64) {
	leader, _ := s.Backend.Leader()
	h := c.Writer.Header()
	// As Set does, which would look again whether the names are in canonical form.
	values := [...]string{strconv.FormatUint(index, 10), leader, s.Backend.Cluster()}
	h[headerIndex], h[headerLeader] = values[0:1:1], values[1:2:2]
	if values[2] != "" {
		h[headerCluster] = values[2:]
	}
}

// meant refuses a call that is for another cluster: at this address there may have
// been masters of that before, and numbers of tasks and of entries mean something else
// here.
func (s *server) meant(h http.Header) *task.Error {
	want := h.Get(headerCluster)
	own := s.Backend.Cluster()
	if want == "" || own == "" || want == own {
		return nil
	}
	return task.Refuse(task.CodeWrongCluster, fmt.Sprintf("the call is for cluster %.100q, and this master belongs to cluster %s; nothing was done", want, own))
}

// index is that of the last entry applied, or 0 if the backend won't say.
func (s *server) index(ctx context.Context) uint64 {
	view, err := s.Backend.Read(ctx, ReadOptions{})
	if err != nil {
		return 0
	}
	return view.Index()
}

// failCall answers a call that its handler did not.
func (s *server) failCall(c *gin.Context, err error, r route, forward bool) {
	refusal, ok := errors.AsType[*task.Error](err)
	switch {
	case ok && refusal.Code == task.CodeNotLeader:
		// It led when the call began. Nothing was done.
		s.toLeader(c, r, refusal.Leader, forward)
		return
	case ok:
	case (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) && r.method != http.MethodGet:
		refusal = task.Refuse(task.CodeOutcomeUnknown, "the time for this call ended before its fate was known: it may have been done; "+
			"repeat it, a submit with the same Idempotency-Key, or look")
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		refusal = task.Refuse(task.CodeIndexNotReached, "the time for this call ended before this master had seen enough; try again, or ask another master")
	default:
		s.log.Error("a call failed", "method", r.method, "path", r.path, "error", err)
		refusal = task.Refuse(task.CodeInternal, "something went wrong inside this master; its log says what")
	}
	s.fail(c, refusal)
}

// fail answers with a refusal.
func (s *server) fail(c *gin.Context, refusal *task.Error) {
	status, ok := statuses[refusal.Code]
	if !ok {
		s.log.Error("a refusal has an unknown code", "code", refusal.Code, "message", refusal.Message)
		refusal, status = task.Refuse(task.CodeInternal, refusal.Message), http.StatusInternalServerError
	}
	s.failAs(c, status, refusal)
}

// failAs answers with a refusal and a status that is not its code's own.
func (s *server) failAs(c *gin.Context, status int, refusal *task.Error) {
	if retryable(refusal.Code) {
		c.Header("Retry-After", strconv.Itoa(s.retryAfter(c, refusal)))
	}
	s.send(c, status, func(b []byte) []byte { return wire.AppendError(b, refusal) })
}

func (s *server) noRoute(c *gin.Context) {
	s.fail(c, task.Refuse(task.CodeNotFound, "there is nothing at this path; /openapi.yaml describes what there is"))
}

func (s *server) noMethod(c *gin.Context) {
	s.fail(c, task.Refuse(task.CodeMethodNotAllowed, "this path does not know "+c.Request.Method+"; it knows "+c.Writer.Header().Get("Allow")))
}
