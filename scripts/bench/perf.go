package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// perf starts a profile of each process of a cluster, if they are asked for, and returns
// what ends them. The children of slaves are in files of their own.
func (c *cluster) perf(s settings) (stop func(), err error) {
	if s.perf == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(s.perf, 0o750); err != nil {
		return nil, err
	}
	var running []*process
	stop = func() {
		for _, p := range running {
			_ = syscall.Kill(p.pid(), syscall.SIGINT) // perf writes its file then
			<-p.done
		}
	}
	record := func(name string, pid int) {
		file := filepath.Join(s.perf, c.build.name+"-"+name+".perf")
		p, err := start(c.dir, "perf-"+name, nil, "perf", "record", "-q", "-g", "-F", "1499", "-o", file, "-p", strconv.Itoa(pid))
		if err == nil {
			running = append(running, p)
			fmt.Fprintln(os.Stderr, "profile:", file)
		}
	}
	follower := 0
	for i, p := range c.masters {
		if i == c.leader {
			record("leader", p.pid())
			continue
		}
		follower++
		record(fmt.Sprintf("follower%d", follower), p.pid())
	}
	for i, p := range c.slaves {
		record(fmt.Sprintf("slave%d", i+1), p.pid())
		for k, child := range childrenOf(p.pid()) {
			record(fmt.Sprintf("slave%d-child%d", i+1, k+1), child)
		}
	}
	return stop, nil
}
