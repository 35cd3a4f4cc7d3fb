package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A follower finds by Raft's heartbeat time-out that its leader is gone: by silence, for
// which a machine that is short of processor time gives reason, too, so the time-out is
// long. But when a process ends, the operating system closes its connections at once, and
// refuses new ones. early looks for that, and then has Raft stand for election without
// waiting (docs/adr/0018). The same, without a leader to look at, shortens the wait of
// masters that have just started.
//
// It is a hint and never more: who becomes the leader is decided by Raft's votes. What a
// false alarm costs is an election.

const (
	// refusals is how many times in a row a leader's port has to refuse: one may be
	// the moment in which a process is replaced.
	refusals = 2
	// refusalPause is between two looks at a leader's port.
	refusalPause = 10 * time.Millisecond
	// hailTimeout bounds one look, and one question. A port that refuses does so within
	// a round trip.
	hailTimeout = 250 * time.Millisecond
	// agreementPause is between two questions to the others whether they hear the
	// leader. Their operating system may tell them later.
	agreementPause = 20 * time.Millisecond
	// turnLength is how long a master leaves to each that has a better claim. Votes are
	// on disk within some tens of milliseconds.
	turnLength = 100 * time.Millisecond
)

// early has this master stand for election when the leader's process has surely ended.
type early struct {
	id       string
	hail     func(ctx context.Context, id, address string) (welcome, error)
	at       func(id, address string) []string // where a member may be
	gone     <-chan struct{}                   // some master's connections have all ended
	hears    func(id string) bool              // whether a master has a connection to this one
	raft     electorate
	stand    func(ctx context.Context) error // has Raft stand for election
	patience time.Duration                   // after it, Raft has noticed by itself

	logger *slog.Logger
	count  func(result string)
}

// electorate is what early asks Raft.
type electorate interface {
	leader() string // empty for none
	members() raft.Configuration
	outlook() outlook
	behind() bool // the log is known to lack entries that are committed
}

// What came of a suspicion; the values of a metric's label.
const (
	earlyStood    = "stood"
	earlyAnswered = "answered" // the port does not refuse, or the leader is back
	earlyLed      = "led"      // another leads, or others hear the leader
	earlyUnfit    = "unfit"    // this master must not stand
	earlyTimeout  = "timeout"  // Raft's own time-out came first
)

// run looks until ctx ends.
func (e *early) run(ctx context.Context) {
	e.consider(ctx, "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.gone:
		}
		if leader := e.raft.leader(); leader != "" && leader != e.id && !e.hears(leader) {
			e.consider(ctx, leader)
		}
	}
}

// consider finds out whether to stand in the place of a leader whose connections have
// ended, or, after a start, of none. It ends when Raft's own time-out has passed.
func (e *early) consider(ctx context.Context, suspect string) {
	began := time.Now()
	v := e.decide(ctx, suspect)
	if v.result == earlyStood {
		if err := e.stand(ctx); err != nil {
			v = verdict{earlyUnfit, err}
		}
	}
	if suspect == "" {
		return // every start would be told of
	}
	e.count(v.result)
	after := time.Since(began).Round(time.Millisecond)
	switch v.result {
	case earlyStood:
		e.logger.Info("the leader's process has ended: standing for election at once", "leader", suspect, "after", after)
	case earlyLed:
		e.logger.Info("the leader's connections have ended: others have a leader", "leader", suspect, "reason", v.reason, "after", after)
	default:
		e.logger.Info("the leader's connections have ended: waiting for the heartbeat time-out", "leader", suspect, "reason", v.reason, "after", after)
	}
}

// decide looks at the leader's port and asks the others, again and again if need be.
func (e *early) decide(ctx context.Context, suspect string) verdict {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	began, refused := time.Now(), 0
	for {
		if suspect != "" {
			switch refuses, err := e.refuses(ctx, suspect); {
			case err != nil:
				return verdict{earlyAnswered, err}
			case refuses:
				refused++
			default:
				refused = 0
			}
		}
		wait := refusalPause
		if suspect == "" || refused >= refusals {
			var v verdict
			if v, wait = e.judge(ctx, suspect, time.Since(began)); v.result != "" {
				return v
			}
		}
		if !sleep(ctx, wait) {
			return verdict{earlyTimeout, errors.New("no majority agreed within the time-out")}
		}
	}
}

// refuses reports whether the leader's port refuses connections wherever it may be, or
// the process there has only started: it leads nobody. It returns an error if something
// answers there, or nothing does. Neither is a connection that is cut: the system closes
// a process's connections before its port, and takes new ones in between.
func (e *early) refuses(ctx context.Context, leader string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, hailTimeout)
	defer cancel()
	member, ok := server(e.raft.members(), leader)
	if !ok {
		return false, errors.New("it is not a member any more")
	}
	refused := true
	for _, address := range e.at(leader, string(member.Address)) {
		switch w, err := e.hail(ctx, leader, address); {
		case connectionRefused(err), w.Outlook != nil && w.Outlook.Leader != leader:
		case connectionCut(err):
			refused = false
		case err != nil:
			return false, fmt.Errorf("its port does not refuse: %w", err)
		default:
			return false, errors.New("it answers")
		}
	}
	return refused, nil
}

// verdict is what came of a suspicion; its result is empty while it is open.
type verdict struct {
	result string
	reason error
}

