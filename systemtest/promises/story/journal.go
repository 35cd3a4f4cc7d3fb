package story

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Journal is what happened, for a test that fails: what the story did, and what
// the processes logged. It counts both by their first words.
type Journal struct {
	mu     sync.Mutex
	file   *os.File          // what MUSTER_TRACE names, or nil; under mu
	lines  []string          // under mu
	counts map[string]int    // under mu
	hooks  map[string]func() // by what a process logs; under mu
}

// NewJournal returns one that is kept in memory, or in the file that MUSTER_TRACE
// names.
func NewJournal(t *testing.T) *Journal {
	t.Helper()
	j := &Journal{counts: map[string]int{}, hooks: map[string]func(){}}
	if name := os.Getenv("MUSTER_TRACE"); name != "" {
		file, err := os.Create(name) //nolint:gosec // whoever runs the test names it
		if err != nil {
			t.Fatal(err)
		}
		j.file = file
	}
	return j
}

// Tell notes what the story does.
func (j *Journal) Tell(format string, args ...any) { //nolint:goprintffuncname // it tells a story
	j.add(fmt.Sprintf(format, args...))
}

func (j *Journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[line]++
	j.write(line)
}

// write adds a line. The caller holds mu.
func (j *Journal) write(line string) {
	line = time.Now().Format("15:04:05.000000 ") + line
	if j.file != nil {
		_, _ = j.file.WriteString(line + "\n") // a full disk fails the test by other means
		return
	}
	j.lines = append(j.lines, line)
}

// Count counts what is too much to be written down.
func (j *Journal) Count(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[what]++
}

// When calls do once, as soon as a process logs a message, before it goes on.
func (j *Journal) When(message string, do func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hooks[message] = do
}

// Counted returns how often something happened: all that begins with the words.
func (j *Journal) Counted(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for text, count := range j.counts {
		if text == what || strings.HasPrefix(text, what+" ") {
			n += count
		}
	}
	return n
}

// AtLeast checks how often something happened.
func (j *Journal) AtLeast(t *testing.T, least int, what string) {
	t.Helper()
	n := j.Counted(what)
	t.Logf("%6d %s", n, what)
	if n < least {
		t.Errorf("%q happened %d times; want at least %d", what, n, least)
	}
}

// Show tells where the journal of a test that failed is, or how it ended.
func (j *Journal) Show(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.file != nil:
		if err := j.file.Close(); err != nil {
			t.Error(err)
		}
		j.file = nil
	case t.Failed():
		last := j.lines[max(0, len(j.lines)-400):]
		t.Logf("the journal begins with %s, and ends with\n%s", j.lines[0], strings.Join(last, "\n"))
	}
}

// Enabled is slog.Handler's, as are the other methods below.
func (j *Journal) Enabled(context.Context, slog.Level) bool { return true }

// Handle notes what a process logged.
func (j *Journal) Handle(_ context.Context, r slog.Record) error {
	return j.handle("", r)
}

func (j *Journal) handle(with string, r slog.Record) error {
	line := with
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	j.mu.Lock()
	j.counts["msg: "+r.Message]++
	j.write(r.Level.String() + " " + r.Message + line)
	hook := j.hooks[r.Message]
	delete(j.hooks, r.Message)
	j.mu.Unlock()
	if hook != nil {
		hook()
	}
	return nil
}

// WithAttrs returns a handler that adds the attributes.
func (j *Journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return (&journalist{j, ""}).WithAttrs(attrs)
}

// WithGroup returns a handler that does not group.
func (j *Journal) WithGroup(string) slog.Handler { return j }

// journalist writes into a journal with attributes of its own.
type journalist struct {
	*Journal
	with string
}

// Handle notes what a process logged.
func (j *journalist) Handle(_ context.Context, r slog.Record) error { return j.handle(j.with, r) }

// WithAttrs returns a handler that adds the attributes.
func (j *journalist) WithAttrs(attrs []slog.Attr) slog.Handler {
	var with strings.Builder
	with.WriteString(j.with)
	for _, a := range attrs {
		with.WriteString(" " + a.String())
	}
	return &journalist{j.Journal, with.String()}
}

// WithGroup returns a handler that does not group.
func (j *journalist) WithGroup(string) slog.Handler { return j }
