package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"muster/api/client"
)

// A master that joined knows the others' API URLs from the registry, and so, after a
// start, not before it has applied the log up to them: it lists the masters without.

// unlocated is why a master was not asked.
const unlocated = "its API URL is not known yet: the master that listed it is catching up with the log"

// locate fills in the API URLs that the list lacks, as far as the masters at
// --address tell their own and their leader's.
func (p *program) locate(ctx context.Context, c *client.Client, masters []client.Master) {
	missing := func(m client.Master) bool { return m.APIURL == "" }
	if !slices.ContainsFunc(masters, missing) {
		return
	}
	addresses, err := baseURLs("--address", p.address)
	if err != nil {
		return // they were read before the list was asked for
	}
	told := make([]client.Status, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() {
			asking, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			told[i], _ = c.Status(asking, address, false) // who is silent tells nothing
		})
	}
	all.Wait()
	urls := map[string]string{}
	for _, s := range told {
		urls[s.LeaderID] = cmp.Or(urls[s.LeaderID], s.LeaderURL)
	}
	for i, s := range told { // of its own address nobody knows more
		urls[s.ID] = cmp.Or(s.APIURL, urls[s.ID], addresses[i])
	}
	for i, m := range masters {
		masters[i].APIURL = cmp.Or(m.APIURL, urls[m.ID])
	}
}

// unlocated names the masters that could not be asked.
func (s clusterStatus) unlocated() []string {
	var ids []string
	for _, m := range s.Masters {
		if m.APIURL == "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func unlocatedAdvice(ids []string) string {
	return fmt.Sprintf("The master that was asked is catching up with the log and does not know yet where to reach %s: ask again in a moment, or name all masters in --address.", strings.Join(ids, ", "))
}

// noLeader says that none of those that answer leads, and, where not all could be
// asked, that this is not the whole picture.
func (s clusterStatus) noLeader() error {
	if ids := s.unlocated(); len(ids) > 0 {
		return exitf(exitUnreachable, "none of the %d masters that answer leads, and %s could not be asked: the master that listed them is catching up with the log and does not know their API URLs yet; ask again in a moment, or name all masters in --address", s.answers(), strings.Join(ids, ", "))
	}
	return exitf(exitUnreachable, "no master leads: %d of %d answer, and more than half must run", s.answers(), len(s.Masters))
}
