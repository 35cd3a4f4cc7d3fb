package demo

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// play is the demo in a terminal. One goroutine, run's, owns the screen and
// decides; what takes time goes on beside it and tells by news.
type play struct {
	*voice
	cluster *cluster
	ledger  ledger
	news    *news
	work    sync.WaitGroup // all that goes on beside run

	// Of run's goroutine.
	panel   panel
	choices []*node // what digits mean while a question is asked
	acting  bool    // an action is under way
	tasks   int     // submitted by key

	idle     chan struct{} // an action is over
	loading  atomic.Pointer[chan struct{}]
	loads    atomic.Int64 // begun
	followed atomic.Int64 // tasks that are waited for
}

// letPlay starts a cluster and does what keys say, until one says quit.
func letPlay(ctx context.Context, cfg Config, program, dir string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &play{news: newNews(), idle: make(chan struct{}, 1)}
	p.voice = &voice{paint: cfg.paint(), width: cfg.width, line: func(l string) { fmt.Fprintln(cfg.Stdout, l) }}
	p.print(p.bold(fmt.Sprintf("muster: %s and %s, each a process of this machine", plural(cfg.Masters, "master"), plural(cfg.Slaves, "slave"))), 0)
	cluster, err := form(ctx, program, dir, cfg.Masters)
	if err != nil {
		return err
	}
	p.cluster = cluster
	defer cluster.close()
	for i := range cfg.Slaves {
		if err := cluster.addSlave(ctx, fmt.Sprintf("slave-%d", i+1), 1); err != nil {
			return err
		}
	}
	p.sayf("They are up. Each master serves the same API: curl %s/v1/tasks", cluster.masters[0].url)
	p.sayf("Logs and data are in %s until you quit.", cluster.dir)
	p.sayf("Press t a few times: each slave has one slot, and then there is full capacity.")

	in, out := terminal(cfg.Stdin), terminal(cfg.Stdout)
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("read single keys from the terminal: %w", err)
	}
	s := &screen{w: out, size: func() (int, int) { return sizeOf(int(out.Fd())) }}
	defer func() {
		s.leave()
		_ = term.Restore(int(in.Fd()), before) // nothing is left to try
	}()
	// From here on lines go through the screen, which breaks them itself.
	p.voice = &voice{paint: cfg.paint(), width: func() int { return 0 }, line: func(l string) { p.news.add(l) }}
	err = p.run(ctx, in, s)
	cancel()
	p.work.Wait()
	return err
}

func sizeOf(fd int) (width, height int) {
	width, height, err := term.GetSize(fd)
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// pictureEvery is the pause between two looks at the cluster.
const pictureEvery = 200 * time.Millisecond

// run is the loop around everything that can happen.
func (p *play) run(ctx context.Context, in io.Reader, out *screen) error {
	keys := make(chan byte, 16)
	go readKeys(ctx, in, keys)
	pictures := make(chan picture)
	p.work.Go(func() {
		for ctx.Err() == nil {
			seen := p.cluster.observe(ctx)
			select {
			case pictures <- seen:
			case <-ctx.Done():
			}
			_ = pause(ctx, pictureEvery) // the loop asks ctx itself
		}
	})
	for {
		p.panel.load, p.panel.acknowledged = p.loading.Load() != nil, p.ledger.count()
		width, _ := out.size()
		out.show(p.news.take(), p.panel.lines(p.paint, width))
		select {
		case k := <-keys:
			if p.press(ctx, k) {
				return nil
			}
		case <-p.news.wake:
		case p.panel.picture = <-pictures:
		case <-p.idle:
			p.acting = false
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	}
}

// press does what a key asks for, and tells whether that is to quit.
func (p *play) press(ctx context.Context, k byte) bool {
	a := actionOf(k)
	if p.choices != nil && a != quit {
		p.choose(k)
		return false
	}
	switch a {
	case quit:
		return true
	case submitTask:
		p.submit(ctx)
	case toggleLoad:
		p.toggleLoad(ctx)
	case killLeader:
		p.act(ctx, p.killLeader)
	case killSlave:
		p.act(ctx, p.killSlave)
	case restartDead:
		p.beside(ctx, p.restartDead)
	case freezeOrThaw:
		p.freezeOrThaw()
	case noAction:
	}
	return false
}

// act runs an action that takes time beside the loop, one at a time.
func (p *play) act(ctx context.Context, action func(context.Context) error) {
	if p.acting {
		p.sayf("%s", p.dim("one moment, the last one is not over yet"))
		return
	}
	p.acting = true
	p.beside(ctx, func(ctx context.Context) error {
		defer func() { p.idle <- struct{}{} }()
		return action(ctx)
	})
}

// beside runs what takes time beside the loop, and tells if it fails.
func (p *play) beside(ctx context.Context, what func(context.Context) error) {
	p.work.Go(func() {
		if err := what(ctx); err != nil && ctx.Err() == nil {
			p.sayf("%s", p.red(err.Error()))
		}
	})
}
