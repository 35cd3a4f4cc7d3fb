package cluster

import (
	"strings"
	"testing"
	"testing/synctest"

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
