package cluster

import (
	"context"
	"fmt"
	"slices"

	"muster/cluster/commit"
	"muster/fsm"
	"muster/task"
)

// Propose commits the proposals next to each other in one entry and returns
// their outcomes, in order, once the entry is applied here. A *task.Error with
// another code than CodeOutcomeUnknown says that nothing happened and nothing
// will: CodeNotLeader (with the leader's URL) or CodeNoLeader, CodeOverloaded,
// CodeDiskLow, CodeShuttingDown. ctx bounds the wait in the queue; an entry that
// is on its way is waited for, for a bounded time.
func (n *Node) Propose(ctx context.Context, proposals ...fsm.Proposal) ([]fsm.Outcome, error) {
	return n.committer.Propose(ctx, proposals...)
}

// NewWriter returns a view, and the log from there on. Close it.
func (n *Node) NewWriter() (*fsm.View, *commit.Writer) { return n.committer.NewWriter(n.hub) }

// mayPropose returns why this node does not take proposals now.
func (n *Node) mayPropose(proposals []fsm.Proposal) error {
	if !n.IsLeader() {
		return commit.NotLeaderError(n.otherLeaderURL())
	}
	if n.disk.Refuses() && slices.ContainsFunc(proposals, isSubmit) {
		return task.Refuse(task.CodeDiskLow, "the leader's disk is almost full, and no master that has space can take over; no new tasks are taken until there is space")
	}
	return understood(n.View, proposals)
}

// understood refuses commands that a master of an older version would stop at.
func understood(view func() *fsm.View, proposals []fsm.Proposal) error {
	highest := fsm.Number(0)
	for _, p := range proposals {
		highest = max(highest, p.Command.Number())
	}
	if highest <= fsm.NumberRemoveMaster { // what the first version knew
		return nil
	}
	for _, m := range view().Masters() {
		if fsm.Number(m.Commands) < highest {
			return task.Refuse(task.CodeUpgradeNeeded, fmt.Sprintf("master %s runs an older version that does not know this yet; upgrade it, then try again", m.ID))
		}
	}
	return nil
}

func isSubmit(p fsm.Proposal) bool {
	_, is := p.Command.(fsm.SubmitTask)
	return is
}
