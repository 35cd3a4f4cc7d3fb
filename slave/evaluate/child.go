package evaluate

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	// cancelGrace is how long a child may take to give up a request before it is
	// killed. It needs milliseconds, and many more when the machine is busy; a
	// process that is killed for nothing loses what else it computed.
	cancelGrace = 2 * time.Second
	// endGrace is how long a child may take to end once its input has.
	endGrace = 500 * time.Millisecond
)

// errDied is the answer of a process that gives a request up by itself: it is ending.
var errDied = errors.New("the evaluating process died")

// child is one process that evaluates, many jobs at once.
type child struct {
	pool   *Pool
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader // read by run
	stderr *head
	gone   chan struct{} // closed when the process has been waited for
	wake   chan struct{} // tells the writer that there is something

	// Under the pool's mu.
	last    uint64          // id of the last job
	pending map[uint64]*job // without an answer; nil once the process is gone
	killed  bool            // by us, because of a job
	out     []byte          // records that are to be written: no more than the pending ones, and a cancel for each
	spare   []byte          // was out
}

// startChild starts a process. Its caller calls run, in a goroutine that it
// waits for.
func (p *Pool) startChild() (*child, error) {
	command := p.cfg.Command
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // the slave's own executable; its life is a child's, not a call's
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second // for whoever else holds its stderr
	c := &child{
		pool: p, cmd: cmd, stderr: &head{}, gone: make(chan struct{}), wake: make(chan struct{}, 1), pending: map[uint64]*job{},
	}
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
	return c, nil
}

// run hands out answers until the process ends, waits for it, and returns the jobs
// that it has left, and whether it died by itself.
func (c *child) run() (left []*job, died bool) {
	var writer sync.WaitGroup
	writer.Go(c.write)
	problem := c.read()
	_ = c.cmd.Process.Kill() // a child that writes nonsense, or none that is there any more
	_ = c.cmd.Wait()         // how it ended is in its ProcessState
	c.pool.mu.Lock()
	for _, j := range c.pending {
		left = append(left, j)
	}
	c.pending, died = nil, !c.killed
	c.pool.mu.Unlock()
	close(c.gone)
	writer.Wait()
	if errors.Is(problem, errDamaged) {
		c.pool.cfg.Logger.Error("an evaluating process said what can't be understood; it was killed", "pid", c.cmd.Process.Pid, "error", problem)
	}
	return left, died
}

// read settles jobs with the process's answers, those together that come together.
func (c *child) read() error {
	in := newRecords(c.stdout)
	var answers []answer
	for {
		record, err := in.next()
		var a answer
		if err == nil {
			a, err = parseAnswer(record)
		}
		if err == nil {
			answers = append(answers, a)
		}
		if len(answers) > 0 && (err != nil || !in.more()) {
			c.pool.settle(c, answers)
			clear(answers)
			answers = answers[:0]
		}
		if err != nil {
			return err
		}
	}
}

// write writes what is in out, whatever has gathered there meanwhile at once, until the
// process ends or reads nothing any more.
func (c *child) write() {
	for {
		select {
		case <-c.wake:
		case <-c.gone:
			return
		}
		c.pool.mu.Lock()
		records := c.out
		c.out, c.spare = c.spare[:0], nil
		c.pool.mu.Unlock()
		if _, err := c.stdin.Write(records); err != nil {
			return // the process is on its way; run sees it
		}
		if cap(records) <= keptBytes {
			c.pool.mu.Lock()
			c.spare = records[:0]
			c.pool.mu.Unlock()
		}
	}
}

// load is how many jobs wait for an answer; -1 when the process is gone, or on its
// way. The caller holds the pool's mu.
func (c *child) load() int {
	if c.pending == nil || c.killed {
		return -1
	}
	return len(c.pending)
}

// begin hands jobs to a process that has a load. The caller has them, and holds the
// pool's mu.
func (c *child) begin(jobs []*job) {
	for _, j := range jobs {
		c.last++
		j.at, j.id = c, c.last
		c.pending[j.id] = j
		c.out = appendCompute(c.out, j.id, j.order)
	}
	c.tell()
}

// tell wakes the writer. The caller holds the pool's mu.
func (c *child) tell() {
	select {
	case c.wake <- struct{}{}:
	default: // it has not looked yet
	}
}

// giveUp has the process stop computing a job, or stops the process.
func (c *child) giveUp(j *job) {
	if !c.cancel(j) {
		return
	}
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-j.over:
		return
	case <-c.gone:
		return
	case <-grace.C:
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.pending[j.id] == j {
		c.killed = true
		_ = c.cmd.Process.Kill() // it may just have ended; run waits for it
	}
}

// cancel asks the process to give up a job, and reports whether it still has it.
func (c *child) cancel(j *job) bool {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.pending[j.id] != j {
		return false
	}
	c.out = appendCancel(c.out, j.id)
	c.tell()
	return true
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
