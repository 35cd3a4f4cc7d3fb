package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// logSettings say what is logged, and how.
type logSettings struct {
	level  logLevel
	format logFormat
}

// logger writes to w.
func (s logSettings) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.level.slog()}
	if s.format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
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
