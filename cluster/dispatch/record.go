package dispatch

import (
	"context"

	"muster/cluster/dispatch/scheduler"
	"muster/fsm"
	"muster/task"
)

// Proposer commits commands in one entry, and waits for their outcomes.
type Proposer interface {
	Propose(ctx context.Context, proposals ...fsm.Proposal) ([]fsm.Outcome, error)
}

// Record records the results that a slave reports while this master leads and no
// dispatcher runs, as after a panic. The verdicts are in order.
func Record(ctx context.Context, log Proposer, r task.Report) ([]task.Verdict, error) {
	proposals := make([]fsm.Proposal, len(r.Results))
	for i, x := range r.Results {
		proposals[i] = fsm.Proposal{Command: scheduler.Complete(&r, x)}
	}
	outcomes, err := log.Propose(ctx, proposals...)
	if err != nil {
		return nil, err //nolint:wrapcheck // a refusal goes to the slave as it is
	}
	verdicts := make([]task.Verdict, len(outcomes))
	for i, x := range r.Results {
		verdicts[i] = task.Verdict{ID: x.ID, Attempt: x.Attempt, Err: outcomes[i].Err}
	}
	return verdicts, nil
}
