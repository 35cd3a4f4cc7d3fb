package evaluate

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"muster/task"
)

const (
	// cancelGrace is how long a child may take to give up a request before it is
	// killed. It needs milliseconds, and many more when the machine is busy; a
	// process that is killed for nothing loses what else it computed.
	cancelGrace = 2 * time.Second
	// endGrace is how long a child may take to end once its input has.
	endGrace = 500 * time.Millisecond
)

// Why a request has no answer of its own.
var (
	errDied     = errors.New("the evaluating process died")
	errInnocent = errors.New("the evaluating process ended because of another task")
)

// child is one process that evaluates, many requests at once.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader // read by run
	stderr *head
	frames *frames
	gone   chan struct{} // closed when the process has been waited for

	mu      sync.Mutex
	last    uint64                   // id of the last request; under mu
	pending map[uint64]chan response // under mu; nil once the process is gone
	killed  bool                     // by us, because of a request; under mu
}

// startChild starts a process. Its caller calls run, in a goroutine that it
// waits for.
func startChild(command []string) (*child, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // the slave's own executable; its life is a child's, not a call's
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second // for whoever else holds its stderr
	c := &child{cmd: cmd, stderr: &head{}, gone: make(chan struct{}), pending: map[uint64]chan response{}}
	cmd.Stderr = c.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.stdin, c.stdout = stdin, stdout
	c.frames = newFrames(stdin, c.gone, func(error) {}) // the process is on its way; run sees it
	return c, nil
}

// run hands out answers until the process ends, and then waits for it.
func (c *child) run() {
	r := bufio.NewReaderSize(c.stdout, 64<<10)
	for {
		var answer response
		if err := readFrame(r, &answer); err != nil {
			break
		}
		if waiting := c.forget(answer.ID); waiting != nil {
			waiting <- answer // it has room for one, and gets no other
		}
	}
	_ = c.cmd.Process.Kill() // a child that writes nonsense, or none that is there any more
	_ = c.cmd.Wait()         // how it ended is in its ProcessState
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
// errDied, or errInnocent. It returns soon after ctx ends, whatever the process
// does or does not do.
func (c *child) do(ctx context.Context, o task.Order) (task.Value, error) {
	id, answers := c.expect()
	if answers == nil {
		return task.Value{}, errInnocent // it was gone before it heard of the order
	}
	defer c.forget(id)
	if !c.frames.send(request{ID: id, Expression: o.Expression, Parameters: o.Parameters}, ctx.Done()) && ctx.Err() != nil {
		return task.Value{}, context.Cause(ctx) // it reads nothing, but was not kept busy by this order
	}
	select {
	case answer := <-answers:
		return answer.result()
	case <-c.gone:
		return c.death(answers)
	case <-ctx.Done():
		c.giveUp(id, answers)
		return task.Value{}, context.Cause(ctx)
	}
}

// expect makes room for one answer; there is none when the process is gone.
func (c *child) expect() (id uint64, answers chan response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil || c.killed {
		return 0, nil
	}
	c.last++
	answers = make(chan response, 1)
	c.pending[c.last] = answers
	return c.last, answers
}

func (c *child) forget(id uint64) chan response {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.pending[id]
	delete(c.pending, id)
	return waiting
}

// giveUp has the process stop computing a request, or stops the process.
func (c *child) giveUp(id uint64, answers chan response) {
	grace, release := context.WithTimeout(context.Background(), cancelGrace)
	defer release()
	if c.frames.send(request{ID: id, Cancel: true}, grace.Done()) {
		select {
		case <-answers:
			return
		case <-c.gone:
			return
		case <-grace.Done():
		}
	}
	c.mu.Lock()
	c.killed = true
	c.mu.Unlock()
	_ = c.cmd.Process.Kill() // it may just have ended; run waits for it
}

// death is the end of a request whose process is gone.
func (c *child) death(answers chan response) (task.Value, error) {
	select {
	case answer := <-answers: // it came just before
		return answer.result()
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return task.Value{}, errInnocent
	}
	return task.Value{}, errDied
}

// end lets the process end by itself, and kills it if it does not.
func (c *child) end() {
	_ = c.stdin.Close() // the process may be gone
	grace := time.NewTimer(endGrace)
	defer grace.Stop()
	select {
	case <-c.gone:
	case <-grace.C:
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
}

func (r response) result() (task.Value, error) {
	switch {
	case r.Stopped: // and nobody asked for it: the process is ending
		return task.Value{}, errDied
	case r.Error != "":
		return task.Value{}, errors.New(r.Error)
	}
	return r.Value, nil
}

// head keeps the beginning of what a process says before it dies.
type head struct {
	mu   sync.Mutex
	text []byte // under mu
}

// Write keeps what there is room for; it never fails.
func (h *head) Write(b []byte) (int, error) {
	const most = 1 << 10
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), most-len(h.text))]...)
	return len(b), nil
}

// String returns what was kept.
func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}
