package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"muster/cmd/logqueue"
)

// logSettings say what is logged, and how.
type logSettings struct {
	level  logLevel
	format logFormat
}

// logger writes to w.
func (s logSettings) logger(w io.Writer) *slog.Logger { return slog.New(s.handler(w, s.level.slog())) }

func (s logSettings) handler(w io.Writer, level slog.Level) slog.Handler {
	opts := &slog.HandlerOptions{Level: level}
	if s.format == "json" {
		return slog.NewJSONHandler(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}

// flushTimeout bounds how long a process that ends waits for its last lines.
const flushTimeout = 3 * time.Second

// stay begins a command that stays: whoever reads what it logs, or does not read it
// any more, neither holds it up nor ends it. It returns the command's logger. From
// here on all that goes to stderr goes through one queue, what is said at the end,
// too.
func (p *program) stay() *slog.Logger {
	p.lines = logqueue.New(p.stderr, func(to io.Writer, lines uint64) error {
		// At any level: what is missing was of that level, or above.
		told := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines are missing here; they could not be written, or not fast enough", 0)
		told.AddAttrs(slog.Uint64("lines", lines))
		return p.logs.handler(to, slog.LevelDebug).Handle(context.Background(), told)
	})
	p.stderr = p.lines
	log := p.logs.logger(p.lines)
	if p.adopt != nil {
		p.adopt(log)
	}
	return log
}

// flush has the last lines written.
func (p *program) flush() {
	if p.lines != nil {
		p.lines.Close(flushTimeout)
	}
}

var logLevels = [...]string{"debug", "info", "warn", "error"}

// logLevel is a flag; empty is info.
type logLevel string

// String returns the level's name.
func (l *logLevel) String() string {
	if *l == "" {
		return "info"
	}
	return string(*l)
}

// Set takes a level's name.
func (l *logLevel) Set(s string) error { return setWord(l, s, logLevels[:]) }

// Type is what the help shows for the value.
func (l *logLevel) Type() string { return "level" }

func (l *logLevel) slog() slog.Level {
	return [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}[slices.Index(logLevels[:], l.String())]
}

var logFormats = [...]string{"text", "json"}

// logFormat is a flag; empty is text.
type logFormat string

// String returns the format's name.
func (f *logFormat) String() string {
	if *f == "" {
		return "text"
	}
	return string(*f)
}

// Set takes a format's name.
func (f *logFormat) Set(s string) error { return setWord(f, s, logFormats[:]) }

// Type is what the help shows for the value.
func (f *logFormat) Type() string { return "format" }

// setWord sets a flag that takes one of a few words.
func setWord[T ~string](flag *T, word string, words []string) error {
	if !slices.Contains(words, word) {
		return fmt.Errorf("%q is none of %s", word, strings.Join(words, ", "))
	}
	*flag = T(word)
	return nil
}