// judge asks the other voters and decides, or says how long to wait before it is asked
// again.
func (e *early) judge(ctx context.Context, suspect string, since time.Duration) (verdict, time.Duration) {
	members, own, leader := e.raft.members(), e.raft.outlook(), e.raft.leader()
	switch {
	case leader != "" && leader != suspect:
		return verdict{earlyLed, fmt.Errorf("%s leads", leader)}, 0
	case suspect != "" && e.hears(suspect):
		return verdict{earlyAnswered, errors.New("it has connected again")}, 0
	case !own.Votes || !isVoter(members, e.id):
		return verdict{earlyUnfit, errors.New("this master does not vote")}, 0
	case e.raft.behind():
		return verdict{earlyUnfit, errors.New("this master's log is behind")}, 0
	}
	said := e.askVoters(ctx, members, suspect)
	p := poll(e.id, suspect, own.Last, said)
	turn := time.Duration(p.rank) * turnLength
	switch {
	case p.led != nil:
		return verdict{earlyLed, p.led}, 0
	case p.agree <= voters(members)/2:
		return verdict{}, agreementPause
	case since < turn:
		return verdict{}, turn - since
	case p.stands:
		return verdict{}, agreementPause
	}
	return verdict{earlyStood, nil}, 0
}

// polled is what the other voters say.
type polled struct {
	agree  int   // how many, this master included, hear no leader
	rank   int   // how many of them have a better claim: a log that is further, or as far and an earlier name
	stands bool  // one of these stands for election
	led    error // somebody hears another leader
}

// poll counts what the other voters say.
func poll(id, suspect string, own logEnd, said map[string]outlook) polled {
	p := polled{agree: 1}
	for other, o := range said {
		switch {
		case o.Hears && o.Leader != suspect:
			p.led = fmt.Errorf("%s follows %s", other, o.Leader)
		case o.Hears || !o.Votes:
		default:
			p.agree++
			if cmp.Or(o.Last.compare(own), strings.Compare(id, other)) > 0 {
				p.rank++
				p.stands = p.stands || o.Stands
			}
		}
	}
	return p
}

func voters(members raft.Configuration) int {
	n := 0
	for _, s := range members.Servers {
		if s.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}

// askVoters asks the other voters but for the suspect, all at once, and returns what
// those say that answer in time.
func (e *early) askVoters(ctx context.Context, members raft.Configuration, suspect string) map[string]outlook {
	ctx, cancel := context.WithTimeout(ctx, hailTimeout)
	defer cancel()
	var asking sync.WaitGroup
	var mu sync.Mutex
	said := map[string]outlook{}
	for _, s := range members.Servers {
		id := string(s.ID)
		if s.Suffrage != raft.Voter || id == e.id || id == suspect {
			continue
		}
		asking.Go(func() {
			if o, ok := e.ask(ctx, id, string(s.Address)); ok {
				mu.Lock()
				defer mu.Unlock()
				said[id] = o
			}
		})
	}
	asking.Wait()
	return said
}

// ask asks a voter, wherever it may be.
func (e *early) ask(ctx context.Context, id, address string) (outlook, bool) {
	for _, at := range e.at(id, address) {
		if w, err := e.hail(ctx, id, at); err == nil && w.Outlook != nil {
			return *w.Outlook, true
		}
	}
	return outlook{}, false
}

// raftElectorate is Raft, and what is known beside it.
type raftElectorate struct {
	n *Node
	r *raft.Raft
}

func (e raftElectorate) leader() string {
	_, id := e.r.LeaderWithID()
	return string(id)
}

func (e raftElectorate) members() raft.Configuration { return e.r.GetConfiguration().Configuration() }

func (e raftElectorate) outlook() outlook { return e.n.outlook() }

func (e raftElectorate) behind() bool { return e.n.gate.commit.Load() > e.r.LastIndex() }

// outlook is how this master sees its cluster.
func (n *Node) outlook() outlook {
	r := n.raft.Load()
	if r == nil {
		return outlook{}
	}
	_, leader := r.LeaderWithID()
	o := outlook{Votes: n.gate.votes.Load(), Leader: string(leader), Stands: r.State() == raft.Candidate, Last: n.lastEntry(r)}
	o.Hears = o.Leader == n.cfg.ID || o.Leader != "" && n.cfg.Transport.connections().connected(o.Leader)
	return o
}

// lastEntry is where the log ends. Its end is in the log, or, right after a start or a
// snapshot from the leader, in a snapshot.
func (n *Node) lastEntry(r *raft.Raft) logEnd {
	p := logEnd{Index: r.LastIndex()}
	var l raft.Log
	if n.stores.logs.GetLog(p.Index, &l) == nil {
		p.Term = l.Term
		return p
	}
	if snapshots, err := n.stores.snapshots.List(); err == nil && len(snapshots) > 0 && snapshots[0].Index == p.Index {
		p.Term = snapshots[0].Term
	}
	return p
}

// standEarly starts looking for a leader whose process has ended, until ctx ends.
func (n *Node) standEarly(ctx context.Context, r *raft.Raft) {
	e := &early{
		id: n.cfg.ID, hail: n.cfg.Transport.hail, raft: raftElectorate{n, r},
		gone: n.cfg.Transport.connections().gone, hears: n.cfg.Transport.connections().connected,
		at: func(id, address string) []string {
			return slices.DeleteFunc([]string{address, n.elsewhere(id, address)}, func(a string) bool { return a == "" })
		},
		stand:    n.gate.standForElection,
		patience: n.cfg.Timings.Heartbeat,
		logger:   n.logger, count: func(result string) { n.metrics.earlyElections.WithLabelValues(result).Inc() },
	}
	e.run(ctx)
}
