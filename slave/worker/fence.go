package worker

import (
	"time"

	"muster/task"
)

// A worker has attempts of one cluster at a time. Numbers of tasks, and terms,
// begin anew in another: of masters that were built again from empty disks, or to
// which the slave was moved. Which cluster that is, the slave's own masters say
// (Serve); a leader that asks only says who it is.

// maxFences bounds the clusters that are told apart while none is known to be the
// worker's. One of more than these is refused until it is.
const maxFences = 8

// refusalEvery is how often the log says that another cluster's leader asks.
const refusalEvery = 10 * time.Minute

// admit checks a request that is meant for one incarnation. Who knows that was
// told by the slave's masters, so from then on it is their cluster that the
// worker works for. The caller holds w.mu.
func (w *Worker) admit(stamp task.Stamp, incarnation string) error {
	if err := w.pass(stamp); err != nil {
		return err
	}
	if incarnation != w.incarnation {
		return task.ErrWrongIncarnation
	}
	if w.cluster == "" {
		w.belong(stamp.Cluster)
	}
	return nil
}

// pass moves the fence up to a newer stamp. Masters of an older version don't say
// which cluster they are; they, too, can lead it before and after one that does, so
// their stamps are held against all. The caller holds w.mu.
func (w *Worker) pass(stamp task.Stamp) error {
	if w.cluster != "" && stamp.Cluster != "" && stamp.Cluster != w.cluster {
		w.refuse(stamp)
		return task.ErrWrongCluster
	}
	for cluster, fence := range w.fences {
		same := cluster == stamp.Cluster || cluster == "" || stamp.Cluster == ""
		if same && !stamp.Above(fence) {
			return task.ErrStaleStamp
		}
	}
	if _, known := w.fences[stamp.Cluster]; !known && len(w.fences) == maxFences {
		w.refuse(stamp)
		return task.ErrWrongCluster
	}
	w.fences[stamp.Cluster] = stamp
	w.asked = time.Now()
	return nil
}

// refuse notes that a leader of another cluster was refused. The caller holds w.mu.
func (w *Worker) refuse(stamp task.Stamp) {
	if now := time.Now(); w.refusedAt.IsZero() || now.Sub(w.refusedAt) >= refusalEvery {
		w.refusedAt = now
		w.log.Warn("a leader of another cluster asks this slave; it is refused", "its_cluster", stamp.Cluster, "its_term", stamp.Term, "own_cluster", w.cluster)
	}
}

// belong binds the worker to a cluster. Requests of any other are refused from now
// on. The caller holds w.mu.
func (w *Worker) belong(cluster string) {
	w.cluster = cluster
	for other := range w.fences {
		if other != "" && other != cluster {
			delete(w.fences, other)
		}
	}
}

// Cluster returns the cluster that the worker works for, or "" while it is not known.
func (w *Worker) Cluster() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cluster
}

// Incarnation returns the present incarnation.
func (w *Worker) Incarnation() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.incarnation
}

// Serve tells the worker which cluster its masters are; empty says nothing. If it
// worked for another one, Serve returns true: then all that it had for that is
// cancelled and let go, as at a new start, and it has the given incarnation.
func (w *Worker) Serve(cluster, incarnation string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case cluster == "" || cluster == w.cluster:
		return false
	case w.cluster == "":
		w.belong(cluster)
		return false
	}
	w.log.Warn("the masters are another cluster now: letting go of what the slave had for the old one",
		"old_cluster", w.cluster, "new_cluster", cluster, "cancelled", w.running, "results", w.unreported(), "incarnation", incarnation)
	for _, a := range w.known.attempts {
		a.estranged = true
		if a.state == running {
			w.halt(a, ErrEstranged)
		}
	}
	w.known, w.queue, w.kept = newTable(), nil, 0
	w.fences, w.asked, w.refusedAt = map[string]task.Stamp{}, time.Time{}, time.Time{}
	w.incarnation = incarnation
	w.belong(cluster)
	w.refresh()
	return true
}
