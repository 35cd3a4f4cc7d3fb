package promises_test

import (
	"errors"
	"sync"

	"github.com/hashicorp/raft"
)

// disk is what lies between a master's Raft and its log's file.
type disk struct {
	mu    sync.Mutex
	held  chan struct{} // not nil: writes wait until it is closed; under mu
	fails error         // what writes return; under mu
	now   *run          // the present run; under mu
	// before, if not nil, is called with the entries of each write, before it;
	// under mu. It may call the disk's methods.
	before func(entries []*raft.Log)
}

// run is one run of the master: what a dead one writes never arrives.
type run struct{ dead chan struct{} }

var errDead = errors.New("this process was killed")

// insert is for the next run's Config.
func (d *disk) insert() func(raft.LogStore) raft.LogStore {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.fails = &run{dead: make(chan struct{})}, nil
	r := d.now
	return func(s raft.LogStore) raft.LogStore { return &heldStore{LogStore: s, disk: d, run: r} }
}

// hold makes writes hang until release.
func (d *disk) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(chan struct{})
	}
}

// release lets writes go on that were held.
func (d *disk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != nil {
		close(d.held)
		d.held = nil
	}
}

// fail makes writes fail, until the next run.
func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = err
}

// watch sets what is called with the entries of each write, before it.
func (d *disk) watch(before func(entries []*raft.Log)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = before
}

// die ends the present run's writes for good, also those that are held.
func (d *disk) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.now.dead)
	if d.held != nil {
		close(d.held)
		d.held = nil
	}
}

// heldStore is a log store whose writes the test can hold.
type heldStore struct {
	raft.LogStore
	disk *disk
	run  *run
}

func (s *heldStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *heldStore) StoreLogs(logs []*raft.Log) error {
	s.disk.mu.Lock()
	before := s.disk.before
	s.disk.mu.Unlock()
	if before != nil {
		before(logs)
	}
	s.disk.mu.Lock()
	held, fails := s.disk.held, s.disk.fails
	s.disk.mu.Unlock()
	if fails != nil {
		return fails
	}
	if held != nil {
		<-held
	}
	select {
	case <-s.run.dead:
		return errDead
	default:
		return s.LogStore.StoreLogs(logs)
	}
}
