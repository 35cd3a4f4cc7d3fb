package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/api/client"
)

// killLeader kills the leader and tells, in one line, what it cost.
func (p *play) killLeader(ctx context.Context) error {
	leader := p.cluster.observe(ctx).leader()
	if leader == nil {
		return errors.New("no master leads; nothing was killed")
	}
	// Small tasks, so that there are accepted writes to measure the gap between.
	endProbe := p.probe(ctx)
	defer endProbe()
	start := p.ledger.count()
	_ = until(ctx, 500*time.Millisecond, "accept a write", func(context.Context) error { return p.moreThan(start) }) // all slots may be busy

	killed := time.Now()
	if err := p.cluster.master(leader.name).kill(); err != nil {
		return err
	}
	p.sayf("%s", p.red(fmt.Sprintf("kill -9: %s, the leader of term %d, is dead", leader.name, leader.status.Term)))
	running := 0
	for _, m := range p.cluster.masters {
		if runs, frozen := m.state(); runs && !frozen {
			running++
		}
	}
	if all := len(p.cluster.masters); running*2 <= all {
		p.sayf("%d of %d masters can't elect a leader: nothing is accepted, and nothing is lost; r restarts the dead", running, all)
		return nil
	}
	next, err := p.cluster.successor(ctx, leader.status.Term)
	if err != nil {
		return err
	}
	elected := time.Since(killed)
	start = p.ledger.count()
	_ = until(ctx, time.Second, "accept a write", func(context.Context) error { return p.moreThan(start) }) // as above
	entries := p.ledger.all()
	outage, measured := gap(entries, killed)
	// The gap is between the last write accepted before and the first after.
	cost := fmt.Sprintf("elected in %d ms (no free slot to write with)", elected.Milliseconds())
	if measured {
		cost = fmt.Sprintf("gap %d ms", outage.Milliseconds())
	}
	sum, err := p.account(ctx, entries)
	if err != nil {
		return err
	}
	p.sayf("%s leads term %d; %s; %s", p.green(next.name), next.status.Term, cost, sum)
	return nil
}

// probe submits small tasks until the function that it returns is called.
func (p *play) probe(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{
		name: fmt.Sprintf("probe-%d", p.loads.Add(1)), submitters: 1, pause: 30 * time.Millisecond,
		client: p.cluster.client, ledger: &p.ledger,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.run(ctx, nil) // it measures; who finds no master is told so by the panel
	}()
	return func() { cancel(); <-ended }
}

func (p *play) moreThan(n int) error {
	if p.ledger.count() <= n {
		return errors.New("none yet")
	}
	return nil
}

// account compares the leader's list with the ledger.
func (p *play) account(ctx context.Context, entries []entry) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tasks := map[uint64]client.Task{}
	list := client.ListOptions{Limit: 1000, ReadOptions: client.ReadOptions{Linearizable: true}}
	for t, err := range p.cluster.client.List(ctx, list) {
		if err != nil {
			return "", fmt.Errorf("list the tasks: %w", err)
		}
		tasks[t.ID] = t
	}
	return accountOf(tasks, entries).words(p.paint), nil
}

// accounts are what became of acknowledged tasks.
type accounts struct{ all, done, open, wrong, missing int }

func accountOf(tasks map[uint64]client.Task, entries []entry) accounts {
	a := accounts{all: len(entries)}
	for _, e := range entries {
		t, known := tasks[e.id]
		switch {
		case !known:
			a.missing++
		case t.Status != client.TaskDone:
			a.open++
		case t.Result == nil || *t.Result != e.want:
			a.wrong++
		default:
			a.done++
		}
	}
	return a
}

func (a accounts) words(v paint) string {
	s := fmt.Sprintf("%d acknowledged: %d done, %d to do, ", a.all, a.done, a.open)
	if a.wrong > 0 {
		s += v.red(fmt.Sprintf("%d wrong, ", a.wrong))
	}
	if a.missing > 0 {
		return s + v.red(fmt.Sprintf("%d missing", a.missing))
	}
	return s + v.green("0 missing")
}
