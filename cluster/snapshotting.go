package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"muster/task/wait"
)

// snapshotRetry is the pause after a snapshot that could not be taken.
const snapshotRetry = 2 * time.Second

// takeSnapshots takes a snapshot whenever one is due, until ctx ends.
func (n *Node) takeSnapshots(ctx context.Context, r *raft.Raft) {
	for {
		select {
		case <-n.store.Sizes.Over():
		case <-ctx.Done():
			return
		}
		if !n.store.Sizes.Due() {
			continue // another snapshot has begun since
		}
		for {
			err := n.futures.Await(ctx, func() raft.Future { return r.Snapshot() })
			if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) {
				break
			}
			if ctx.Err() != nil {
				return
			}
			// A change of the membership or a transfer of leadership is under way.
			n.logger.Info("snapshot was not taken; it will be tried again", "error", err)
			if !wait.Sleep(ctx, snapshotRetry) {
				return
			}
		}
	}
}

// boundTrailing sets how many entries stay behind the snapshot that is about to
// be taken: TrailingLogs, or what fits into MaxTrailingBytes.
func (n *Node) boundTrailing() {
	r := n.raft.Load()
	if r == nil {
		return
	}
	settings := r.ReloadableConfig()
	settings.TrailingLogs = min(n.cfg.TrailingLogs, n.store.Sizes.Trailing(n.cfg.MaxTrailingBytes))
	if err := r.ReloadConfig(settings); err != nil {
		n.logger.Warn("trailing logs were not bounded", "error", err)
	}
}
