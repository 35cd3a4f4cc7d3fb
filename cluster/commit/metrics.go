package commit

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/task"
)

// metrics counts what a Committer does.
type metrics struct {
	entries       prometheus.Counter
	inFlight      prometheus.Gauge
	entryCommands prometheus.Histogram
	commitSeconds prometheus.Histogram
	refusals      *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_log_entries_total", Help: "Entries that this master handed to Raft as the leader.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_log_entries_in_flight", Help: "Entries that this master handed to Raft and that Raft has not answered yet.",
		}),
		entryCommands: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_log_entry_commands", Help: "Commands that were committed together in one entry.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_log_commit_seconds", Help: "Time from handing an entry to Raft until it was applied here.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 14), // up to the time-outs
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_log_refusals_total", Help: "Proposals that were not committed, or whose fate is not known, by code.",
		}, []string{"code"}),
	}
}

// Collectors are what a Committer counts.
func (c *Committer) Collectors() []prometheus.Collector {
	m := c.metrics
	return []prometheus.Collector{m.entries, m.inFlight, m.entryCommands, m.commitSeconds, m.refusals}
}

func (m *metrics) sent(commands int) {
	m.entries.Inc()
	m.inFlight.Inc()
	m.entryCommands.Observe(float64(commands))
}

func (m *metrics) landed() { m.inFlight.Dec() }

func (m *metrics) committed(d time.Duration) { m.commitSeconds.Observe(d.Seconds()) }

func (m *metrics) refused(err error) {
	code := task.CodeInternal
	if refusal, ok := errors.AsType[*task.Error](err); ok {
		code = refusal.Code
	}
	m.refusals.WithLabelValues(string(code)).Inc()
}
