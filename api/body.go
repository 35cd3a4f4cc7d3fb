package api

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// maxBody bounds the body of a request, maxBatchBody that of a batch.
const (
	maxBody      = 1 << 20
	maxBatchBody = 16 << 20
)

// decoders read the bodies; they are prepared once.
type decoders struct {
	submission   wire.Decoder[wire.Submission]
	batch        wire.Decoder[wire.BatchBody]
	report       wire.Decoder[wire.ReportBody]
	registration wire.Decoder[wire.Registration]
	leave        wire.Decoder[wire.Leave]
	resize       wire.Decoder[wire.Resize]
	join         wire.Decoder[wire.JoinRequest]
}

func newDecoders() decoders {
	return decoders{
		submission:   wire.NewDecoder[wire.Submission](),
		batch:        wire.NewBatchDecoder(),
		report:       wire.NewReportDecoder(),
		registration: wire.NewDecoder[wire.Registration](),
		leave:        wire.NewDecoder[wire.Leave](),
		resize:       wire.NewDecoder[wire.Resize](),
		join:         wire.NewDecoder[wire.JoinRequest](),
	}
}

// readBody reads a request's body as one T.
func readBody[T any](s *server, c *gin.Context, d wire.Decoder[T]) (T, error) {
	var none T
	if err := checkMediaType(c.Request.Header); err != nil {
		return none, err
	}
	body, _ := c.Request.Body.(*bodyOf) // since call
	if c.Request.ContentLength > body.limit {
		return none, tooLarge(body.limit)
	}
	// With room for the read that sees the end; what is promised is believed only so far.
	text := s.buffer()
	text.Grow(int(min(max(c.Request.ContentLength, 0), 64<<10)) + bytes.MinRead)
	_, err := text.ReadFrom(body)
	body.text = text
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return none, tooLarge(body.limit)
		}
		if refusal, ok := errors.AsType[*task.Error](err); ok {
			return none, refusal
		}
		return none, invalid("the body could not be read: %s", err)
	}
	v, refusal := d.Decode(text.Bytes())
	if refusal != nil {
		return none, refusal
	}
	return v, nil
}

// checkMediaType accepts JSON, nothing said, and what curl -d says of a body
// when it is told nothing.
func checkMediaType(h http.Header) error {
	contentType := h.Get("Content-Type")
	if contentType == "" || contentType == "application/json" {
		return nil
	}
	mt, _, err := mime.ParseMediaType(contentType)
	if err == nil && (mt == "application/json" || mt == "application/x-www-form-urlencoded" ||
		strings.HasPrefix(mt, "application/") && strings.HasSuffix(mt, "+json")) {
		return nil
	}
	return task.Refuse(task.CodeUnsupportedMediaType, fmt.Sprintf("the Content-Type must be application/json, not %.100q", contentType))
}

func tooLarge(limit int64) *task.Error {
	return task.Refuse(task.CodeBodyTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
}
