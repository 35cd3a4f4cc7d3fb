package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

var (
	errRefused = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	errCut     = &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	errSilent  = fmt.Errorf("dial: %w", context.DeadlineExceeded)
)

// suspected is m2's view of a cluster whose leader, m1, has lost its connections to it.
// What a test does not set says that m1's process has ended, and that all have the same
// log.
type suspected struct {
	mu      sync.Mutex
	looks   int
	port    func(look int) (welcome, error) // what becomes of a look at m1's port
	others  func(id string) (welcome, error)
	lead    string // whom Raft follows
	own     outlook
	lags    bool
	voters  []string
	last    time.Time // when it stood before
	gaveUp  bool      // Raft was told to give up what it stood for
	stood   bool
	busy    bool // Raft's main loop takes nothing in
	back    bool
	heard   time.Time // when the leader was heard
	results []string
}

func suspecting() *suspected {
	s := &suspected{lead: "m1", voters: []string{"m1", "m2", "m3"}}
	s.own = outlook{Votes: true, Leader: "m1", Last: logEnd{Term: 5, Index: 100}}
	s.port = func(int) (welcome, error) { return welcome{}, errRefused }
	s.others = func(string) (welcome, error) {
		return welcome{Outlook: &outlook{Votes: true, Leader: "m1", Last: s.own.Last}}, nil
	}
	return s
}

func (s *suspected) leader() string     { return s.lead }
func (s *suspected) contact() time.Time { return s.heard }
func (s *suspected) members() raft.Configuration {
	var c raft.Configuration
	for _, id := range s.voters {
		c.Servers = append(c.Servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id + ":1")})
	}
	return c
}
func (s *suspected) outlook() outlook { return s.own }
func (s *suspected) behind() bool     { return s.lags }

