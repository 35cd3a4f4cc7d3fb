package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// polled is what the other voters say.
type polled struct {
	agree  int   // how many, this master included, hear no leader
	ahead  int   // how many of them have a log that is further, and so would refuse their vote
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
			further := o.Last.compare(own)
			if further > 0 {
				p.ahead++
			}
			if cmp.Or(further, strings.Compare(id, other)) > 0 {
				p.rank++
				p.stands = p.stands || o.Stands
			}
		}
	}
	return p
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

func voters(members raft.Configuration) int {
	n := 0
	for _, s := range members.Servers {
		if s.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}
