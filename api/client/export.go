package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"muster/api/client/internal/raw"
	"muster/api/wire"
)

// Exported tells of an export that is whole.
type Exported struct {
	Tasks uint64 // how many there were
	Index uint64 // the log index of the moment that it shows
}

// maxLine bounds a line of an export; a task is a few MB at most.
const maxLine = 16 << 20

// Export hands all tasks that the options select to each, in order, as they were
// at one moment; Limit and Cursor must be zero. Only when it returns no error has
// each seen all of them: otherwise the export was cut short (ErrCut), or each has
// returned an error, which ends it. It asks every address at most once, without a
// pause; the caller may repeat it, from the beginning.
func (c *Client) Export(ctx context.Context, opts ListOptions, each func(Task) error) (Exported, error) {
	const what = "export tasks"
	if opts.Limit != 0 || opts.Cursor != "" {
		return Exported{}, errors.New(what + ": an export has no pages; leave Limit and Cursor out")
	}
	var out Exported
	var broken error
	err := c.do(ctx, call{
		what: what, write: opts.Linearizable, safe: true, once: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			params := opts.exportParams(c.minIndex(opts.ReadOptions))
			return raw.NewExportTasksRequest(base, &params)
		},
		stream: func(header http.Header, body io.Reader) { out, broken = readExport(header, body, each) },
	}, nil)
	switch {
	case err != nil:
		return Exported{}, err
	case broken != nil && ctx.Err() != nil && !errors.Is(broken, ctx.Err()):
		return Exported{}, fmt.Errorf("%s: %w; %w", what, broken, ctx.Err())
	case broken != nil:
		return Exported{}, fmt.Errorf("%s: %w", what, broken)
	}
	return out, nil
}

// exportParams are the options as the API has them.
func (o *ListOptions) exportParams(minIndex *uint64) wire.ExportTasksParams {
	p := o.params(minIndex)
	return wire.ExportTasksParams{
		Status: p.Status, Outcome: p.Outcome, Slave: p.Slave, Kind: p.Kind, Label: p.Label, Key: p.Key, ID: p.ID,
		SubmittedAfter: p.SubmittedAfter, SubmittedBefore: p.SubmittedBefore,
		FinishedAfter: p.FinishedAfter, FinishedBefore: p.FinishedBefore,
		Order: p.Order, MinIndex: p.MinIndex, Consistency: p.Consistency,
	}
}

// exportLine is a line of an export: a Task, or the end.
type exportLine struct {
	wire.Task

	Complete *bool  `json:"complete"`
	Count    uint64 `json:"tasks"`
}

// readExport reads lines until the last one, and holds that against them.
func readExport(header http.Header, body io.Reader, each func(Task) error) (Exported, error) {
	var out Exported
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var line exportLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return out, cutShort(out.Tasks, cmp.Or(lines.Err(), fmt.Errorf("understand %.60q: %w", lines.Bytes(), err)))
		}
		if line.Complete == nil {
			if err := each(line.Task); err != nil {
				return out, fmt.Errorf("take task %d: %w", line.ID, err)
			}
			out.Tasks++
			continue
		}
		out.Index = line.Index
		switch {
		case !*line.Complete || line.Count != out.Tasks:
			return out, cutShort(out.Tasks, fmt.Errorf("its last line is %.60q", lines.Bytes()))
		case header.Get("Muster-Index") != strconv.FormatUint(out.Index, 10):
			return out, cutShort(out.Tasks, fmt.Errorf("it began at index %s and ended at %d", header.Get("Muster-Index"), out.Index))
		case lines.Scan():
			return out, cutShort(out.Tasks, fmt.Errorf("after its last line comes %.60q", lines.Bytes()))
		}
		return out, nil
	}
	return out, cutShort(out.Tasks, lines.Err())
}

// cutShort says that an export is not whole.
func cutShort(tasks uint64, cause error) error {
	if cause == nil {
		cause = errors.New("its last line is missing")
	}
	return fmt.Errorf("%w after %d tasks: %w", ErrCut, tasks, cause)
}
