package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"muster/task/wait"
)

// Raft's followers find that their leader is gone by its silence, each by a time-out of
// its own that is random between one length and twice that. A machine that is short of
// processor time makes a leader silent, too, so the time-out must be long; and then it is
// long for a process that has ended, of which the operating system tells at once: it
// closes its connections, and refuses new ones.
//
// So followers tell each other. early has this master stand for election without waiting
// for Raft's time-out (docs/adr/0018) when a majority does not hear the leader and
//
//   - its process has ended: its connections have, and its port refuses new ones; or
//   - it has been silent for Timings.Silence; or
//   - there is none, as this master has just started.
//
// That is a hint and never more: who becomes the leader is decided by Raft's votes. What a
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
	// standWithin bounds the wait for Raft's main loop to take in that it stands: a leader
	// may be found meanwhile.
	standWithin = 50 * time.Millisecond
	// giveUpWithin bounds the wait for Raft to give up an election: it writes a term to
	// its disk.
	giveUpWithin = 250 * time.Millisecond
	// turnLength is how long a master leaves to each that has a better claim. Votes are
	// on disk within some tens of milliseconds.
	turnLength = 100 * time.Millisecond
	// silenceLooks is how many times within Timings.Silence it is looked for silence. Two
	// looks in a row must find it: a master that had no processor itself reads first what
	// had arrived.
	silenceLooks = 10
	// maxPause is the longest pause, in Timings.Silence, between two suspicions of one
	// silence.
	maxPause = 4
)

// early has this master stand for election before Raft's time-out.
type early struct {
	id      string
	hail    func(ctx context.Context, id, address string) (welcome, error)
	at      func(id, address string) []string // where a member may be
	gone    <-chan struct{}                   // some master's connections have all ended
	hears   func(id string) bool              // whether a master has a connection to this one
	raft    electorate
	giveUp  func(ctx context.Context) error // has Raft give up an election that it stands for
	stand   func(ctx context.Context) error // has Raft stand for election
	stood   time.Time                       // when it last did; only run reads and writes it
	silence time.Duration                   // Timings.Silence

	logger *slog.Logger
	count  func(cause suspicion, result string)
}

// electorate is what early asks Raft.
type electorate interface {
	leader() string     // empty for none
	contact() time.Time // when it was last heard
	members() raft.Configuration
	outlook() outlook
	behind() bool // the log is known to lack entries that are committed
}

// suspicion is why a leader may be gone; the value of a metric's label.
type suspicion string

const (
	startsAlone suspicion = "start"  // this master has just started, and knows none
	hasEnded    suspicion = "ended"  // its connections to this master have ended
	isSilent    suspicion = "silent" // it was not heard for Timings.Silence
)

// What came of a suspicion; the values of a metric's label.
const (
	earlyStood    = "stood"
	earlyAnswered = "answered" // the port does not refuse, or the leader is heard again
	earlyLed      = "led"      // another leads, or others hear the leader
	earlyUnfit    = "unfit"    // this master must not stand
	earlyTimeout  = "timeout"  // no majority agreed in time
)

// run looks until ctx ends.
func (e *early) run(ctx context.Context) {
	e.consider(ctx, startsAlone, "")
	look := time.NewTicker(e.silence / silenceLooks)
	defer look.Stop()
	var quiet silence
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.gone:
			if leader := e.raft.leader(); leader != "" && leader != e.id && !e.hears(leader) {
				e.consider(ctx, hasEnded, leader)
			}
		case <-look.C:
			leader, heard := e.raft.leader(), e.raft.contact()
			if quiet.found(time.Now(), heard, e.silence) && leader != e.id {
				e.consider(ctx, isSilent, leader)
			}
		}
	}
}

// silence counts looks that found that no leader was heard for long.
type silence struct {
	heard time.Time // when one was heard before
	looks int
	again time.Time     // when it is found again
	pause time.Duration // before that
}

// found takes in a look, and reports whether it is the second in a row that finds
// silence. A silence that goes on is found again, after pauses that double: an election
// may have failed, because two stood at once, say, and one that only needs time gets it.
func (s *silence) found(now, heard time.Time, long time.Duration) bool {
	if !heard.Equal(s.heard) {
		*s = silence{heard: heard}
	}
	if now.Sub(heard) < long {
		s.looks = 0
		return false
	}
	s.looks++
	switch {
	case s.looks < 2:
		return false
	case s.looks == 2:
		s.pause = long
	case now.Before(s.again):
		return false
	default:
		s.pause = min(2*s.pause, maxPause*long)
	}
	s.again = now.Add(s.pause)
	return true
}

