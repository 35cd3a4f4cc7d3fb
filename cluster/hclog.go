package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftErrorEvery is how often the same error of Raft is worth a line: it
// repeats "failed to appendEntries" for as long as a follower is down.
const raftErrorEvery = 10 * time.Second

// raftLogger is an hclog.Logger that writes to slog, quietly: what Raft calls
// an error is Info here, once in a while, and everything else is Debug. What
// people must know is said by this package in its own words.
type raftLogger struct {
	to   *slog.Logger
	name string
	args []any
	seen *repeats
}

// repeats remembers when a message was last shown. Raft has some dozens of
// different messages, so it stays small.
type repeats struct {
	mu   sync.Mutex
	last map[string]time.Time // under mu
}

func newRaftLogger(to *slog.Logger) hclog.Logger {
	return &raftLogger{to: to, name: "raft", seen: &repeats{last: map[string]time.Time{}}}
}

// again reports whether the message was shown a short time ago.
func (r *repeats) again(msg string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if last, ok := r.last[msg]; ok && now.Sub(last) < raftErrorEvery {
		return true
	}
	r.last[msg] = now
	return false
}

func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	if level >= hclog.Error && !l.seen.again(msg) {
		to = slog.LevelInfo
	}
	if !l.to.Enabled(context.Background(), to) {
		return
	}
	args = append(append([]any{}, l.args...), args...)
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			if layout, ok := f[0].(string); ok {
				args[i] = fmt.Sprintf(layout, f[1:]...)
			}
		}
	}
	l.to.Log(context.Background(), to, l.name+": "+msg, args...) //nolint:sloglint // raft's words
}

func (l *raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *raftLogger) IsTrace() bool { return false }
func (l *raftLogger) IsDebug() bool { return l.to.Enabled(context.Background(), slog.LevelDebug) }
func (l *raftLogger) IsInfo() bool  { return l.IsDebug() }
func (l *raftLogger) IsWarn() bool  { return l.IsDebug() }
func (l *raftLogger) IsError() bool { return true }

func (l *raftLogger) ImpliedArgs() []any { return l.args }

func (l *raftLogger) With(args ...any) hclog.Logger {
	next := *l
	next.args = append(append([]any{}, l.args...), args...)
	return &next
}

func (l *raftLogger) Name() string { return l.name }

func (l *raftLogger) Named(name string) hclog.Logger { return l.ResetNamed(l.name + "." + name) }

func (l *raftLogger) ResetNamed(name string) hclog.Logger {
	next := *l
	next.name = name
	return &next
}

func (l *raftLogger) SetLevel(hclog.Level) {}

func (l *raftLogger) GetLevel() hclog.Level {
	if l.IsDebug() {
		return hclog.Debug
	}
	return hclog.Error
}

func (l *raftLogger) StandardLogger(opts *hclog.StandardLoggerOptions) *log.Logger { //nolint:forbidigo // the interface wants one
	//nolint:forbidigo // its lines go to slog
	return log.New(l.StandardWriter(opts), "", 0)
}

func (l *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return lineWriter{l}
}

// lineWriter logs what is written to it, a line at a time.
type lineWriter struct{ to *raftLogger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.to.Debug(string(bytes.TrimRight(p, "\n")))
	return len(p), nil
}
