package cluster

import (
	"context"
	"fmt"
	"net"

	"github.com/hashicorp/raft"

	"muster/task"
)

func (w *world) gone(m *master) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byURL[m.url] != m {
		return
	}
	delete(w.byURL, m.url)
	delete(w.inmem, raft.ServerAddress(m.raftAddr))
	for _, t := range w.inmem {
		t.Disconnect(raft.ServerAddress(m.raftAddr))
	}
}

// memory is a transport in memory, for fake time.
type memory struct {
	*raft.InmemTransport

	w *world
}

func (m memory) hail(_ context.Context, id, address string) (welcome, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	who := m.w.masters[id]
	if m.w.inmem[raft.ServerAddress(address)] == nil || who != nil && m.w.byURL[who.url] == nil {
		return welcome{}, fmt.Errorf("nobody listens at %s", address)
	}
	if who == nil {
		return welcome{}, nil
	}
	return welcome{APIURL: who.url}, nil
}

// connections has none: memory knows no connections that end.
func (memory) connections() *callers { return newCallers() }

func (memory) introduce(introduction) {}

func (w *world) transport(m *master) Transport {
	w.t.Helper()
	if w.tcp {
		ln, err := net.Listen("tcp", m.raftAddr)
		if err != nil {
			w.t.Fatal(err)
		}
		return NewTransport(TransportConfig{Listener: ln, Dial: m.dial})
	}
	addr, own := raft.NewInmemTransport(raft.ServerAddress(m.raftAddr))
	w.mu.Lock()
	defer w.mu.Unlock()
	for other, t := range w.inmem {
		t.Connect(addr, own)
		own.Connect(other, t)
	}
	w.inmem[addr] = own
	return memory{own, w}
}

func (w *world) closeTransport(m *master, t Transport) {
	if w.tcp {
		closeTransport(w.t, t)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inmem, raft.ServerAddress(m.raftAddr))
}

// cut separates a master from all others, in fake time.
func (w *world) cut(m *master) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byURL, m.url)
	w.inmem[raft.ServerAddress(m.raftAddr)].DisconnectAll()
	for _, t := range w.inmem {
		t.Disconnect(raft.ServerAddress(m.raftAddr))
	}
}

// heal undoes cut.
func (w *world) heal(m *master) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.byURL[m.url] = m
	own := raft.ServerAddress(m.raftAddr)
	for addr, t := range w.inmem {
		if addr != own {
			t.Connect(own, w.inmem[own])
			w.inmem[own].Connect(addr, t)
		}
	}
}

func (w *world) at(url string) (*Node, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.byURL[url]
	if m == nil {
		return nil, fmt.Errorf("no answer from %s", url)
	}
	return m.node, nil
}

// peers is the masters' API.
type peers struct{ w *world }

func (p peers) Hello(_ context.Context, url string) (Hello, error) {
	n, err := p.w.at(url)
	if err != nil {
		return Hello{}, err
	}
	return n.Hello(), nil
}

func (p peers) Join(ctx context.Context, url string, req task.JoinRequest) (string, error) {
	n, err := p.w.at(url)
	if err != nil {
		return "", err
	}
	if leader := n.otherLeaderURL(); leader != "" {
		if n, err = p.w.at(leader); err != nil {
			return "", err
		}
	}
	if err := n.Join(ctx, req); err != nil {
		return "", err
	}
	return n.Hello().ClusterID, nil
}
