package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/api/client"
)

// killSlave kills the slave that has the most to do, or the first.
func (p *play) killSlave(ctx context.Context) error {
	var target *node
	most := -1
	for i, s := range p.cluster.observe(ctx).slaves {
		busy := 0
		if s.entry != nil {
			busy = s.entry.Busy
		}
		if s.runs && busy > most {
			target, most = p.cluster.slaves[i], busy
		}
	}
	if target == nil {
		return errors.New("no slave runs; r restarts the dead")
	}
	if err := target.kill(); err != nil {
		return err
	}
	p.sayf("%s", p.red("kill -9: "+target.name+" is dead"))
	if most > 0 {
		p.sayf("It had %s. After 5 s of silence it counts as lost, and another slave does its work.", plural(most, "task"))
	}
	return nil
}

// restartDead starts all that do not run.
func (p *play) restartDead(context.Context) error {
	var names []string
	for _, n := range p.cluster.nodes() {
		if runs, _ := n.state(); runs {
			continue
		}
		if err := n.start(); err != nil {
			return err
		}
		names = append(names, n.name)
	}
	if len(names) == 0 {
		p.sayf("nobody is dead")
		return nil
	}
	p.sayf("started again: %s", p.green(strings.Join(names, ", ")))
	return nil
}

// freezeOrThaw lets go on what is frozen, or asks what to freeze.
func (p *play) freezeOrThaw() {
	var runs []*node
	thawed := false
	for _, n := range p.cluster.nodes() {
		switch alive, frozen := n.state(); {
		case frozen:
			p.freeze(n, false)
			thawed = true
		case alive:
			runs = append(runs, n)
		}
	}
	if thawed || len(runs) == 0 {
		return
	}
	runs = runs[:min(len(runs), 9)]
	question := []string{"Freeze which?"}
	for i, n := range runs {
		question = append(question, fmt.Sprintf("%d %s", i+1, n.name))
	}
	question = append(question, "(any other key: none)")
	p.choices, p.panel.question = runs, strings.Join(question, "  ")
}

// choose answers the question what to freeze.
func (p *play) choose(k byte) {
	choices := p.choices
	p.choices, p.panel.question = nil, ""
	if i := int(k) - '1'; i >= 0 && i < len(choices) {
		p.freeze(choices[i], true)
	}
}

func (p *play) freeze(n *node, frozen bool) {
	if err := n.freeze(frozen); err != nil {
		p.sayf("%s", p.red(err.Error()))
		return
	}
	if frozen {
		p.sayf("%s is %s: it is there, and says nothing; f lets it go on", n.name, p.cyan("frozen"))
		return
	}
	p.sayf("%s goes on", p.green(n.name))
}

// maxFollowed bounds the tasks that are waited for.
const maxFollowed = 50

// submitTimeout is how long somebody who plays waits for a master to take a task.
const submitTimeout = 20 * time.Second

// submit submits a task that takes seven seconds, and tells what becomes of it.
func (p *play) submit(ctx context.Context) {
	if p.followed.Load() >= maxFollowed {
		p.sayf("%d tasks are under way already", maxFollowed)
		return
	}
	p.tasks++
	n := p.tasks
	p.followed.Add(1)
	p.beside(ctx, func(ctx context.Context) error {
		defer p.followed.Add(-1)
		return p.follow(ctx, n)
	})
}

func (p *play) follow(ctx context.Context, n int) error {
	w, key := longWork(n), fmt.Sprintf("key-%d", n)
	leader := "the new leader"
	if l := p.cluster.observe(ctx).leader(); l != nil {
		leader = l.name
	} else {
		p.sayf("No master leads. %s is submitted again and again, with the same key.", p.bold(w.String()))
	}
	submitting, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	answer, err := p.cluster.client.Submit(submitting, w.submission(), client.SubmitOptions{Key: key, Explain: true})
	var refusal *client.Error
	switch {
	case errors.Is(err, client.ErrNoLeader), errors.Is(err, client.ErrUnreachable):
		return fmt.Errorf("nobody took %s within %s: no master leads", w, submitTimeout)
	case err != nil && !errors.As(err, &refusal):
		return fmt.Errorf("submit %s: %w", w, err)
	}
	// In one piece, so that tasks submitted together do not mix their lines.
	var lines []string
	v := &voice{paint: p.paint, width: p.width, line: func(l string) { lines = append(lines, l) }}
	v.sayf("client submits %s", v.bold(w.String()))
	if refusal != nil {
		v.refused(leader, refusal)
		p.news.add(lines...)
		return nil
	}
	p.ledger.acknowledged(entry{id: answer.Task.ID, key: key, want: w.want, at: time.Now()})
	v.submitted(leader, answer)
	p.news.add(lines...)

	waiting, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	t, err := p.cluster.client.Wait(waiting, answer.Task.ID)
	if err != nil {
		return fmt.Errorf("wait for task %d: %w", answer.Task.ID, err)
	}
	p.done(&t)
	return nil
}

// toggleLoad begins to submit small tasks, or ends it.
func (p *play) toggleLoad(ctx context.Context) {
	if stop := p.loading.Swap(nil); stop != nil {
		close(*stop)
		p.sayf("load off")
		return
	}
	stop := make(chan struct{})
	p.loading.Store(&stop)
	l := &load{
		name: fmt.Sprintf("load-%d", p.loads.Add(1)), submitters: 2, pause: 150 * time.Millisecond, busy: 50 * time.Millisecond, patient: true,
		client: p.cluster.client, ledger: &p.ledger,
	}
	p.sayf("load on: small tasks, one after the other; l ends it")
	p.beside(ctx, func(ctx context.Context) error {
		err := l.run(ctx, stop)
		p.loading.CompareAndSwap(&stop, nil) // it ended by itself
		return err
	})
}
