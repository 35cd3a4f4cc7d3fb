package api

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// Bounds of exports. An export holds one picture of the state, which keeps what
// has changed since in memory, and a few buffers.
const (
	exportPath     = "/v1/tasks/export"
	maxExports     = 4                // at once, of one master
	exportPatience = 30 * time.Second // for a reader that does not take a piece
	exportTime     = 30 * time.Minute // of one export
	exportPiece    = 32 << 10         // bytes
)

// exportTasks streams what a selection matches, all from one view. The last line
// says that it is whole; an export that can't be finished is cut off, so that
// HTTP tells of it, too.
func (s *server) exportTasks(c *gin.Context, q *query) error {
	selection := q.tasks()
	view, err := s.read(c, q)
	if err != nil {
		return err
	}
	if !s.exports.tryEnter() {
		return task.Refuse(task.CodeTooManyExports, fmt.Sprintf("this master serves %d exports already, and no more at once; "+
			"try again, or ask another master", maxExports))
	}
	defer s.exports.leave()
	ctx, cancel := waiting(c.Request.Context(), exportTime)
	defer cancel()
	s.stamp(c, view.Index())
	if err := s.stream(ctx, c, view, selection); err != nil {
		s.log.Info("an export was cut short", "index", view.Index(), "client", c.Request.RemoteAddr, "error", err)
		panic(http.ErrAbortHandler) // the server cuts the connection
	}
	return nil
}

// stream writes the answer to an export.
func (s *server) stream(ctx context.Context, c *gin.Context, view View, selection task.Query) error {
	h := c.Writer.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	zipped := acceptsGzip(c.Request.Header)
	if zipped {
		h.Set("Content-Encoding", "gzip")
	}
	to := &piecewise{w: c.Writer, control: http.NewResponseController(c.Writer), patience: exportPatience, allowance: exportPatience, rate: slowestReader}
	release := to.cutWith(ctx)
	defer release()
	c.Writer.WriteHeader(http.StatusOK)
	if err := to.begin(); err != nil || c.Request.Method == http.MethodHead {
		return err
	}
	pieces := bufio.NewWriterSize(to, exportPiece)
	if !zipped {
		return errors.Join(writeExport(ctx, pieces, view, selection), pieces.Flush())
	}
	zip, err := gzip.NewWriterLevel(pieces, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("compress: %w", err) // the level is one
	}
	if err := writeExport(ctx, zip, view, selection); err != nil {
		return err // without an end, as gzip has one, too
	}
	return errors.Join(zip.Close(), pieces.Flush())
}

// writeExport writes a line for each task, and the last.
func writeExport(ctx context.Context, w io.Writer, view View, selection task.Query) error {
	var line []byte
	end := wire.ExportEnd{Complete: true, Index: view.Index()}
	selection.Limit = task.MaxPage
	for {
		page := view.List(selection)
		for i := range page.Tasks {
			line = append(wire.AppendTask(line[:0], &page.Tasks[i]), '\n')
			if _, err := w.Write(line); err != nil {
				return fmt.Errorf("write task %d: %w", page.Tasks[i].ID, err)
			}
		}
		end.Tasks += uint64(len(page.Tasks))
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("go on after task %d: %w", page.Next, err)
		}
		if page.Next == 0 {
			return json.NewEncoder(w).Encode(end) //nolint:wrapcheck // the connection's error says enough
		}
		selection.After = page.Next
	}
}

// acceptsGzip reports whether a client asks for gzip by name.
func acceptsGzip(h http.Header) bool {
	for _, line := range h.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(coding, ";")
			quality := strings.ReplaceAll(params, " ", "")
			refused := strings.HasPrefix(quality, "q=0") && strings.Trim(quality, "q=0.") == ""
			if strings.EqualFold(strings.TrimSpace(name), "gzip") && !refused {
				return true
			}
		}
	}
	return false
}
