package evaluate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/systemtest/timelimit"
	"muster/task"
)

// test begins orders and returns a channel with what they come to.
func (p *Pool) test(orders ...task.Order) (endings <-chan task.Ending, stop func(place int, cause error)) {
	c := make(chan task.Ending, 2*len(orders))
	stop = p.Begin(orders, func(together []task.Ending) {
		for _, e := range together {
			c <- e
		}
	})
	return c, stop
}

func await(t *testing.T, endings <-chan task.Ending, n int) map[int]task.Ending {
	t.Helper()
	ended := map[int]task.Ending{}
	late := time.After(timelimit.Usual(t))
	for range n {
		select {
		case e := <-endings:
			if _, twice := ended[e.Place]; twice {
				t.Errorf("order %d has ended twice", e.Place)
			}
			ended[e.Place] = e
		case <-late:
			t.Fatalf("%d of %d have ended", len(ended), n)
		}
	}
	return ended
}

// TestABatchGoesThrough has many orders that are begun together end, each as it should.
func TestABatchGoesThrough(t *testing.T) {
	p := newPoolOf(t, genuine, 2)
	orders := make([]task.Order, 500)
	for i := range orders {
		orders[i] = order("x + 1", num("x", fmt.Sprint(i)))
	}
	orders[7] = order("1 +")
	for i, e := range await(t, first(p.test(orders...)), len(orders)) {
		switch {
		case i == 7:
			if e.Err == nil || retryable(e.Err) {
				t.Errorf("a wrong expression: %+v", e)
			}
		case e.Err != nil || e.Value.Text != fmt.Sprint(i+1):
			t.Errorf("order %d: %+v", i, e)
		}
	}
}

func first[A, B any](a A, _ B) A { return a }

// TestARunawayHoldsUpNobodyOfItsBatch has all processes learn that tasks take no time,
// so that they get many together; then one of these hangs at the head of the line.
func TestARunawayHoldsUpNobodyOfItsBatch(t *testing.T) {
	p := newPool(t, 1)
	p.mu.Lock()
	p.took = time.Nanosecond
	p.mu.Unlock()
	orders := []task.Order{order("hang"), order("hang")}
	for range 50 {
		orders = append(orders, order("1 + 1"), order("sleep(0.01)"))
	}
	endings, stop := p.test(orders...)
	for i, e := range await(t, endings, 100) { // while the runaways run
		if e.Err != nil || i < 2 {
			t.Errorf("order %d: %+v", i, e)
		}
	}
	limit := errors.New("stopped by the test")
	stop(0, limit)
	stop(1, limit)
	for i, e := range await(t, endings, 2) {
		if i > 1 || !errors.Is(e.Err, limit) {
			t.Errorf("order %d: %+v", i, e)
		}
	}
}

// TestADeathInABatchIsItsOwn has one of a batch die with its process, twice.
func TestADeathInABatchIsItsOwn(t *testing.T) {
	p := newPool(t, 1)
	p.mu.Lock()
	p.took = time.Nanosecond
	p.mu.Unlock()
	orders := []task.Order{order("1"), order("die"), order("2"), order("sleep(0.01)")}
	for i, e := range await(t, first(p.test(orders...)), 4) {
		if i == 1 {
			if !errors.As(e.Err, new(DiedError)) {
				t.Errorf("the guilty: %+v", e)
			}
			continue
		}
		if e.Err != nil {
			t.Errorf("order %d: %+v", i, e)
		}
	}
}

// TestStopIsForOneOrder stops one that has not begun behind others that compute, and
// one that has ended.
func TestStopIsForOneOrder(t *testing.T) {
	p := newPool(t, 1)
	endings, stop := p.test(order("1"), order("sleep(100)"), order("sleep(0.1)"))
	limit := errors.New("stopped by the test")
	if e := await(t, endings, 1); e[0].Value.Text != "1" {
		t.Errorf("%+v", e)
	}
	stop(0, limit)
	stop(1, limit)
	stop(1, errors.New("again"))
	if e := await(t, endings, 2); !errors.Is(e[1].Err, limit) || e[2].Err != nil {
		t.Errorf("%+v", e)
	}
}

// TestAnOrderThatFitsIntoNoRecordFailsAlone is about one that no master lets through.
func TestAnOrderThatFitsIntoNoRecordFailsAlone(t *testing.T) {
	p := newPool(t, 1)
	ended := await(t, first(p.test(order(strings.Repeat("1", maxRecord)), order("1 + 1"))), 2)
	if e := ended[0]; e.Err == nil || retryable(e.Err) || !strings.Contains(e.Err.Error(), "at most 4194304") {
		t.Errorf("too large: %v", e.Err)
	}
	if e := ended[1]; e.Err != nil || e.Value.Text != "2" {
		t.Errorf("beside it: %+v", e)
	}
}

// TestLongTasksAreSpread: what takes long is shared by the processes, what does not
// wakes one.
func TestLongTasksAreSpread(t *testing.T) {
	p := newPool(t, 4)
	const each = 8
	for _, c := range []struct {
		took     time.Duration
		children int
	}{{time.Second, 4}, {time.Microsecond, 1}} {
		p.mu.Lock()
		p.took = c.took
		p.mu.Unlock()
		orders := make([]task.Order, 4*each)
		for i := range orders {
			orders[i] = order("sleep(100)")
		}
		endings, stop := p.test(orders...)
		p.mu.Lock()
		busy := 0
		for c := range p.alive {
			if c.load() > 0 {
				busy++
			}
		}
		p.mu.Unlock()
		if busy != c.children {
			t.Errorf("%v each: %d processes are busy, want %d", c.took, busy, c.children)
		}
		for i := range orders {
			stop(i, errors.New("stopped by the test"))
		}
		await(t, endings, len(orders))
	}
}
