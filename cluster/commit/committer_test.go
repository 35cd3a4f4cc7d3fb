package commit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
)

func TestAnIdleQueueCommitsAtOnceAndABusyOneInGroups(t *testing.T) {
	withCommitter(t, func(b *bench) {
		ctx := b.t.Context()
		a := b.propose(ctx, "a")
		bb := b.propose(ctx, "b1", "b2")
		b.entries("7|a", "7|b1,b2") // two in flight, each alone
		c, d, e := b.propose(ctx, "c"), b.propose(ctx, "d1", "d2"), b.propose(ctx, "e")
		sent := b.entries("7|a", "7|b1,b2")
		sent[1].commit()
		b.expect(bb, "b1", "b2")
		sent = b.entries("7|a", "7|b1,b2", "7|c,d1,d2,e")
		sent[0].commit()
		sent[2].commit()
		b.expect(a, "a")
		b.expect(c, "c")
		b.expect(d, "d1", "d2")
		b.expect(e, "e")
	})
}

func TestAnEnvelopeHasBounds(t *testing.T) {
	withCommitter(t, func(b *bench) {
		ctx := b.t.Context()
		b.propose(ctx, "x")
		b.propose(ctx, "y")
		big := strings.Repeat("B", maxEnvelopeBytes*2/3)
		huge := strings.Repeat("H", maxEnvelopeBytes*2)
		many := make([]string, MaxEnvelopeCommands-1)
		for i := range many {
			many[i] = "m"
		}
		b.propose(ctx, big)
		b.propose(ctx, big)     // does not fit with the first
		b.propose(ctx, huge)    // alone, though above the bound
		b.propose(ctx, many...) // 1023
		b.propose(ctx, "n1", "n2")
		b.commitAll()
		var sizes []int
		for _, f := range b.log.sent() {
			sizes = append(sizes, len(f.commands()))
		}
		if want := "[1 1 1 1 1 1023 2]"; fmt.Sprint(sizes) != want {
			b.t.Errorf("commands per entry: got %v, want %s", sizes, want)
		}
	})
}

func TestTooMuchInOneCallIsRefused(t *testing.T) {
	withCommitter(t, func(b *bench) {
		b.expectCode(b.propose(b.t.Context(), make([]string, MaxEnvelopeCommands+1)...), task.CodeInvalidRequest)
		b.expectCode(b.propose(b.t.Context(), strings.Repeat("x", maxCallBytes)), task.CodeBodyTooLarge)
		b.entries()
	})
}

func TestAFullQueueRefusesBeforeRaft(t *testing.T) {
	withCommitter(t, func(b *bench) {
		ctx := b.t.Context()
		b.propose(ctx, "x")
		b.propose(ctx, "y")
		full := make([]string, MaxEnvelopeCommands)
		for range maxQueuedCommands / MaxEnvelopeCommands {
			b.propose(ctx, full...)
		}
		b.expectCode(b.propose(ctx, "z"), task.CodeOverloaded)
		sent := b.entries("7|x", "7|y")
		sent[0].commit()
		synctest.Wait()
		last := b.propose(ctx, "z") // there is room again
		select {
		case got := <-last:
			b.t.Fatalf("refused although there was room: %v", got.err)
		default:
		}
		b.commitAll()
		b.expect(last, "z")
	})
}

func TestACallerThatLeavesTheQueueHasDoneNothing(t *testing.T) {
	withCommitter(t, func(b *bench) {
		b.propose(b.t.Context(), "x")
		b.propose(b.t.Context(), "y")
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		early := b.propose(ctx, "early")
		late := b.propose(b.t.Context(), "late")
		time.Sleep(time.Second)
		b.expectCode(early, task.CodeOverloaded)
		b.entries("7|x", "7|y")[0].commit()
		b.entries("7|x", "7|y", "7|late")[2].commit()
		b.expect(late, "late")
		b.log.sent()[1].commit()
	})
}

func TestAnEntryInFlightIsWaitedForWhenTheCallerLeaves(t *testing.T) {
	withCommitter(t, func(b *bench) {
		ctx, cancel := context.WithCancel(b.t.Context())
		answer := b.propose(ctx, "x")
		cancel()
		synctest.Wait()
		b.entries("7|x")[0].commit()
		b.expect(answer, "x")
	})
}

func TestAnEntryWithoutAnAnswerIsUnknown(t *testing.T) {
	withCommitter(t, func(b *bench) {
		x := b.propose(b.t.Context(), "x")
		y := b.propose(b.t.Context(), "y")
		time.Sleep(FlightTimeout)
		b.expectCode(x, task.CodeOutcomeUnknown)
		b.expectCode(y, task.CodeOutcomeUnknown)
		// Both are in flight still, so nothing else is sent.
		z := b.propose(b.t.Context(), "z")
		b.entries("7|x", "7|y")[0].commit()
		b.entries("7|x", "7|y", "7|z")[2].commit()
		b.expect(z, "z")
		b.log.sent()[1].commit()
	})
}

func TestEveryErrorOfRaftHasAFate(t *testing.T) {
	for _, c := range []struct {
		err  error
		code task.Code
	}{
		{raft.ErrNotLeader, task.CodeNotLeader},
		{raft.ErrLeadershipTransferInProgress, task.CodeNotLeader},
		{raft.ErrEnqueueTimeout, task.CodeOverloaded},
		{raft.ErrLeadershipLost, task.CodeOutcomeUnknown},
		{raft.ErrRaftShutdown, task.CodeOutcomeUnknown},
		{raft.ErrAbortedByRestore, task.CodeOutcomeUnknown},
		{fmt.Errorf("append to the log: %w", errors.New("no space left on device")), task.CodeOutcomeUnknown},
		{errors.New("this master has stopped applying the log"), task.CodeOutcomeUnknown},
	} {
		withCommitter(t, func(b *bench) {
			answer := b.propose(b.t.Context(), "x")
			b.entries("7|x")[0].fail(c.err)
			b.expectCode(answer, c.code)
		})
	}
}

func TestAStrangeAnswerIsUnknown(t *testing.T) {
	withCommitter(t, func(b *bench) {
		none := b.propose(b.t.Context(), "x")
		few := b.propose(b.t.Context(), "y1", "y2")
		sent := b.entries("7|x", "7|y1,y2")
		close(sent[0].answered) // Raft answers nil when Apply ended its goroutine
		sent[1].response = []fsm.Outcome{{}}
		close(sent[1].answered)
		b.expectCode(none, task.CodeOutcomeUnknown)
		b.expectCode(few, task.CodeOutcomeUnknown)
	})
}

func TestAStoppedQueueRefuses(t *testing.T) {
	withCommitter(t, func(b *bench) {
		x, y := b.propose(b.t.Context(), "x"), b.propose(b.t.Context(), "y")
		waiting := b.propose(b.t.Context(), "z")
		b.stop()
		b.expectCode(waiting, task.CodeShuttingDown)
		b.expectCode(b.propose(b.t.Context(), "late"), task.CodeShuttingDown)
		for _, f := range b.entries("7|x", "7|y") {
			f.commit()
		}
		b.expect(x, "x")
		b.expect(y, "y")
	})
}