func (s *suspected) hail(_ context.Context, id, _ string) (welcome, error) {
	if id != "m1" {
		return s.others(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return s.port(s.looks)
}

// decided returns what comes of it, and after how long.
func (s *suspected) decided(t *testing.T, cause suspicion, suspect string) (result string, after time.Duration) {
	t.Helper()
	e := &early{
		id: "m2", hail: s.hail, raft: s, silence: time.Second,
		at:     func(_, address string) []string { return []string{address} },
		hears:  func(string) bool { return s.back },
		giveUp: func(context.Context) error { s.gaveUp = true; return nil },
		stood:  s.last,
		stand: func(ctx context.Context) error {
			if s.busy {
				<-ctx.Done()
				return ctx.Err()
			}
			s.stood = true
			return nil
		},
		logger: slog.New(slog.DiscardHandler),
		count:  func(_ suspicion, result string) { s.results = append(s.results, result) },
	}
	began := time.Now()
	e.consider(t.Context(), cause, suspect)
	after = time.Since(began)
	if len(s.results) != 1 {
		t.Fatalf("counted as %v, want one result", s.results)
	}
	result = s.results[0]
	if s.stood && !s.gaveUp {
		t.Error("it stood, and Raft was not told to give up an election before that")
	}
	if (result == earlyStood) != s.stood {
		t.Errorf("counted as %s; it stood: %v", result, s.stood)
	}
	return result, after
}

// TestAFollowerStandsAtOnceWhenTheLeadersProcessHasEnded, and only then: each case is
// what one signal alone, or somebody's own trouble, looks like.
func TestAFollowerStandsAtOnceWhenTheLeadersProcessHasEnded(t *testing.T) {
	type port = func(look int) (welcome, error)
	always := func(w welcome, err error) port { return func(int) (welcome, error) { return w, err } }
	say := func(o outlook) func(string) (welcome, error) {
		return func(string) (welcome, error) { return welcome{Outlook: &o}, nil }
	}
	same := logEnd{Term: 5, Index: 100}
	for name, c := range map[string]struct {
		set    func(*suspected)
		want   string
		within time.Duration
	}{
		"both see it": {func(*suspected) {}, earlyStood, 2 * refusalPause},
		"its last connection was taken": {func(s *suspected) {
			s.port = func(look int) (welcome, error) {
				if look == 1 {
					return welcome{}, errCut
				}
				return welcome{}, errRefused
			}
		}, earlyStood, 3 * refusalPause},
		"a process has started in its place": {func(s *suspected) {
			s.port = always(welcome{Refused: "this master is starting", Outlook: &outlook{}}, errors.New("this master is starting"))
		}, earlyStood, 2 * refusalPause},
		"it has started again and follows": {func(s *suspected) {
			s.port = always(welcome{Outlook: &outlook{Votes: true, Last: same}}, nil)
		}, earlyStood, 2 * refusalPause},
		"it refused once, and answers": {func(s *suspected) {
			s.port = func(look int) (welcome, error) {
				if look == 1 {
					return welcome{}, errRefused
				}
				return welcome{Outlook: &outlook{Votes: true, Leader: "m1", Hears: true, Last: same}}, nil
			}
		}, earlyAnswered, 2 * refusalPause},
		"it leads, and only the connections broke": {func(s *suspected) {
			s.port = always(welcome{Outlook: &outlook{Votes: true, Leader: "m1", Hears: true, Last: same}}, nil)
		}, earlyAnswered, refusalPause},
		"its port is silent": {func(s *suspected) { s.port = always(welcome{}, errSilent) }, earlyAnswered, refusalPause},
		"another master is at its address": {func(s *suspected) {
			s.port = always(welcome{Refused: "here is master m9, not m1"}, errors.New("here is master m9, not m1"))
		}, earlyAnswered, refusalPause},
		"what is there cuts every connection": {func(s *suspected) { s.port = always(welcome{}, errCut) }, earlyTimeout, 2 * time.Second},
		"a version that says nothing answers": {func(s *suspected) { s.port = always(welcome{}, nil) }, earlyAnswered, refusalPause},
		"it has connected again":              {func(s *suspected) { s.back = true }, earlyAnswered, 2 * refusalPause},
		"the other hears it": {func(s *suspected) {
			s.others = say(outlook{Votes: true, Leader: "m1", Hears: true, Last: same})
		}, earlyTimeout, 2 * time.Second},
		"the other says it late": {func(s *suspected) {
			asked := 0
			s.others = func(string) (welcome, error) {
				asked++
				return welcome{Outlook: &outlook{Votes: true, Leader: "m1", Hears: asked < 4, Last: same}}, nil
			}
		}, earlyStood, 2*refusalPause + 3*agreementPause},
		"the other is of a version that says nothing": {func(s *suspected) {
			s.others = func(string) (welcome, error) { return welcome{}, nil }
		}, earlyTimeout, 2 * time.Second},
		"the other is gone, too":      {func(s *suspected) { s.others = func(string) (welcome, error) { return welcome{}, errRefused } }, earlyTimeout, 2 * time.Second},
		"the other does not vote":     {func(s *suspected) { s.others = say(outlook{Leader: "m1", Last: same}) }, earlyTimeout, 2 * time.Second},
		"the other follows a new one": {func(s *suspected) { s.others = say(outlook{Votes: true, Leader: "m3", Hears: true}) }, earlyLed, 2 * refusalPause},
		"this one follows a new one":  {func(s *suspected) { s.lead = "m3" }, earlyLed, 2 * refusalPause},
		"this one's log is behind":    {func(s *suspected) { s.lags = true }, earlyUnfit, 2 * refusalPause},
		"this one stands in vain":     {func(s *suspected) { s.own.Stands = true }, earlyStood, 2 * refusalPause},
		"this one has just stood": {func(s *suspected) {
			s.own.Stands, s.last = true, time.Now().Add(-100*time.Millisecond)
		}, earlyStood, time.Second/2 - 100*time.Millisecond + agreementPause},
		"Raft has no time for it":      {func(s *suspected) { s.busy = true }, earlyUnfit, 2*refusalPause + standWithin},
		"this one does not vote":       {func(s *suspected) { s.own.Votes = false }, earlyUnfit, 2 * refusalPause},
		"it is not a member any more":  {func(s *suspected) { s.voters = []string{"m2", "m3"} }, earlyAnswered, refusalPause},
		"a cluster of two can't do it": {func(s *suspected) { s.voters = []string{"m1", "m2"} }, earlyTimeout, 2 * time.Second},
		"one of four others says so": {func(s *suspected) {
			s.voters = []string{"m1", "m2", "m3", "m4", "m5"}
			s.others = func(id string) (welcome, error) {
				return welcome{Outlook: &outlook{Votes: true, Leader: "m1", Hears: id != "m3", Last: same}}, nil
			}
		}, earlyTimeout, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := suspecting()
				c.set(s)
				if got, after := s.decided(t, hasEnded, "m1"); got != c.want || after > c.within {
					t.Errorf("%s after %s; want %s within %s", got, after, c.want, c.within)
				}
			})
		})
	}
}

