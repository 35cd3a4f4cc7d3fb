package raftlog

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

// errorEvery is how often the same error of Raft is worth a line: it
// repeats "failed to appendEntries" for as long as a follower is down.
const errorEvery = 10 * time.Second

// logger is an hclog.Logger that writes to slog, quietly: what Raft calls
// an error is Info here, once in a while, and everything else is Debug. What
// people must know is said by this package in its own words.
type logger struct {
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

// New returns a logger for Raft and its parts.
func New(to *slog.Logger) hclog.Logger {
	return &logger{to: to, name: "raft", seen: &repeats{last: map[string]time.Time{}}}
}

// again reports whether the message was shown a short time ago.
func (r *repeats) again(msg string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if last, ok := r.last[msg]; ok && now.Sub(last) < errorEvery {
		return true
	}
	r.last[msg] = now
	return false
}

func (l *logger) Log(level hclog.Level, msg string, args ...any) {
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

func (l *logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *logger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *logger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *logger) IsTrace() bool { return false }
func (l *logger) IsDebug() bool { return l.to.Enabled(context.Background(), slog.LevelDebug) }
func (l *logger) IsInfo() bool  { return l.IsDebug() }
func (l *logger) IsWarn() bool  { return l.IsDebug() }
func (l *logger) IsError() bool { return true }

func (l *logger) ImpliedArgs() []any { return l.args }

func (l *logger) With(args ...any) hclog.Logger {
	next := *l
	next.args = append(append([]any{}, l.args...), args...)
	return &next
}

func (l *logger) Name() string { return l.name }

func (l *logger) Named(name string) hclog.Logger { return l.ResetNamed(l.name + "." + name) }

func (l *logger) ResetNamed(name string) hclog.Logger {
	next := *l
	next.name = name
	return &next
}

func (l *logger) SetLevel(hclog.Level) {}

func (l *logger) GetLevel() hclog.Level {
	if l.IsDebug() {
		return hclog.Debug
	}
	return hclog.Error
}

func (l *logger) StandardLogger(opts *hclog.StandardLoggerOptions) *log.Logger { //nolint:forbidigo // the interface wants one
	//nolint:forbidigo // its lines go to slog
	return log.New(l.StandardWriter(opts), "", 0)
}

func (l *logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return lineWriter{l}
}

// lineWriter logs what is written to it, a line at a time.
type lineWriter struct{ to *logger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.to.Debug(string(bytes.TrimRight(p, "\n")))
	return len(p), nil
}
