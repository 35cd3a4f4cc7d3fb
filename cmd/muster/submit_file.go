package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"muster/api/client"
)

const (
	// batchLines is how many lines go into one call.
	batchLines = 500
	// maxLine is a task in a file at its largest; the masters take no more in a call.
	maxLine = 1 << 20
	// longestFile bounds the whole command.
	longestFile = 24 * time.Hour
	// maxTold bounds the refused lines that are told one by one.
	maxTold = 20
	// refusedPause is before lines are sent again that can't be taken now.
	refusedPause = 200 * time.Millisecond
	// narrow is how many columns a bar with a count of millions needs, wide one
	// that has words and times, too.
	narrow, wide = 30, 60
)

// fileAnswer is what became of a file, as JSON.
type fileAnswer struct {
	Submitted int           `json:"submitted"` // new tasks
	Known     int           `json:"known"`     // submitted by an earlier run
	Refused   []refusedLine `json:"refused,omitempty"`
}

type refusedLine struct {
	Line  int         `json:"line"`
	Code  client.Code `json:"code"`
	Error string      `json:"error"`
}

// fileLine is a task of a file.
type fileLine struct {
	number int
	item   client.BatchItem
}

// submitFile submits every line of a file. The keys follow from the content of
// the file and the number of the line, so that the same file never makes a task
// twice: who was interrupted repeats the command.
func (p *program) submitFile(cmd *cobra.Command, path, whenFull string) error {
	lines, malformed, err := p.readTasks(path, whenFull)
	if err != nil {
		return err
	}
	total := len(lines) + len(malformed)
	out := fileAnswer{Refused: malformed}
	bar := p.progress(len(lines))
	err = p.ask(cmd, longestFile, func(ctx context.Context, c *client.Client) error {
		for batch := range slices.Chunk(lines, batchLines) {
			if err := p.submitLines(ctx, c, batch, &out, bar); err != nil {
				return err
			}
		}
		return nil
	})
	_ = bar.Clear() // it only draws
	if err != nil {
		fmt.Fprintf(p.stderr, "%d of %d lines are known to be submitted; repeat the command to go on\n", out.Submitted+out.Known, total)
		if cmd.Context().Err() != nil {
			return exitf(exitFailure, "interrupted")
		}
		return err
	}
	slices.SortFunc(out.Refused, func(a, b refusedLine) int { return cmp.Compare(a.Line, b.Line) })
	if err := p.print(out, func() error { return p.printFile(out, total) }); err != nil {
		return err
	}
	if len(out.Refused) > 0 {
		return exitf(exitFailure, "%d of %d lines were refused; correct them in a file of their own, since all tasks of a changed file are new ones", len(out.Refused), total)
	}
	return nil
}

// readTasks reads a file of JSON lines, or with - standard input. Lines that are no
// tasks are refused one by one, as in a batch; a file without a task is no such file.
func (p *program) readTasks(path, whenFull string) (lines []fileLine, malformed []refusedLine, err error) {
	var content []byte
	if path == "-" {
		content, err = io.ReadAll(p.stdin)
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, nil, usagef("read the tasks of --file %s: %w", path, err)
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // as some editors begin a file
	sum := sha256.Sum256(content)
	in := bufio.NewScanner(bytes.NewReader(content))
	in.Buffer(nil, maxLine)
	for n := 1; in.Scan(); n++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		l := fileLine{number: n}
		if l.item, err = client.ReadItem(text); err != nil {
			malformed = append(malformed, refusedLine{Line: n, Code: client.CodeInvalidRequest, Error: err.Error()})
			continue
		}
		if l.item.IdempotencyKey == "" {
			l.item.IdempotencyKey = fmt.Sprintf("file-%x-%d", sum[:16], n)
		}
		if l.item.WhenFull == "" {
			l.item.WhenFull = whenFull
		}
		lines = append(lines, l)
	}
	if err := in.Err(); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w (a line has at most %d bytes)", path, err, maxLine)
	}
	switch {
	case len(lines) > 0:
		return lines, malformed, nil
	case len(malformed) > 0:
		return nil, nil, usagef("%s, line %d: %s; a line is a task like {\"expression\":\"2+3*x\",\"parameters\":{\"x\":4}}", path, malformed[0].Line, malformed[0].Error)
	default:
		return nil, nil, usagef("%s has no tasks; a line is a task like {\"expression\":\"2+3\"}", path)
	}
}

