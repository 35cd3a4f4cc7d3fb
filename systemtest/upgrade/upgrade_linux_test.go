package upgrade_test

import (
	"testing"
)

// Each master is replaced when the one before says that it is ready, and so are the
// slaves after them. No acknowledged task is lost or done wrongly, whoever goes first, and
// in the end all masters have the same state.
func TestAClusterIsRolledOverItsPredecessor(t *testing.T) {
	needPredecessor(t)
	for name, leaderFirst := range map[string]bool{"followers first": false, "leader first": true} {
		passed := t.Run(name, func(t *testing.T) {
			s := newSystem(t, binaries.before)
			l := startLoad(s)
			l.flows(s)
			order := s.order(leaderFirst)
			if !leaderFirst {
				// Somebody changes their mind: nothing that the old version does not know
				// is in the log while it has a master.
				s.roll(l, order[0], binaries.now)
				s.roll(l, order[0], binaries.before)
			}
			for _, m := range order {
				s.roll(l, m, binaries.now)
			}
			for _, x := range s.slaves {
				before := s.registered(x, "")
				s.replace(x, binaries.now)
				s.registered(x, before)
				l.flows(s)
			}
			l.finish()
			l.judge()
			s.agree()
			for _, p := range append(s.masters, s.slaves...) {
				if p.version != binaries.now {
					t.Errorf("%s is still of the version %s", p.name, p.version)
				}
			}
		})
		if !passed {
			return // the other would wait as long for the same
		}
	}
}

// order lists the masters in the order in which they are replaced.
func (s *system) order(leaderFirst bool) []*process {
	s.t.Helper()
	leader := s.leader()
	var order []*process
	for _, m := range s.masters {
		if m != leader {
			order = append(order, m)
		}
	}
	if leaderFirst {
		return append([]*process{leader}, order...)
	}
	return append(order, leader)
}

// roll replaces a master and waits as an orchestrator does.
func (s *system) roll(l *load, m *process, binary string) {
	s.t.Helper()
	s.replace(m, binary)
	s.ready(m)
	l.flows(s)
}
