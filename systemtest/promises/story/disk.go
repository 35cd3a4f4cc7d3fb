package story

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// Disk is what lies between a master's Raft and its log's file.
type Disk struct {
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
func (d *Disk) insert() func(raft.LogStore) raft.LogStore {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.fails = &run{dead: make(chan struct{})}, nil
	r := d.now
	return func(s raft.LogStore) raft.LogStore { return &heldStore{LogStore: s, disk: d, run: r} }
}

// Hold makes writes hang until Release.
func (d *Disk) Hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(chan struct{})
	}
}

// Release lets writes go on that were held.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != nil {
		close(d.held)
		d.held = nil
	}
}

// Fail makes writes fail, until the next run.
func (d *Disk) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = err
}

// Watch sets what is called with the entries of each write, before it.
func (d *Disk) Watch(before func(entries []*raft.Log)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = before
}

// die ends the present run's writes for good, also those that are held.
func (d *Disk) die() {
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
	disk *Disk
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

// First calls do when the first entry of a type comes to the disk, before it is
// written; the channel is closed after that.
func (d *Disk) First(kind raft.LogType, do func()) <-chan struct{} {
	came := make(chan struct{})
	d.Watch(func(entries []*raft.Log) {
		if !IsDone(came) && slices.ContainsFunc(entries, func(l *raft.Log) bool { return l.Type == kind }) {
			do()
			close(came)
		}
	})
	return came
}

// At calls do when an entry of the log that contains the text comes to the
// master's disk, before it is written; the channel is closed after that.
func (m *Master) At(text string, do func()) <-chan struct{} {
	came := make(chan struct{})
	m.Disk.Watch(func(entries []*raft.Log) {
		for _, e := range entries {
			if !IsDone(came) && bytes.Contains(e.Data, []byte(text)) {
				do()
				close(came)
			}
		}
	})
	return came
}
