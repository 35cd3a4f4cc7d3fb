package promises_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/api/client"
)

// load is clients that submit until it ends.
type load struct {
	w    *world
	log  *journal
	stop context.CancelFunc
	done sync.WaitGroup
}

func startLoad(w *world, log *journal, clients int, seed uint64) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{w: w, log: log, stop: cancel}
	for i := range clients {
		l.done.Go(func() { l.submits(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	return l
}

// end waits for the clients to finish what they do.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// submits hands in one task after the other. A client whose attempt failed
// repeats it, mostly, with its key; and now and then it repeats one that was
// acknowledged.
func (l *load) submits(ctx context.Context, draw *rand.Rand) {
	var old []job
	for ctx.Err() == nil {
		j := l.w.client.sleeping(time.Duration(draw.IntN(20)) * 100 * time.Millisecond)
		j.maxTries = 100 // slaves die, too
		if len(old) > 0 && draw.IntN(5) == 0 {
			j = old[draw.IntN(len(old))]
		}
		for ctx.Err() == nil {
			err := l.attempt(draw, j)
			if err == nil {
				old = append(old, j)
				break
			}
			if draw.IntN(4) == 0 {
				break // this client gives up, its task may have been recorded
			}
			pause(ctx, time.Duration(draw.IntN(500))*time.Millisecond)
		}
		pause(ctx, time.Duration(draw.IntN(1000))*time.Millisecond)
	}
}

// attempt submits once, at one master and whom it names, or at all.
func (l *load) attempt(draw *rand.Rand, j job) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(200+draw.IntN(3000))*time.Millisecond)
	defer cancel()
	with := l.w.client.hasty(l.w.masters[draw.IntN(len(l.w.masters))])
	if draw.IntN(3) == 0 {
		with = l.w.client.api
	}
	_, err := l.w.client.try(ctx, with, j)
	switch {
	case err == nil:
		l.log.count("acknowledged")
	case code(err) == client.CodeOutcomeUnknown:
		l.log.count("unknown")
	default:
		l.log.count("refused")
	}
	return err
}

// hasty returns a client of the given masters that soon asks another when one
// is silent, as a leader that is lost may be.
func (u *user) hasty(masters ...*master) *client.Client {
	u.w.t.Helper()
	var urls []string
	for _, m := range masters {
		urls = append(urls, m.url())
	}
	c, err := client.New(client.Config{Addresses: urls, HTTPClient: u.http, AttemptTimeout: time.Second})
	if err != nil {
		u.w.t.Fatal(err)
	}
	return c
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// journal is what happened, for a test that fails: what the story did, and what
// the processes logged. It counts both by their first words.
type journal struct {
	mu     sync.Mutex
	file   *os.File          // what MUSTER_TRACE names, or nil; under mu
	lines  []string          // under mu
	counts map[string]int    // under mu
	hooks  map[string]func() // by what a process logs; under mu
}

// newJournal returns one that is kept in memory, or in the file that MUSTER_TRACE
// names.
func newJournal(t *testing.T) *journal {
	t.Helper()
	j := &journal{counts: map[string]int{}, hooks: map[string]func(){}}
	if name := os.Getenv("MUSTER_TRACE"); name != "" {
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		j.file = file
	}
	return j
}

// tell notes what the story does.
func (j *journal) tell(format string, args ...any) { //nolint:goprintffuncname // it tells a story
	j.add(fmt.Sprintf(format, args...))
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[line]++
	j.write(line)
}

// write adds a line. The caller holds mu.
func (j *journal) write(line string) {
	line = time.Now().Format("15:04:05.000000 ") + line
	if j.file != nil {
		_, _ = j.file.WriteString(line + "\n") // a full disk fails the test by other means
		return
	}
	j.lines = append(j.lines, line)
}

// count counts what is too much to be written down.
func (j *journal) count(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[what]++
}

// when calls do once, as soon as a process logs a message, before it goes on.
func (j *journal) when(message string, do func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hooks[message] = do
}

// counted returns how often something happened: all that begins with the words.
func (j *journal) counted(what string) int {
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

// atLeast checks how often something happened.
func (j *journal) atLeast(t *testing.T, least int, what string) {
	t.Helper()
	n := j.counted(what)
	t.Logf("%6d %s", n, what)
	if n < least {
		t.Errorf("%q happened %d times; want at least %d", what, n, least)
	}
}

// show tells where the journal of a test that failed is, or how it ended.
func (j *journal) show(t *testing.T) {
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
func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

// Handle notes what a process logged.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	return j.handle("", r)
}

func (j *journal) handle(with string, r slog.Record) error {
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
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return (&journalist{j, ""}).WithAttrs(attrs)
}

// WithGroup returns a handler that does not group.
func (j *journal) WithGroup(string) slog.Handler { return j }

// journalist writes into a journal with attributes of its own.
type journalist struct {
	*journal
	with string
}

// Handle notes what a process logged.
func (j *journalist) Handle(_ context.Context, r slog.Record) error { return j.handle(j.with, r) }

// WithAttrs returns a handler that adds the attributes.
func (j *journalist) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := j.with
	for _, a := range attrs {
		with += " " + a.String()
	}
	return &journalist{j.journal, with}
}

// WithGroup returns a handler that does not group.
func (j *journalist) WithGroup(string) slog.Handler { return j }
