package fsm

import (
	"io"
	"sync"
	"testing"

	"muster/task"
)

// TestReadersNeverDisturbApply reads, lists, saves and hashes views of all ages
// while entries are applied. Under the race detector it shows that nobody writes
// what another reads; and each view must be one moment's picture.
func TestReadersNeverDisturbApply(t *testing.T) {
	const entries, size = 60, 20
	s, places := benchState(4)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := uint64(0); ; {
				v := s.View()
				if v.Index() < last {
					t.Errorf("the view went back from index %d to %d", last, v.Index())
				}
				last = v.Index()
				readAll(t, v)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	index := uint64(1)
	for i := range entries {
		first := 1 + i*size
		s.Apply(index+1, 1, submitAll(first, size, places))
		s.Apply(index+2, 1, completeAll(first, size, places))
		index += 2
	}
	close(stop)
	readers.Wait()
	if got := s.View().Counts(); got.Done != entries*size {
		t.Errorf("the counts are %+v", got)
	}
}

func readAll(t *testing.T, v *View) {
	t.Helper()
	counts, before := v.Counts(), v.Fingerprint()
	var found task.Counts
	for q := (task.Query{Limit: task.MaxPage}); ; {
		page := v.List(q)
		for _, x := range page.Tasks {
			found.Submitted++
			switch x.Status {
			case task.Pending:
				found.Pending++
			case task.InProgress:
				found.InProgress++
			case task.Done:
				found.Done++
			}
			if byKey, ok := v.TaskByKey(x.Key); !ok || byKey.ID != x.ID {
				t.Errorf("the key of task %d leads to %d", x.ID, byKey.ID)
			}
		}
		if q.After = page.Next; page.Next == 0 {
			break
		}
	}
	if found != counts {
		t.Errorf("the view at index %d counts %+v and has %+v", v.Index(), counts, found)
	}
	has := 0
	for _, slave := range v.Slaves() {
		has += len(held(v, slave.Name))
	}
	if has != v.Capacity().Busy || has != int(counts.InProgress) {
		t.Errorf("the slaves hold %d of %d tasks, with %d busy slots", has, counts.InProgress, v.Capacity().Busy)
	}
	if v.Fingerprint() != before {
		t.Errorf("the view at index %d changed", v.Index())
	}
	if err := v.Save(io.Discard); err != nil {
		t.Error(err)
	}
}
