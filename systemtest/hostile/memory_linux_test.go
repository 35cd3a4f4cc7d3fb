package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// attributes has the kernel kill a process when the test dies.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// memory is what a process holds, and the most that it ever held, in bytes.
type memory struct{ resident, peak uint64 }

// memoryOf reads a process's memory; false when there is no such process.
func memoryOf(pid int) (memory, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, false
	}
	var m memory
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			m.resident = kb << 10
		case "VmHWM":
			m.peak = kb << 10
		}
	}
	return m, m.peak > 0 // a zombie has none
}

// childrenOf lists the processes that a process has started.
func childrenOf(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// watch notes the most memory that any child of a slave held: a child may be gone
// when the test asks. The test's end ends it.
type watch struct {
	mu   sync.Mutex
	most uint64 // under mu
}

func watchChildren(t *testing.T, parent *process) *watch {
	t.Helper()
	w := &watch{}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for {
			w.look(parent.pid())
			select {
			case <-look.C:
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	return w
}

func (w *watch) look(parent int) {
	for _, child := range childrenOf(parent) {
		if m, ok := memoryOf(child); ok {
			w.mu.Lock()
			w.most = max(w.most, m.peak)
			w.mu.Unlock()
		}
	}
}

func (w *watch) peak() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}
