package masters

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// dieWithParent has the kernel kill the child when this process dies, however it
// dies.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// RaiseFileLimit lets this process and its children have tens of thousands of
// connections, as far as the system lets it.
func RaiseFileLimit() error {
	const enough = 65_536
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Max >= enough {
		return nil // the Go runtime has raised the soft limit
	}
	wanted := syscall.Rlimit{Cur: enough, Max: enough}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted); err != nil {
		fmt.Fprintf(os.Stderr, "at most %d open files: not all connections may be possible (%v)\n", limit.Max, err)
	}
	return nil
}

// ProcessorTime is what a process has used so far.
func ProcessorTime(pid int) time.Duration {
	const perTick = 10 * time.Millisecond // USER_HZ is 100 everywhere
	fields := statFields(pid)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * perTick
}

// statFields are those of /proc/PID/stat behind the name, which may hold blanks.
func statFields(pid int) [][]byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
}

// ResidentMemory is what a process has in memory, in bytes.
func ResidentMemory(pid int) (int64, error) {
	fields := statFields(pid)
	if len(fields) < 22 {
		return 0, fmt.Errorf("process %d has no statistics", pid)
	}
	pages, err := strconv.ParseInt(string(fields[21]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}
