package promises_test

import (
	"context"
	"sync"
	"time"

	"muster/cmd/app"
	"muster/systemtest/simnet"
)

// master is one master over its restarts, on a host of its name.
type master struct {
	w       *world
	id      string
	config  app.MasterConfig
	disk    *disk
	process *simnet.Process // of the present run; nil: down
	stop    context.CancelFunc
	done    chan struct{}  // closed when the present run has returned
	err     error          // what it returned; valid after done
	ended   sync.WaitGroup // all runs
	removed bool           // stays down at the end of the story
}

// master makes a master that does not run yet.
func (w *world) master(id string) *master {
	w.t.Helper()
	m := &master{w: w, id: id, disk: &disk{}}
	m.config = app.MasterConfig{
		ID: id, DataDir: w.t.TempDir(), RaftListen: m.raft(), APIListen: m.api(),
		QuestionTTL: w.options.questionTTL, SnapshotThreshold: w.options.snapshots, TrailingLogs: w.options.snapshots / 5,
		Retention: w.options.retention,
		Version:   "test", Logger: w.logger("master", id),
	}
	if off := w.options.clock[id]; off != 0 {
		m.config.Now = func() time.Time { return time.Now().Add(off) }
	}
	w.masters = append(w.masters, m)
	return m
}

const (
	raftPort = "70"
	apiPort  = "80"
)

func (m *master) raft() string { return m.id + ":" + raftPort }
func (m *master) api() string  { return m.id + ":" + apiPort }
func (m *master) url() string  { return "http://" + m.api() }

// start runs the master; it returns once the API listens, or the run has ended.
func (m *master) start() {
	m.w.t.Helper()
	if m.process != nil {
		m.w.t.Fatalf("%s runs already", m.id)
	}
	p := m.w.net.Start(m.id)
	cfg := m.config
	cfg.Network = app.Network{Listen: p.Listen, Dial: p.Dial}
	cfg.WrapLogStore = m.disk.insert()
	ctx, cancel := context.WithCancel(context.Background())
	done, listening := make(chan struct{}), make(chan struct{})
	m.process, m.stop, m.done = p, cancel, done
	m.ended.Go(func() {
		defer close(done)
		err := app.RunMaster(ctx, cfg, func(string) { close(listening) })
		if m.done == done { // only read after done
			m.err = err
		}
	})
	select {
	case <-listening:
	case <-done:
	}
}

// crash ends the run as SIGKILL does: from now on nothing reaches its disk, and
// its connections end.
func (m *master) crash() { m.down((*simnet.Process).Crash) }

// vanish ends the run as a pulled plug does: its peers hear nothing.
func (m *master) vanish() { m.down((*simnet.Process).Vanish) }

func (m *master) down(how func(*simnet.Process)) {
	m.disk.die()
	how(m.process)
	m.stop()
	<-m.done // its files are free for the next run
	m.process = nil
}

// halt ends the run in order, as SIGTERM does, and returns its error.
func (m *master) halt() error {
	m.w.t.Helper()
	m.stop()
	return m.ends()
}

// ends waits for the run to end by itself, and returns its error.
func (m *master) ends() error {
	m.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-m.done:
	case <-ctx.Done():
		m.w.t.Fatalf("%s did not end", m.id)
	}
	m.process.Crash()
	m.process = nil
	return m.err
}

// cut separates the master from all other masters, slaves and clients; the
// observer still reaches it.
func (m *master) cut() { m.between(m.w.net.Block) }

// heal undoes cut; what was held back arrives.
func (m *master) heal() {
	m.between(func(from, to string, _ ...string) { m.w.net.Pass(from, to) })
}

// pause stops the master as SIGSTOP does, as far as others can see: nothing of it
// or to it arrives, and its disk takes nothing, until resume.
func (m *master) pause() {
	m.disk.hold()
	m.cut()
}

// resume undoes pause.
func (m *master) resume() {
	m.disk.release()
	m.heal()
}

// alone separates the master from the other masters only: it still reaches
// slaves and clients.
func (m *master) alone() {
	for _, other := range m.w.masters {
		if other != m {
			m.w.net.Block(m.id, other.id)
			m.w.net.Block(other.id, m.id)
		}
	}
}

func (m *master) between(do func(from, to string, ports ...string)) {
	for _, host := range m.w.hosts() {
		if host != m.id {
			do(m.id, host)
			do(host, m.id)
		}
	}
}

// hosts are all that faults may separate.
func (w *world) hosts() []string {
	hosts := []string{"client"}
	for _, m := range w.masters {
		hosts = append(hosts, m.id)
	}
	for _, s := range w.slaves {
		hosts = append(hosts, s.name)
	}
	for _, s := range w.scripted {
		hosts = append(hosts, s.name)
	}
	return hosts
}
