package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/task"
)

// childEnv makes the test binary a child process.
const childEnv = "MUSTER_TEST_EVALUATE_CHILD"

// What a child process of a test is, by the value of childEnv.
const (
	misbehaving = "misbehaving" // serves, and knows some wrong things besides
	genuine     = "genuine"     // ServeChild, as in production
	stillborn   = "stillborn"   // ends at once
	orphaning   = "orphaning"   // a slave: has a Pool, prints a child's id, and waits
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
		return
	case misbehaving:
		if err := limitMemory(ChildMemory); err != nil {
			panic(err)
		}
		if err := serve(context.Background(), os.Stdin, os.Stdout, misbehave); err != nil {
			panic(err)
		}
	case genuine:
		if err := ServeChild(context.Background(), os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
	case orphaning:
		if err := orphan(); err != nil {
			panic(err)
		}
	default:
		os.Exit(1)
	}
	os.Exit(0)
}

// orphan is a slave that waits to be killed.
func orphan() error {
	if err := os.Setenv(childEnv, misbehaving); err != nil {
		return err
	}
	p, err := NewPool(PoolConfig{Command: []string{os.Args[0]}, Children: 1})
	if err != nil {
		return err
	}
	v, err := p.Evaluate(context.Background(), order("pid"))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, v.Text); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the test ends, at the latest
	return errors.Join(err, p.Close())
}

// misbehave does what no expression is known to do, besides computing.
func misbehave(ctx context.Context, o task.Order) (task.Value, error) {
	switch o.Expression {
	case "hang":
		for {
			runtime.Gosched()
		}
	case "die":
		os.Exit(3) //nolint:revive // dying is its purpose
	case "eat":
		var eaten [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := range b {
				b[i] = 1
			}
			eaten = append(eaten, b)
			if len(eaten) > 1000 {
				return task.Value{}, errors.New("ate 16 GB")
			}
		}
	case "shout":
		return task.Value{}, errors.New(strings.Repeat("\x01", 2<<20))
	case "pid":
		return task.Value{Type: task.Number, Text: fmt.Sprint(os.Getpid())}, nil
	}
	return New(nil).Evaluate(ctx, o)
}

func newPool(t *testing.T, children int) *Pool {
	t.Helper()
	return newPoolOf(t, misbehaving, children)
}

func newPoolOf(t *testing.T, what string, children int) *Pool {
	t.Helper()
	t.Setenv(childEnv, what)
	p, err := NewPool(PoolConfig{Command: []string{os.Args[0]}, Children: children})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

// process returns the only child of a pool.
func (p *Pool) process(ctx context.Context, t *testing.T) *os.Process {
	t.Helper()
	v, err := p.Evaluate(ctx, order("pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(v.Text)
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

// pick returns the child that the next order would get.
func (p *Pool) pick(t *testing.T) *child {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	c, wait, err := p.tryPick()
	if c == nil {
		t.Fatalf("there is no process for %v: %v", wait, err)
	}
	return c
}

// awaitLoad waits until the pool's processes have n requests.
func (p *Pool) awaitLoad(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for ctx.Err() == nil {
		p.mu.Lock()
		load := 0
		for c := range p.alive {
			load += max(0, c.load())
		}
		p.mu.Unlock()
		if load >= n {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("the requests did not arrive")
}
