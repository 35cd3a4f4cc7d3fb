package commit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
)

// fakeLog is an Appender whose entries are answered by the test.
type fakeLog struct {
	mu      sync.Mutex
	entries []*fakeFuture
}

type fakeFuture struct {
	entry    string
	answered chan struct{}
	err      error
	response any
}

func (f *fakeFuture) Error() error  { <-f.answered; return f.err }
func (f *fakeFuture) Index() uint64 { return 0 }
func (f *fakeFuture) Response() any { return f.response }

func (l *fakeLog) Apply(entry []byte, _ time.Duration) raft.ApplyFuture {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &fakeFuture{entry: string(entry), answered: make(chan struct{})}
	l.entries = append(l.entries, f)
	return f
}

func (l *fakeLog) CurrentTerm() uint64 { return 7 }

func (l *fakeLog) sent() []*fakeFuture {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*fakeFuture(nil), l.entries...)
}

// commit answers an entry: each command's outcome carries its id.
func (f *fakeFuture) commit() {
	var outcomes []fsm.Outcome
	for _, id := range f.commands() {
		outcomes = append(outcomes, fsm.Outcome{Task: &task.Task{Key: id}})
	}
	f.response = outcomes
	close(f.answered)
}

func (f *fakeFuture) fail(err error) {
	f.err = err
	close(f.answered)
}

func (f *fakeFuture) commands() []string {
	_, commands, _ := strings.Cut(f.entry, "|")
	return strings.Split(commands, ",")
}

// encodeText encodes an envelope of RemoveMaster commands as "term|id,id,…".
func encodeText(e fsm.Envelope) ([]byte, error) {
	var ids []string
	for _, p := range e.Proposals {
		c, ok := p.Command.(fsm.RemoveMaster)
		if !ok {
			return nil, fmt.Errorf("no encoding for %T", p.Command)
		}
		ids = append(ids, c.ID)
	}
	return fmt.Appendf(nil, "%d|%s", e.Term, strings.Join(ids, ",")), nil
}

// commands makes proposals that are told apart by their ids.
func commands(ids ...string) []fsm.Proposal {
	var ps []fsm.Proposal
	for _, id := range ids {
		ps = append(ps, fsm.Proposal{Command: fsm.RemoveMaster{ID: id}})
	}
	return ps
}

type proposed struct {
	values []string
	err    error
}

// bench runs a Committer over a fakeLog in a bubble of fake time.
type bench struct {
	t    *testing.T
	log  *fakeLog
	c    *Committer
	stop context.CancelFunc
}

func withCommitter(t *testing.T, do func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &bench{t: t, log: &fakeLog{}, stop: cancel}
		b.c = New(Config{
			Encode: encodeText, Stamp: func() task.Millis { return 1 }, Futures: NewFutures(),
			Admit: func([]fsm.Proposal) error { return nil }, OtherLeader: func() string { return "http://leader" },
		})
		var wg sync.WaitGroup
		wg.Go(func() { b.c.Run(ctx, b.log) })
		do(b)
		cancel()
		wg.Wait()
	})
}

// propose starts a call and returns where its answer will be.
func (b *bench) propose(ctx context.Context, ids ...string) <-chan proposed {
	answer := make(chan proposed, 1)
	go func() {
		outcomes, err := b.c.Propose(ctx, commands(ids...)...)
		var values []string
		for _, o := range outcomes {
			values = append(values, o.Task.Key)
		}
		answer <- proposed{values, err}
	}()
	synctest.Wait()
	return answer
}

func (b *bench) entries(want ...string) []*fakeFuture {
	b.t.Helper()
	synctest.Wait()
	sent := b.log.sent()
	var got []string
	for _, f := range sent {
		got = append(got, f.entry)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Fatalf("entries in the log:\n got %q\nwant %q", got, want)
	}
	return sent
}

// commitAll answers what is in the log until nothing more comes.
func (b *bench) commitAll() {
	for done := 0; ; {
		synctest.Wait()
		sent := b.log.sent()
		if done == len(sent) {
			return
		}
		for ; done < len(sent); done++ {
			select {
			case <-sent[done].answered:
			default:
				sent[done].commit()
			}
		}
	}
}

func (b *bench) expect(answer <-chan proposed, want ...string) {
	b.t.Helper()
	synctest.Wait()
	select {
	case got := <-answer:
		if got.err != nil || fmt.Sprint(got.values) != fmt.Sprint(want) {
			b.t.Fatalf("answer %v, %v; want %v", got.values, got.err, want)
		}
	default:
		b.t.Fatalf("no answer; want %v", want)
	}
}

func (b *bench) expectCode(answer <-chan proposed, code task.Code) {
	b.t.Helper()
	synctest.Wait()
	select {
	case got := <-answer:
		if refused, ok := errors.AsType[*task.Error](got.err); !ok || refused.Code != code {
			b.t.Fatalf("answer %v, %v; want code %s", got.values, got.err, code)
		}
	default:
		b.t.Fatalf("no answer; want code %s", code)
	}
}
