package cluster

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what a node does. hashicorp/raft counts into a global of
// go-metrics, which stays off.
type metrics struct {
	storeSeconds   prometheus.Histogram
	leaderChanges  prometheus.Counter
	earlyElections *prometheus.CounterVec
	snapshotsTaken *prometheus.CounterVec
	loopDelay      prometheus.Histogram
}

func newMetrics() *metrics {
	// From a tenth of a millisecond to the time-outs.
	seconds := prometheus.ExponentialBuckets(0.0001, 2.5, 14)
	return &metrics{
		storeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_log_store_seconds", Help: "Time to write entries to this master's disk, with fsync.",
			Buckets: seconds,
		}),
		leaderChanges: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_leader_changes_total", Help: "Times that this master won or lost leadership.",
		}),
		earlyElections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_early_elections_total",
			Help: "Times that this master thought of an election before Raft's time-out, by cause (ended: the leader's connections had; silent: it was not heard; start: none was known yet) and by what came of it: stood (for election, at once), answered (the leader's port does not refuse, or it is heard again), led (others hear a leader), unfit (this master must not lead), timeout (no majority agreed).",
		}, []string{"cause", "result"}),
		loopDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_loop_delay_seconds", Help: "How late a goroutine of this master gets to do what is due, Raft's heartbeats among them.",
			Buckets: seconds,
		}),
		snapshotsTaken: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_snapshots_total", Help: "Snapshots that this master wrote, by how it ended (ok, error).",
		}, []string{"ended"}),
	}
}

func (m *metrics) late(d time.Duration) { m.loopDelay.Observe(d.Seconds()) }

func (m *metrics) stored(d time.Duration) { m.storeSeconds.Observe(d.Seconds()) }

func (m *metrics) snapshot(err error) {
	ended := "ok"
	if err != nil {
		ended = "error"
	}
	m.snapshotsTaken.WithLabelValues(ended).Inc()
}

// collectors are the counters and what is read from the node when asked.
func (n *Node) collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m := n.metrics
	return append(n.committer.Collectors(),
		m.storeSeconds, m.leaderChanges, m.earlyElections, m.snapshotsTaken, m.loopDelay,
		gauge("muster_leader", "1 while this master is the leader.", func() float64 {
			if n.IsLeader() {
				return 1
			}
			return 0
		}),
		gauge("muster_term", "Raft's term as this master knows it.", func() float64 { return float64(n.Term()) }),
		gauge("muster_applied_index", "Log index of the last command entry that this master has applied.", func() float64 { return float64(n.AppliedIndex()) }),
		gauge("muster_log_bytes", "Bytes of log since the last snapshot, about.", func() float64 { return float64(n.store.Sizes.Bytes()) }),
		gauge("muster_disk_free_bytes", "Free bytes on the disk of the data directory.", func() float64 { return float64(n.disk.Bytes()) }),
	)
}

// register registers the collectors and returns how to undo that.
func register(to prometheus.Registerer, collectors []prometheus.Collector) (undo func(), err error) {
	var done []prometheus.Collector
	undo = func() {
		for _, c := range done {
			to.Unregister(c)
		}
	}
	if to == nil {
		return undo, nil
	}
	for _, c := range collectors {
		if err := to.Register(c); err != nil {
			undo()
			return nil, fmt.Errorf("register metrics: %w", err)
		}
		done = append(done, c)
	}
	return undo, nil
}
