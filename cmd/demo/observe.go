package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/api/client"
)

// picture is what all processes looked like at a moment.
type picture struct {
	masters []masterPicture
	slaves  []slavePicture
}

// masterPicture is one master's word; status is nil if it said none.
type masterPicture struct {
	name         string
	runs, frozen bool
	status       *client.Status
}

// slavePicture is a slave process, and what the leader knows of it; entry is nil
// if that is nothing.
type slavePicture struct {
	name         string
	runs, frozen bool
	entry        *client.Slave
}

// answerTimeout is how long a process may take to say how it is.
const answerTimeout = time.Second

// observe asks everybody at once.
func (c *cluster) observe(ctx context.Context) picture {
	var all sync.WaitGroup
	p := picture{masters: make([]masterPicture, len(c.masters))}
	for i, m := range c.masters {
		all.Go(func() {
			p.masters[i] = c.look(ctx, m, false)
		})
	}
	var slaves []client.Slave
	all.Go(func() {
		asking, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		slaves, _ = c.glance.Slaves(asking, client.ReadOptions{}) // a picture shows what there is to see
	})
	all.Wait()
	for _, s := range c.slaves {
		one := slavePicture{name: s.name}
		one.runs, one.frozen = s.state()
		for i := range slaves {
			if slaves[i].Name == s.name {
				one.entry = &slaves[i]
			}
		}
		p.slaves = append(p.slaves, one)
	}
	return p
}

// look asks one master.
func (c *cluster) look(ctx context.Context, m *node, fingerprint bool) masterPicture {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	p := masterPicture{name: m.name}
	p.runs, p.frozen = m.state()
	if !p.runs || p.frozen {
		return p
	}
	if s, err := c.client.Status(ctx, m.url, fingerprint); err == nil {
		p.status = &s
	}
	return p
}

// leader is the master that leads: of two that think so, the one with the
// higher term. nil if there is none.
func (p picture) leader() *masterPicture {
	var best *masterPicture
	for i := range p.masters {
		m := &p.masters[i]
		if m.status != nil && m.status.Role == client.RoleLeader && (best == nil || m.status.Term > best.status.Term) {
			best = m
		}
	}
	return best
}

// awaitLeader waits until a master leads.
func (c *cluster) awaitLeader(ctx context.Context) (masterPicture, error) {
	var leader masterPicture
	err := until(ctx, waitLimit, "find the leader", func(ctx context.Context) error {
		l := c.observe(ctx).leader()
		if l == nil {
			return errors.New("no master leads")
		}
		leader = *l
		return nil
	})
	return leader, err
}

// settled tells what is missing until all masters follow one leader.
func (p picture) settled() error {
	leader := p.leader()
	if leader == nil {
		return errors.New("no master leads")
	}
	for _, m := range p.masters {
		switch {
		case m.status == nil:
			return fmt.Errorf("%s does not answer", m.name)
		case !m.status.Ready:
			return fmt.Errorf("%s is not ready: %s", m.name, m.status.NotReady)
		case m.status.LeaderID != leader.name:
			return fmt.Errorf("%s follows %q, not %s", m.name, m.status.LeaderID, leader.name)
		}
	}
	return nil
}
