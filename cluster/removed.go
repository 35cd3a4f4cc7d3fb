package cluster

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// A master that was removed while it was away comes back with a log in which it
// is a member. Raft's others refuse to vote for it, without a word, and it would
// look for a leader for ever. So the gate tells it, and it tells people.

// errRemoved answers a master that wants to be voted for and is no member. The
// text travels: a transport carries errors as text.
var errRemoved = errors.New("it is no member of this cluster")

// standing is what this master knows of being a member, from its own log and
// from what others answered.
type standing struct {
	members atomic.Pointer[func() raft.Configuration] // nil until Raft runs
	refused atomic.Bool                               // a member answered errRemoved, and no leader was heard since
}

// judge returns errRemoved for a candidate that is no member, as far as this
// master knows. Raft would refuse it, too.
func (s *standing) judge(candidate []byte) error {
	members := s.members.Load()
	if members == nil || len(candidate) == 0 {
		return nil
	}
	c := (*members)()
	if _, member := server(c, string(candidate)); member || len(c.Servers) == 0 {
		return nil
	}
	return fmt.Errorf("master %s is not voted for: %w", candidate, errRemoved)
}

// heard looks at what another master answered to a candidacy of this one.
func (s *standing) heard(err error) {
	if err != nil && strings.Contains(err.Error(), errRemoved.Error()) {
		s.refused.Store(true)
	}
}

// led notes that a leader sends to this master, so it is a member.
func (s *standing) led() {
	if s.refused.Load() {
		s.refused.Store(false)
	}
}

// removed tells whether this disk's master was a voter and is no member any
// more, and if so what to do.
func (n *Node) removed(r *raft.Raft) error {
	if !n.leftOut(r) && !n.gate.standing.refused.Load() {
		return nil
	}
	return fmt.Errorf("master %q was removed from its cluster: what is in %s is out of date; to take it in again, start it with masters to join on an empty directory and with a new id",
		n.cfg.ID, n.cfg.DataDir)
}

// leftOut reports whether this disk's master was a voter and its own log says
// that it is no member any more.
func (n *Node) leftOut(r *raft.Raft) bool {
	c, id := r.GetConfiguration().Configuration(), n.identity.get()
	_, member := server(c, n.cfg.ID)
	return len(c.Servers) > 0 && !member && id.voter()
}
