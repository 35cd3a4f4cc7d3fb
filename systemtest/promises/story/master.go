package story

import (
	"context"
	"sync"
	"time"

	"muster/cmd/app"
	"muster/systemtest/simnet"
	"muster/systemtest/tmpfs"
)

// Master is one master over its restarts, on a host of its name.
type Master struct {
	W       *World
	ID      string
	Config  app.MasterConfig
	Disk    *Disk
	Process *simnet.Process // of the present run; nil: down
	stop    context.CancelFunc
	done    chan struct{}  // closed when the present run has returned
	Err     error          // what it returned; valid after done
	ended   sync.WaitGroup // all runs
	removed bool           // stays down at the end of the story
}

// master makes a master that does not run yet.
func (w *World) master(id string) *Master {
	w.T.Helper()
	m := &Master{W: w, ID: id, Disk: &Disk{}}
	m.Config = app.MasterConfig{
		ID: id, DataDir: tmpfs.Directory(w.T), RaftListen: m.raft(), APIListen: m.api(),
		QuestionTTL: w.options.QuestionTTL, SnapshotThreshold: w.options.Snapshots, TrailingLogs: w.options.Snapshots / 5,
		Retention: w.options.Retention,
		Version:   "test", Logger: w.logger("master", id),
	}
	if off := w.options.Clock[id]; off != 0 {
		m.Config.Now = func() time.Time { return time.Now().Add(off) }
	}
	w.Masters = append(w.Masters, m)
	return m
}

// The ports on which each master listens.
const (
	RaftPort = "70"
	APIPort  = "80"
)

func (m *Master) raft() string { return m.ID + ":" + RaftPort }

func (m *Master) api() string { return m.ID + ":" + APIPort }

// URL is what clients and slaves call.
func (m *Master) URL() string { return "http://" + m.api() }

// Start runs the master; it returns once the API listens, or the run has ended.
func (m *Master) Start() {
	m.W.T.Helper()
	if m.Process != nil {
		m.W.T.Fatalf("%s runs already", m.ID)
	}
	p := m.W.Net.Start(m.ID)
	cfg := m.Config
	cfg.Network = app.Network{Listen: p.Listen, Dial: p.Dial}
	cfg.WrapLogStore = m.Disk.insert()
	ctx, cancel := context.WithCancel(context.Background())
	done, listening := make(chan struct{}), make(chan struct{})
	m.Process, m.stop, m.done = p, cancel, done
	m.ended.Go(func() {
		defer close(done)
		err := app.RunMaster(ctx, cfg, func(string) { close(listening) })
		if m.done == done { // only read after done
			m.Err = err
		}
	})
	select {
	case <-listening:
	case <-done:
	}
}

// Crash ends the run as SIGKILL does: from now on nothing reaches its disk, and
// its connections end.
func (m *Master) Crash() { m.down((*simnet.Process).Crash) }

// Vanish ends the run as a pulled plug does: its peers hear nothing.
func (m *Master) Vanish() { m.down((*simnet.Process).Vanish) }

func (m *Master) down(how func(*simnet.Process)) {
	m.Disk.die()
	how(m.Process)
	m.stop()
	<-m.done // its files are free for the next run
	m.Process = nil
}

// Halt ends the run in order, as SIGTERM does, and returns its error.
func (m *Master) Halt() error {
	m.W.T.Helper()
	m.stop()
	return m.Ends()
}

// Ends waits for the run to end by itself, and returns its error.
func (m *Master) Ends() error {
	m.W.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	select {
	case <-m.done:
	case <-ctx.Done():
		m.W.T.Fatalf("%s did not end", m.ID)
	}
	m.Process.Crash()
	m.Process = nil
	return m.Err
}

// Cut separates the master from all other masters, slaves and clients; the
// observer still reaches it.
func (m *Master) Cut() { m.Between(m.W.Net.Block) }

// Heal undoes Cut; what was held back arrives.
func (m *Master) Heal() {
	m.Between(func(from, to string, _ ...string) { m.W.Net.Pass(from, to) })
}

// Pause stops the master as SIGSTOP does, as far as others can see: nothing of it
// or to it arrives, and its disk takes nothing, until Resume.
func (m *Master) Pause() {
	m.Disk.Hold()
	m.Cut()
}

// Resume undoes Pause.
func (m *Master) Resume() {
	m.Disk.Release()
	m.Heal()
}

// Alone separates the master from the other masters only: it still reaches
// slaves and clients.
func (m *Master) Alone() {
	for _, other := range m.W.Masters {
		if other != m {
			m.W.Net.Block(m.ID, other.ID)
			m.W.Net.Block(other.ID, m.ID)
		}
	}
}

// Between does something to each way between the master and a host that faults may
// separate from it: all but the observer.
func (m *Master) Between(do func(from, to string, ports ...string)) {
	for _, host := range m.W.hosts() {
		if host != m.ID {
			do(m.ID, host)
			do(host, m.ID)
		}
	}
}

// hosts are all that faults may separate.
func (w *World) hosts() []string {
	hosts := []string{"client"}
	for _, m := range w.Masters {
		hosts = append(hosts, m.ID)
	}
	for _, s := range w.Slaves {
		hosts = append(hosts, s.Name)
	}
	for _, s := range w.scripted {
		hosts = append(hosts, s.Name)
	}
	return hosts
}

// HasEnded tells whether the present run has ended by itself.
func (m *Master) HasEnded() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}