// consider finds out whether to stand in the place of a leader.
func (e *early) consider(ctx context.Context, cause suspicion, leader string) {
	began := time.Now()
	v := e.decide(ctx, cause, leader)
	if v.result == earlyStood {
		if err := e.standNow(ctx); err != nil {
			v = verdict{earlyUnfit, fmt.Errorf("raft is busy: %w", err)}
		}
	}
	e.count(cause, v.result)
	level := slog.LevelInfo
	switch {
	case cause == startsAlone:
		return // every start would be told of
	case leader == "":
		level = slog.LevelDebug // it was told of when there was one
	}
	e.logger.Log(ctx, level, "the leader seems to be gone", "leader", leader, "cause", string(cause), "result", v.result, "reason", v.reason, "after", time.Since(began).Round(time.Millisecond))
}

// standNow has Raft stand for election, if it takes that in soon.
func (e *early) standNow(ctx context.Context) error {
	givingUp, cancel := context.WithTimeout(ctx, giveUpWithin)
	defer cancel()
	if err := e.giveUp(givingUp); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(ctx, standWithin)
	defer cancel()
	e.stood = time.Now()
	return e.stand(ctx)
}

// verdict is what came of a suspicion; its result is empty while it is open.
type verdict struct {
	result string
	reason error
}

// decide looks at the leader's port and asks the others, again and again if need be.
func (e *early) decide(ctx context.Context, cause suspicion, leader string) verdict {
	ctx, cancel := context.WithTimeout(ctx, e.silence)
	defer cancel()
	began, refused := time.Now(), 0
	for {
		if cause == hasEnded {
			switch refuses, err := e.refuses(ctx, leader); {
			case err != nil:
				return verdict{earlyAnswered, err}
			case refuses:
				refused++
			default:
				refused = 0
			}
		}
		pause := refusalPause
		if cause != hasEnded || refused >= refusals {
			var v verdict
			if v, pause = e.judge(ctx, cause, leader, time.Since(began)); v.result != "" {
				return v
			}
		}
		if !wait.Sleep(ctx, pause) {
			return verdict{earlyTimeout, errors.New("no majority agreed in time")}
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

// judge asks the other voters and decides, or says how long to wait before it is asked
// again.
func (e *early) judge(ctx context.Context, cause suspicion, suspect string, since time.Duration) (verdict, time.Duration) {
	members, own, leader := e.raft.members(), e.raft.outlook(), e.raft.leader()
	switch {
	case leader != "" && leader != suspect:
		return verdict{earlyLed, fmt.Errorf("%s leads", leader)}, 0
	case cause == hasEnded && e.hears(suspect), cause == isSilent && time.Since(e.raft.contact()) < e.silence:
		return verdict{earlyAnswered, errors.New("it is heard again")}, 0
	case own.Stands && time.Since(e.stood) < e.silence/2:
		return verdict{}, agreementPause // the votes may be under way
	case !own.Votes || !isVoter(members, e.id):
		return verdict{earlyUnfit, errors.New("this master does not vote")}, 0
	case e.raft.behind():
		return verdict{earlyUnfit, errors.New("this master's log is behind")}, 0
	}
	asked := time.Now()
	p := poll(e.id, suspect, own.Last, e.askVoters(ctx, members, suspect))
	turn := e.turn(cause, p.rank, time.Since(asked))
	switch {
	case p.led != nil:
		return verdict{earlyLed, p.led}, 0
	case p.agree-p.ahead <= voters(members)/2:
		return verdict{}, agreementPause
	case since < turn:
		return verdict{}, turn - since
	case p.stands:
		return verdict{}, agreementPause
	}
	return verdict{earlyStood, nil}, 0
}

// turn is how long this master leaves to those with a better claim, where the others were
// asked for so long.
func (e *early) turn(cause suspicion, rank int, asked time.Duration) time.Duration {
	if rank == 0 {
		return 0
	}
	turn := time.Duration(rank)*turnLength + asked // they have to ask, too
	if cause == isSilent {
		turn += 2 * e.silence / silenceLooks // they may look for silence that much later
	}
	return turn
}
