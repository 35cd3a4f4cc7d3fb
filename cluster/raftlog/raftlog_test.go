package raftlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRaftIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil))).Named("x").With("peer", "m2")
		l.Info("fine")
		l.Warn("odd")
		for range 100 {
			l.Error("failed to appendEntries", "error", "down")
		}
		if got := strings.Count(out.String(), "\n"); got != 1 || !strings.Contains(out.String(), "raft.x: failed to appendEntries") || !strings.Contains(out.String(), "peer=m2") {
			t.Errorf("%d lines:\n%s", got, out.String())
		}
		time.Sleep(errorEvery)
		l.Error("failed to appendEntries", "error", "down")
		if got := strings.Count(out.String(), "\n"); got != 2 {
			t.Errorf("%d lines after a while", got)
		}
		out.Reset()
		l = New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		l.Info("fine")
		l.StandardLogger(nil).Print("from the standard logger") //nolint:forbidigo // it is the one under test
		if got := strings.Count(out.String(), "level=DEBUG"); got != 2 {
			t.Errorf("debug:\n%s", out.String())
		}
	})
}
