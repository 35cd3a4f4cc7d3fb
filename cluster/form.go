package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/store"
	"muster/task/wait"
)

// helloTimeout bounds one question to another master's API.
const helloTimeout = 2 * time.Second

// belong returns once this disk belongs to a cluster, or may ask to join one.
// What it decides is on the disk, with fsync, before it acts on it, so that a
// crash at any point goes on from there.
func (n *Node) belong(ctx context.Context) error {
	id := n.identity.get()
	if id.member() {
		return n.checkNotWiped(id)
	}
	switch {
	case len(id.Founders) > 0: // decided, and crashed before the log was written
		return n.bootstrap(id)
	case len(n.cfg.Join) > 0:
		return n.prepareJoin(ctx, id)
	case id.Joining != nil:
		return misconfigured(fmt.Errorf("data directory %s began to join a cluster and did not finish; start with the masters to join again, or empty the directory", n.cfg.DataDir))
	case n.cfg.Bootstrap:
		return n.found(ctx, []foundingRow{{ID: id.ID, DiskID: id.DiskID, RaftAddress: n.cfg.RaftAdvertise, APIURL: n.cfg.APIURL}})
	case len(n.cfg.Founders) > 0:
		return n.form(ctx, id)
	default:
		return fmt.Errorf("data directory %s is empty and belongs to no cluster: start with the list of all masters (--masters), with masters to join (--join), or as a cluster of one (--bootstrap)", n.cfg.DataDir)
	}
}

// checkNotWiped refuses a member whose log is gone but whose identity is not, and
// one whose snapshot is gone but whose log is not: Raft would start from what is
// left.
func (n *Node) checkNotWiped(id identity) error {
	hasTerm, err := n.store.HasTerm()
	if err != nil {
		return err
	}
	first, err := n.store.Log.FirstIndex()
	if err != nil {
		return err
	}
	snapshot, err := n.store.Snapshots.Reach()
	switch {
	case err != nil:
		return err
	case !hasTerm || first == 0 && snapshot == 0:
		return n.wiped(id.ClusterID)
	case first > snapshot+1:
		return store.StartAnew(fmt.Errorf("the log in %s begins with entry %d, and the newest snapshot ends with %d: what is between them is gone", n.cfg.DataDir, first, snapshot))
	}
	return nil
}

func (n *Node) wiped(cluster string) error {
	return fmt.Errorf("master %q belongs to cluster %s, but this disk is empty or another one: it has forgotten what it acknowledged and voted, so it must not come back under this id. Remove %q from the cluster (muster masters remove %s), then start here on an empty directory with a new id and join",
		n.cfg.ID, cluster, n.cfg.ID, n.cfg.ID)
}

// form waits until all founders of the list are known to start from nothing,
// together. A list alone would not do: a master that lost its disk would form
// the cluster again, or vote with an empty log.
func (n *Node) form(ctx context.Context, id identity) error {
	for attempt := 0; ; attempt++ {
		founders, missing, err := n.askFounders(ctx, id)
		if err != nil {
			return err
		}
		if founders != nil {
			return n.found(ctx, founders)
		}
		if attempt%20 == 0 {
			n.logger.Info("waiting for the other masters of the list", "missing", missing)
		}
		if !wait.Sleep(ctx, backoff(attempt)) {
			return context.Cause(ctx)
		}
	}
}

// askFounders asks every other founder once. It returns the founders when they
// are settled, or else who is missing.
func (n *Node) askFounders(ctx context.Context, me identity) (founders []foundingRow, missing []string, err error) {
	disks := map[string]string{me.ID: me.DiskID}
	for id, h := range n.helloAll(ctx) {
		if h.ClusterID != "" {
			founders, err = n.adopt(me, h)
			return founders, nil, err
		}
		disks[id] = h.DiskID
	}
	for _, f := range n.cfg.Founders {
		if disks[f.ID] == "" {
			missing = append(missing, f.ID)
		}
	}
	if len(missing) > 0 {
		return nil, missing, nil
	}
	return n.rows(disks), nil, nil
}

// adopt takes over the founders that an already formed peer knows, if this very
// disk is one of them.
func (n *Node) adopt(me identity, peer Hello) ([]foundingRow, error) {
	if peer.Founders[me.ID] != me.DiskID {
		return nil, n.wiped(peer.ClusterID)
	}
	founders := n.rows(peer.Founders)
	if len(founders) != len(peer.Founders) || len(founders) != len(n.cfg.Founders) {
		return nil, fmt.Errorf("master %q formed the cluster with %s; the list here names %s: give all masters the same list",
			peer.ID, strings.Join(slices.Sorted(maps.Keys(peer.Founders)), ", "), n.listed())
	}
	return founders, nil
}

