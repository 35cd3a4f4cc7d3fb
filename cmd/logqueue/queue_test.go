package logqueue

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// pipe is a writer that can be told to hang, to be full, or to fail.
type pipe struct {
	mu    sync.Mutex
	text  strings.Builder // under mu
	open  chan struct{}   // closed while it takes lines; under mu
	room  int             // bytes that it takes before err, if that is not nil; under mu
	fails error           // under mu
}

func newPipe() *pipe {
	p := &pipe{open: make(chan struct{})}
	close(p.open)
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	<-open
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails != nil {
		n := min(p.room, len(b))
		p.room -= n
		p.text.Write(b[:n])
		return n, p.fails
	}
	p.text.Write(b)
	return len(b), nil
}

// hang has it take nothing until the returned function is called.
func (p *pipe) hang() (goOn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := make(chan struct{})
	p.open = open
	return func() { close(open) }
}

// fail has it take so many bytes more and then fail, until err is nil.
func (p *pipe) fail(room int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room, p.fails = room, err
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func missing(to io.Writer, lines uint64) error {
	_, err := fmt.Fprintf(to, "%d lines are missing\n", lines)
	return err
}

// count is the value of the metric.
func (q *Queue) count() int {
	r := prometheus.NewRegistry()
	r.MustRegister(q.Collector())
	families, err := r.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "muster_log_lines_dropped_total" {
		panic(fmt.Sprintf("metrics: %v, %v", families, err))
	}
	return int(families[0].GetMetric()[0].GetCounter().GetValue())
}

func say(t *testing.T, q *Queue, line string) {
	t.Helper()
	if n, err := q.Write([]byte(line)); n != len(line) || err != nil {
		t.Fatalf("wrote %d bytes, %v; a queue never fails", n, err)
	}
}

func TestAllLinesComeOutInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		q := New(p, missing)
		want := ""
		for i := range 1000 {
			line := fmt.Sprintf("line %d\n", i)
			want += line
			say(t, q, line)
		}
		q.Close(time.Second)
		q.Close(time.Second)
		say(t, q, "after the end\n")
		if p.String() != want || q.count() != 1 {
			t.Errorf("%d lines dropped, got %q", q.count(), p.String())
		}
	})
}

// TestALineMayBeChangedAfterItWasWritten: handlers use their buffers again.
func TestALineMayBeChangedAfterItWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		goOn := p.hang()
		q := New(p, missing)
		line := []byte("good\n")
		if _, err := q.Write(line); err != nil {
			t.Fatal(err)
		}
		copy(line, "evil\n")
		goOn()
		q.Close(time.Second)
		if p.String() != "good\n" {
			t.Errorf("got %q", p.String())
		}
	})
}

// TestAWriterThatHangsHoldsNobodyUp: lines are dropped and counted, the oldest
// first, and the log says where they are missing.
func TestAWriterThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		goOn := p.hang()
		q := New(p, missing)
		say(t, q, "in hand\n")
		synctest.Wait() // the writer hangs with it
		const size = 1000
		fit := maxBytes / (size + lineCost)
		begun := time.Now()
		for i := range fit + 10 {
			say(t, q, fmt.Sprintf("%0*d\n", size-1, i))
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %s", took)
		}
		if q.count() != 10 {
			t.Errorf("%d lines dropped, want 10", q.count())
		}
		goOn()
		q.Close(time.Second)
		lines := strings.Split(strings.TrimSuffix(p.String(), "\n"), "\n")
		if len(lines) != fit+2 || lines[0] != "in hand" || lines[1] != "10 lines are missing" || lines[2] != fmt.Sprintf("%0*d", size-1, 10) || lines[fit+1] != fmt.Sprintf("%0*d", size-1, fit+9) {
			t.Errorf("got %d lines, that begin with %.60q", len(lines), lines[:3])
		}
	})
}

// TestTheEndDoesNotWaitForAWriterThatHangs for longer than it was told.
func TestTheEndDoesNotWaitForAWriterThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		goOn := p.hang()
		q := New(p, missing)
		say(t, q, "never read\n")
		begun := time.Now()
		q.Close(3 * time.Second)
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("the end took %s", took)
		}
		goOn() // as the end of the process does
		synctest.Wait()
	})
}

// TestWhatCanNotBeWrittenIsCountedAndTold: a full disk has room again. The line that
// it cut off is ended.
func TestWhatCanNotBeWrittenIsCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		q := New(p, missing)
		p.fail(3, syscall.ENOSPC)
		for _, line := range []string{"first\n", "second\n", "third\n"} {
			say(t, q, line)
			synctest.Wait()
		}
		p.fail(0, nil)
		say(t, q, "fourth\n")
		q.Close(time.Second)
		if want := "fir\n3 lines are missing\nfourth\n"; p.String() != want || q.count() != 3 {
			t.Errorf("%d dropped, got %q, want %q", q.count(), p.String(), want)
		}
	})
}

// TestTheLastLinesCanBeMissing: the end says so, if it can.
func TestTheLastLinesCanBeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		q := New(p, missing)
		p.fail(0, errors.New("gone"))
		say(t, q, "lost\n")
		synctest.Wait()
		p.fail(0, nil)
		q.Close(time.Second)
		if want := "1 lines are missing\n"; p.String() != want || q.count() != 1 {
			t.Errorf("%d dropped, got %q, want %q", q.count(), p.String(), want)
		}
	})
}

// TestAPipeThatDoesNotBlockLosesNothing: another process may have made it so for
// all that share it. The rest of a line follows when there is room.
func TestAPipeThatDoesNotBlockLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		q := New(p, missing)
		p.fail(3, syscall.EAGAIN)
		say(t, q, "first\n")
		say(t, q, "second\n")
		time.AfterFunc(time.Second, func() { p.fail(0, nil) })
		q.Close(time.Minute)
		if want := "first\nsecond\n"; p.String() != want || q.count() != 0 {
			t.Errorf("%d dropped, got %q, want %q", q.count(), p.String(), want)
		}
	})
}
