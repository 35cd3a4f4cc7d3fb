package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// clusterStatus is what every master says of itself.
type clusterStatus struct {
	Leader  string         `json:"leader"` // its id; empty if there is none
	Masters []masterStatus `json:"masters"`
}

// masterStatus is one master's word, or why there is none.
type masterStatus struct {
	ID     string         `json:"id"`
	APIURL string         `json:"api_url"`
	Status *client.Status `json:"status,omitempty"`
	Error  string         `json:"error,omitempty"`
}

func (p *program) statusCommand() *cobra.Command {
	var fingerprint bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "ask every master how it is",
		Long:  "Ask every master of the cluster how it is. Exits with 4 if none of them leads.",
		Args:  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
				masters, err := c.Masters(ctx)
				if err != nil {
					return err
				}
				p.locate(ctx, c, masters)
				status := askMasters(ctx, c, masters, fingerprint)
				err = printList(p, status, status.Masters, func() error { return p.printStatus(status, fingerprint) })
				if err == nil && status.Leader == "" {
					err = status.noLeader()
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&fingerprint, "fingerprint", false, "hash the whole state, too: equal on masters with the same applied index")
	return cmd
}

// statusTimeout is how long one master may take to say how it is.
const statusTimeout = 3 * time.Second

func askMasters(ctx context.Context, c *client.Client, masters []client.Master, fingerprint bool) clusterStatus {
	out := clusterStatus{Masters: make([]masterStatus, len(masters))}
	var all sync.WaitGroup
	for i, m := range masters {
		all.Go(func() {
			asking, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			out.Masters[i] = masterStatus{ID: m.ID, APIURL: m.APIURL}
			if m.APIURL == "" {
				out.Masters[i].Error = unlocated
				return
			}
			s, err := c.Status(asking, m.APIURL, fingerprint)
			if err != nil {
				out.Masters[i].Error = words(err)
				return
			}
			out.Masters[i].Status = &s
		})
	}
	all.Wait()
	// Of two that think they lead, the one with the higher term does.
	var term uint64
	for _, m := range out.Masters {
		if m.Status != nil && m.Status.Role == client.RoleLeader && m.Status.Term >= term {
			out.Leader, term = m.ID, m.Status.Term
		}
	}
	return out
}

// answers is the number of masters that said something.
func (s clusterStatus) answers() int {
	n := 0
	for _, m := range s.Masters {
		if m.Status != nil {
			n++
		}
	}
	return n
}

func (p *program) printStatus(s clusterStatus, fingerprint bool) error {
	columns := []string{"id", "role", "term", "index", "leader heard", "ready", "api", "version"}
	if fingerprint {
		columns = append(columns, "fingerprint")
	}
	g := newGrid(columns...).right(3, 4)
	var newest *client.Status
	for _, m := range s.Masters {
		if m.Status == nil {
			role, isReady := "silent", "no"
			if m.APIURL == "" {
				role, isReady = "unknown", "-" // it was not asked
			}
			g.add(m.ID, role, "-", "-", "-", isReady, or(m.APIURL), "-")
			continue
		}
		st := m.Status
		if newest == nil || st.AppliedIndex > newest.AppliedIndex {
			newest = st
		}
		cells := []string{m.ID, string(st.Role), number(st.Term), number(st.AppliedIndex), heard(st), ready(st), m.APIURL, st.Version}
		if fingerprint {
			cells = append(cells, st.Fingerprint)
		}
		g.add(cells...)
	}
	if err := g.print(p); err != nil || newest == nil {
		return err
	}
	if ids := s.unlocated(); len(ids) > 0 && s.Leader != "" { // without a leader, the error says it
		if _, err := fmt.Fprintf(p.stdout, "\n%s\n", unlocatedAdvice(ids)); err != nil {
			return err
		}
	}
	now := s.clusterTime()
	for _, m := range s.Masters {
		if off := clockOff(m.Status, now); off != 0 {
			direction := "ahead of"
			if off < 0 {
				direction = "behind"
			}
			if _, err := fmt.Fprintf(p.stdout, "\nThe wall clock of %s is %s %s the cluster's clock, which is what counts; set it right.\n", m.ID, span(off.Abs()), direction); err != nil {
				return err
			}
		}
	}
	n, c := newest.Counts, newest.Capacity
	oldest := ""
	if !newest.OldestPendingAt.IsZero() {
		oldest = " (the oldest since " + clock(newest.OldestPendingAt) + ")"
	}
	_, err := fmt.Fprintf(p.stdout, "\ntasks:  %d pending%s, %d in progress, %d done\nslaves: %d alive, %d of %d slots busy\n",
		n.Pending, oldest, n.InProgress, n.Done, c.Slaves, c.Busy, c.Slots)
	return err
}

// clusterTime is what the cluster's clock shows. A master that has just started
// knows it only as of the newest entry of its log, so the latest counts.
func (s clusterStatus) clusterTime() time.Time {
	var now time.Time
	for _, m := range s.Masters {
		if m.Status != nil && m.Status.ClusterTime.After(now) {
			now = m.Status.ClusterTime
		}
	}
	return now
}

// clockOff is how far a master's own clock is from the cluster's; 0 if that is not
// worth a word.
func clockOff(s *client.Status, now time.Time) time.Duration {
	const slack = 2 * time.Second
	if s == nil || s.Time.IsZero() || now.IsZero() {
		return 0
	}
	if off := s.Time.Sub(now); off.Abs() > slack {
		return off
	}
	return 0
}

// heard is when a master last heard the leader.
func heard(s *client.Status) string {
	switch {
	case s.Role == client.RoleLeader:
		return "-"
	case s.LeaderContactMS < 0:
		return "never"
	default:
		return span(time.Duration(s.LeaderContactMS)*time.Millisecond) + " ago"
	}
}

func ready(s *client.Status) string {
	if s.Ready {
		return "yes"
	}
	return "no: " + s.NotReady
}