// rows joins disk ids with the list's addresses, sorted by id: every founder
// must write the identical configuration.
func (n *Node) rows(disks map[string]string) []foundingRow {
	var rows []foundingRow
	for _, f := range n.cfg.Founders {
		if disk := disks[f.ID]; disk != "" {
			rows = append(rows, foundingRow{ID: f.ID, DiskID: disk, RaftAddress: f.RaftAddress, APIURL: f.APIURL})
		}
	}
	slices.SortFunc(rows, func(a, b foundingRow) int { return strings.Compare(a.ID, b.ID) })
	return rows
}

func (n *Node) listed() string {
	var ids []string
	for _, f := range n.cfg.Founders {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

// found stores who the founders are and forms the cluster. Before it writes the
// log it asks once more: with lists that differ, at least one of two masters sees
// what the other has stored by now.
func (n *Node) found(ctx context.Context, founders []foundingRow) error {
	own := clusterID(founders)
	err := n.identity.update(func(i *identity) { i.ClusterID, i.Founders = own, founders })
	if err != nil {
		return err
	}
	for id, h := range n.helloAll(ctx) {
		if h.ClusterID != "" && h.ClusterID != own {
			return fmt.Errorf("master %q formed another cluster, %s, from another list of masters or another disk; this one formed %s. Empty the data directory here, and give all masters the same list", id, h.ClusterID, own)
		}
	}
	return n.bootstrap(n.identity.get())
}

// helloAll asks all other founders at once and returns who answered.
func (n *Node) helloAll(ctx context.Context) map[string]Hello {
	var mu sync.Mutex
	answers := map[string]Hello{}
	var wg sync.WaitGroup
	for _, f := range n.cfg.Founders {
		if f.ID == n.cfg.ID {
			continue
		}
		wg.Go(func() {
			h, err := n.hello(ctx, f.APIURL)
			switch {
			case errors.Is(err, ErrSlave):
				n.logger.Warn("the list says a slave's address for a master's API; give all masters the right list", "peer", f.ID, "url", f.APIURL)
			case errors.Is(err, ErrRaftPort):
				n.logger.Warn("the list says a Raft address for a master's API; give all masters the right list", "peer", f.ID, "url", f.APIURL)
			case err != nil:
				n.logger.Debug("a master of the list does not answer", "peer", f.ID, "url", f.APIURL, "error", err)
			case h.ID != f.ID:
				n.logger.Warn("another master answers than the list says", "url", f.APIURL, "expected", f.ID, "answered", h.ID)
			default:
				mu.Lock()
				defer mu.Unlock()
				answers[f.ID] = h
			}
		})
	}
	wg.Wait()
	return answers
}

// hello asks one master who it is.
func (n *Node) hello(ctx context.Context, apiURL string) (Hello, error) {
	if n.cfg.Peers == nil {
		return Hello{}, errors.New("this master has no way to talk to others")
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	return n.cfg.Peers.Hello(ctx, apiURL)
}

// bootstrap writes the founders' configuration as the first entry of the log.
func (n *Node) bootstrap(id identity) error {
	var c raft.Configuration
	for _, f := range id.Founders {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(f.ID), Address: raft.ServerAddress(f.RaftAddress)})
	}
	err := raft.BootstrapCluster(n.raftConfig(), n.store.Log, n.store.Stable, n.store.Snapshots, n.gate, c)
	if errors.Is(err, raft.ErrCantBootstrap) {
		err = n.finishBootstrap(c)
	}
	if err != nil {
		return fmt.Errorf("form the cluster: %w", err)
	}
	if err := n.identity.update(func(i *identity) { i.Bootstrapped = true }); err != nil {
		return err
	}
	n.logger.Info("cluster formed", "cluster", id.ClusterID, "masters", len(id.Founders))
	return nil
}

// finishBootstrap goes on after a crash in BootstrapCluster, which stores the
// term first and the entry second, and refuses to touch a disk that has the term.
func (n *Node) finishBootstrap(c raft.Configuration) error {
	last, err := n.store.Log.LastIndex()
	if err != nil || last > 0 {
		return err
	}
	return n.store.Log.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(c)})
}

// backoff is the pause before another attempt to get an answer from other masters.
func backoff(attempt int) time.Duration {
	return wait.Pause(50*time.Millisecond, 2*time.Second, attempt)
}