// TestTheFurthestLogStandsFirst, among equals the first by name, and the others leave it
// its turn: two that stand at once would split the votes.
func TestTheFurthestLogStandsFirst(t *testing.T) {
	for name, c := range map[string]struct {
		other  string
		last   logEnd
		stands bool
		after  time.Duration
		result string
	}{
		"equal, and first by name":    {"m3", logEnd{5, 100}, false, refusalPause, earlyStood},
		"equal, and second by name":   {"m0", logEnd{5, 100}, false, turnLength, earlyStood},
		"the other has more":          {"m3", logEnd{5, 101}, false, time.Second, earlyTimeout}, // and would refuse its vote
		"the other has a later term":  {"m3", logEnd{6, 1}, false, time.Second, earlyTimeout},
		"the other has less":          {"m0", logEnd{5, 99}, false, refusalPause, earlyStood},
		"the other has more, stands":  {"m3", logEnd{5, 101}, true, time.Second, earlyTimeout},
		"the other has less, stands":  {"m0", logEnd{5, 99}, true, refusalPause, earlyStood},
		"the other's term is earlier": {"m0", logEnd{4, 1000}, false, refusalPause, earlyStood},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := suspecting()
				s.voters = []string{"m1", "m2", c.other}
				s.others = func(string) (welcome, error) {
					return welcome{Outlook: &outlook{Votes: true, Stands: c.stands, Last: c.last}}, nil
				}
				got, after := s.decided(t, hasEnded, "m1")
				if got != c.result || after < c.after || after > c.after+2*turnLength {
					t.Errorf("%s after %s; want %s after %s", got, after, c.result, c.after)
				}
			})
		})
	}
}

// TestASilentLeaderIsReplacedWhenAMajorityHearsNothing: it may stand still, or be cut off,
// and its port need not refuse.
func TestASilentLeaderIsReplacedWhenAMajorityHearsNothing(t *testing.T) {
	hears := func(hears bool) func(string) (welcome, error) {
		return func(string) (welcome, error) {
			return welcome{Outlook: &outlook{Votes: true, Leader: "m1", Hears: hears, Last: logEnd{5, 100}}}, nil
		}
	}
	for name, c := range map[string]struct {
		set  func(*suspected)
		want string
	}{
		"nobody hears it":       {func(s *suspected) { s.others = hears(false) }, earlyStood},
		"the other hears it":    {func(s *suspected) { s.others = hears(true) }, earlyTimeout},
		"it is heard again":     {func(s *suspected) { s.others, s.heard = hears(false), time.Now() }, earlyAnswered},
		"the other is silent":   {func(s *suspected) { s.others = func(string) (welcome, error) { return welcome{}, errSilent } }, earlyTimeout},
		"the other has another": {func(s *suspected) { s.others, s.lead = hears(false), "m3" }, earlyLed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := suspecting()
				s.heard = time.Now().Add(-time.Second)
				s.port = func(int) (welcome, error) {
					t.Error("its port was looked at")
					return welcome{}, errSilent
				}
				c.set(s)
				if got, _ := s.decided(t, isSilent, "m1"); got != c.want {
					t.Errorf("%s; want %s", got, c.want)
				}
			})
		})
	}
}

// TestASilenceIsLeftToThoseWithABetterClaim for as long as they may take to find it.
func TestASilenceIsLeftToThoseWithABetterClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := suspecting()
		s.heard = time.Now().Add(-time.Second)
		s.voters = []string{"m0", "m1", "m2"}
		result, after := s.decided(t, isSilent, "m1")
		if result != earlyStood || after < 2*time.Second/silenceLooks+turnLength {
			t.Errorf("%s after %s", result, after)
		}
	})
}

