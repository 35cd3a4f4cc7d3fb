package cluster

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsHaveASentenceAndGoWithTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		registry := prometheus.NewPedanticRegistry()
		m := w.master("m1")
		m.adjust = func(c *Config) { c.Metrics = registry }
		m.start(bootstrap)
		w.leader(m)
		m.put("x")
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "muster_") || !strings.HasSuffix(f.GetHelp(), ".") {
				t.Errorf("%s: %q", f.GetName(), f.GetHelp())
			}
			for _, v := range f.GetMetric() {
				values[f.GetName()] += v.GetGauge().GetValue() + v.GetCounter().GetValue() + float64(v.GetHistogram().GetSampleCount())
			}
		}
		for _, name := range []string{"muster_leader", "muster_term", "muster_applied_index", "muster_log_entries_total", "muster_log_commit_seconds", "muster_log_store_seconds", "muster_disk_free_bytes"} {
			if values[name] == 0 {
				t.Errorf("%s is 0; all: %v", name, values)
			}
		}
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		m.start(nil) // registers again
		w.leader(m)
	})
}

func TestRaftIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newRaftLogger(slog.New(slog.NewTextHandler(&out, nil))).Named("x").With("peer", "m2")
		l.Info("fine")
		l.Warn("odd")
		for range 100 {
			l.Error("failed to appendEntries", "error", "down")
		}
		if got := strings.Count(out.String(), "\n"); got != 1 || !strings.Contains(out.String(), "raft.x: failed to appendEntries") || !strings.Contains(out.String(), "peer=m2") {
			t.Errorf("%d lines:\n%s", got, out.String())
		}
		time.Sleep(raftErrorEvery)
		l.Error("failed to appendEntries", "error", "down")
		if got := strings.Count(out.String(), "\n"); got != 2 {
			t.Errorf("%d lines after a while", got)
		}
		out.Reset()
		l = newRaftLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		l.Info("fine")
		l.StandardLogger(nil).Print("from the standard logger") //nolint:forbidigo // it is the one under test
		if got := strings.Count(out.String(), "level=DEBUG"); got != 2 {
			t.Errorf("debug:\n%s", out.String())
		}
	})
}
