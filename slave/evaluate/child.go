package evaluate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"muster/task"
)

// cancelGrace is how long a child may take to give up a request before it is
// killed.
const cancelGrace = 500 * time.Millisecond

// Why a request has no answer of its own.
var (
	errDied     = errors.New("the evaluating process died")
	errInnocent = errors.New("the evaluating process was killed because of another task")
)

// child is one process that evaluates, many requests at once.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	frames *frames
	gone   chan struct{} // closed when the process has been waited for

	mu      sync.Mutex
	last    uint64                   // id of the last request; under mu
	pending map[uint64]chan response // under mu; nil once the process is gone
	killed  bool                     // by us, because of a request; under mu
}

// startChild starts a process.
func startChild(command []string) (*child, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // the slave's own executable; its life is a child's, not a call's
	cmd.Env = append(os.Environ(), "TZ=UTC")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	c := &child{cmd: cmd, stdin: stdin, gone: make(chan struct{}), pending: map[uint64]chan response{}}
	c.frames = newFrames(stdin, c.gone, func(error) {})
	go c.read(stdout)
	return c, nil
}

// read hands out answers until the process ends, and then waits for it.
func (c *child) read(stdout io.Reader) {
	r := bufio.NewReaderSize(stdout, 64<<10)
	for {
		var answer response
		if err := readFrame(r, &answer); err != nil {
			break
		}
		c.mu.Lock()
		waiting := c.pending[answer.ID]
		delete(c.pending, answer.ID)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- answer
		}
	}
	_ = c.cmd.Process.Kill() // a child that writes nonsense, or none that is there any more
	_ = c.cmd.Wait()         // how it ended is of no interest
	c.mu.Lock()
	c.pending = nil
	c.mu.Unlock()
	close(c.gone)
	<-c.frames.done
}

// load is how many requests wait for an answer; -1 when the process is gone, or
// on its way.
func (c *child) load() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil || c.killed {
		return -1
	}
	return len(c.pending)
}

// do computes one order. Its errors are the expression's own, ctx's cause,
// errDied, or errInnocent.
func (c *child) do(ctx context.Context, o task.Order) (task.Value, error) {
	answers := make(chan response, 1)
	c.mu.Lock()
	if c.pending == nil {
		c.mu.Unlock()
		return task.Value{}, errDied
	}
	c.last++
	id := c.last
	c.pending[id] = answers
	c.mu.Unlock()
	c.frames.send(request{ID: id, Expression: o.Expression, Parameters: o.Parameters})
	select {
	case answer := <-answers:
		return answer.result()
	case <-c.gone:
		return task.Value{}, c.death(answers)
	case <-ctx.Done():
		return task.Value{}, c.giveUp(ctx, id, answers)
	}
}

// giveUp has the child stop, or stops the child.
func (c *child) giveUp(ctx context.Context, id uint64, answers chan response) error {
	c.frames.send(request{ID: id, Cancel: true})
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-answers:
	case <-c.gone:
	case <-grace.C:
		c.mu.Lock()
		c.killed = true
		c.mu.Unlock()
		_ = c.cmd.Process.Kill() // it may just have ended
		<-c.gone
	}
	return context.Cause(ctx)
}

// death tells why the process is gone, as seen by one of its requests.
func (c *child) death(answers chan response) error {
	select {
	case answer := <-answers: // it came just before
		_, err := answer.result()
		return err
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return errInnocent
	}
	return errDied
}

// end lets the process end by itself, and kills it if it does not.
func (c *child) end() {
	_ = c.stdin.Close() // the process may be gone
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-c.gone:
	case <-grace.C:
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
}

func (r response) result() (task.Value, error) {
	if r.Error != "" || r.Stopped {
		return task.Value{}, errors.New(r.Error)
	}
	return r.Value, nil
}