// TestSilenceIsFoundOnASecondLook: who had no processor reads first what came. And it is
// found again, after pauses that get longer: an election may have failed.
func TestSilenceIsFoundOnASecondLook(t *testing.T) {
	var s silence
	const a, b = 0, 20 // when a leader was heard, in tenths of a second
	for i, look := range []struct {
		at, heard int
		found     bool
	}{
		{9, a, false},
		{10, a, false},
		{11, a, true},
		{12, a, false},
		{20, a, false},
		{21, a, true},
		{22, b, false},
		{30, b, false},
		{31, b, true},
		{41, b, true},
		{42, b, false},
		{60, b, false},
		{65, b, true}, // looks may be late
		{104, b, false},
		{105, b, true},
		{144, b, false},
		{145, b, true},
	} {
		tenths := func(n int) time.Time { return time.Unix(100, 0).Add(time.Duration(n) * time.Second / 10) }
		if got := s.found(tenths(look.at), tenths(look.heard), time.Second); got != look.found {
			t.Errorf("look %d: found %v", i, got)
		}
	}
}

// TestAStartDoesNotWaitForTheTimeOut where a majority knows no leader.
func TestAStartDoesNotWaitForTheTimeOut(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*suspected)
		stood bool
	}{
		"alone":        {func(s *suspected) { s.voters = []string{"m2"} }, true},
		"with another": {func(*suspected) {}, true},
		"where somebody leads": {func(s *suspected) {
			s.others = func(string) (welcome, error) {
				return welcome{Outlook: &outlook{Votes: true, Leader: "m1", Hears: true}}, nil
			}
		}, false},
		"without a majority": {func(s *suspected) {
			s.others = func(string) (welcome, error) { return welcome{}, errRefused }
			s.port = func(int) (welcome, error) { return welcome{}, errRefused }
		}, false},
		"as one that is no voter": {func(s *suspected) { s.voters = []string{"m1", "m3"} }, false},
		"while others start": {func(s *suspected) {
			started := time.Now().Add(300 * time.Millisecond)
			s.others = func(string) (welcome, error) {
				if time.Now().Before(started) {
					return welcome{Outlook: &outlook{}}, errors.New("this master is starting")
				}
				return welcome{Outlook: &outlook{Votes: true, Last: s.own.Last}}, nil
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := suspecting()
				s.lead, s.own.Leader = "", ""
				s.port = func(int) (welcome, error) { return s.others("m1") }
				c.set(s)
				if _, after := s.decided(t, startsAlone, ""); s.stood != c.stood || c.stood && after > 500*time.Millisecond {
					t.Errorf("it stood: %v, after %s; want %v", s.stood, after, c.stood)
				}
			})
		})
	}
}

// TestCallersAreCounted: a leader has several connections; it is gone with the last.
func TestCallersAreCounted(t *testing.T) {
	c := newCallers()
	c.came("m1")
	c.came("m1")
	c.went("m1")
	if !c.connected("m1") || len(c.gone) != 0 {
		t.Error("a master with one connection left is taken for gone")
	}
	c.went("m1")
	c.came("m2")
	c.went("m2") // nobody has looked yet
	if c.connected("m1") || len(c.gone) != 1 || len(c.counts) != 0 {
		t.Errorf("connected: %v, told %d times, counts %v", c.connected("m1"), len(c.gone), c.counts)
	}
}

// TestCutAndRefusedConnectionsAreToldApart from each other, and from silence.
func TestCutAndRefusedConnectionsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		err          error
		cut, refused bool
	}{
		{errRefused, false, true},
		{errCut, true, false},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, true, false},
		{fmt.Errorf("greet: %w", io.EOF), true, false},
		{errSilent, false, false},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, false, false},
		{&net.OpError{Op: "dial", Err: syscall.EADDRNOTAVAIL}, false, false},
		{nil, false, false},
	} {
		if cut, refused := connectionCut(c.err), connectionRefused(c.err); cut != c.cut || refused != c.refused {
			t.Errorf("%v: cut %v, refused %v", c.err, cut, refused)
		}
	}
}