// submitLines submits some lines, and those again that could not be taken at the
// moment, for as long as the patience lasts without any being taken.
func (p *program) submitLines(ctx context.Context, c *client.Client, lines []fileLine, out *fileAnswer, bar *progressbar.ProgressBar) error {
	since := time.Now()
	for len(lines) > 0 {
		later, last, err := p.submitOnce(ctx, c, lines, out, bar)
		if err != nil {
			return err
		}
		if len(later) < len(lines) {
			since = time.Now()
		}
		lines = later
		if len(lines) == 0 {
			return nil
		}
		if time.Since(since) > p.patience {
			return exitf(exitCode(&client.Error{Code: last.Code}), "nothing was taken for %s (%s)", p.patience, plain(last.Error))
		}
		select {
		case <-time.After(refusedPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// submitOnce submits lines once. later are those that could not be taken at the
// moment, and last says why.
func (p *program) submitOnce(ctx context.Context, c *client.Client, lines []fileLine, out *fileAnswer, bar *progressbar.ProgressBar) (later []fileLine, last client.BatchResult, err error) {
	items := make([]client.BatchItem, len(lines))
	for i, l := range lines {
		items[i] = l.item
	}
	calling, cancel := context.WithTimeout(ctx, p.patience+time.Minute)
	defer cancel()
	results, err := c.SubmitBatch(calling, items)
	if err != nil {
		return nil, last, err
	}
	for i, r := range results {
		switch {
		case r.Task != nil && r.Existing:
			out.Known++
		case r.Task != nil:
			out.Submitted++
		case mayChange(r.Code):
			later, last = append(later, lines[i]), r
			continue
		default:
			out.Refused = append(out.Refused, refusedLine{Line: lines[i].number, Code: r.Code, Error: r.Error})
		}
		_ = bar.Add(1) // it only draws
	}
	return later, last, nil
}

// mayChange tells which refusals are of the moment.
func mayChange(code client.Code) bool {
	switch code {
	case client.CodeFullCapacity, client.CodeQueueFull, client.CodeNoSlaveForKind, client.CodeOverloaded, client.CodeNoLeader,
		client.CodeOutcomeUnknown, client.CodeShuttingDown, client.CodeDiskLow, client.CodeRetentionFull:
		return true
	default:
		return false
	}
}

// progress draws a bar on standard error, if that is a terminal.
func (p *program) progress(lines int) *progressbar.ProgressBar {
	columns := 0
	if f, ok := p.stderr.(*os.File); ok {
		columns, _, _ = term.GetSize(int(f.Fd())) // 0: no terminal
	}
	return newBar(p.stderr, lines, columns)
}

// newBar draws what fits into a line: one that goes on in the next can't be drawn
// over.
func newBar(w io.Writer, lines, columns int) *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(columns >= narrow), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true), // clears what a typed ^C shows, too
	}
	if columns >= wide {
		options = append(options, progressbar.OptionSetDescription("submitting"))
	} else {
		options = append(options, progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	}
	return progressbar.NewOptions(lines, options...)
}

func (p *program) printFile(out fileAnswer, lines int) error {
	for i, r := range out.Refused {
		if i == maxTold {
			fmt.Fprintf(p.stderr, "… and %d more\n", len(out.Refused)-maxTold)
			break
		}
		fmt.Fprintf(p.stderr, "line %d: %s\n", r.Line, plain(r.Error))
	}
	return p.line(fmt.Sprintf("%d of %d tasks submitted, %d of them by an earlier run.", out.Submitted+out.Known, lines, out.Known))
}
