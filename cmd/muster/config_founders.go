package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"muster/cmd/app"
	"muster/task/baseurl"
)

// founders parses --masters of a master: m1=RAFT=URL for each founding master. It
// tells every mistake.
func founders(list []string) ([]app.Peer, error) {
	var out []app.Peer
	var wrong []error
	seen := map[string]string{}
	for _, entry := range list {
		p, err := founder(entry)
		if err != nil {
			wrong = append(wrong, inElement(err, entry))
			continue
		}
		for _, word := range []string{p.ID, p.RaftAddress, p.APIURL} {
			if other, twice := seen[word]; twice {
				err := wrongf("masters", "names %q twice, in %q and in %q; ids and addresses are each master's own", word, other, entry)
				wrong = append(wrong, inElement(err, entry))
			}
			seen[word] = entry
		}
		out = append(out, p)
	}
	return out, errors.Join(append(wrong, loopbackAmongOthers(out))...)
}

func founder(entry string) (app.Peer, error) {
	id, rest, _ := strings.Cut(strings.TrimSpace(entry), "=")
	raft, api, ok := strings.Cut(rest, "=")
	if !ok || id == "" {
		return app.Peer{}, wrongf("masters", "has %q; each master is ID=RAFT-HOST:PORT=API-URL, like m1=127.0.0.1:7101=http://127.0.0.1:8101", entry)
	}
	if err := founderRaft(raft); err != nil {
		return app.Peer{}, wrongf("masters", "has %s with %w", id, err)
	}
	u, err := parseBaseURL(api)
	if err != nil {
		return app.Peer{}, wrongf("masters", "has a wrong URL for %s: %w", id, err)
	}
	if wildcard(u.Hostname()) {
		return app.Peer{}, wrongf("masters", "has %s with %q, which others can't dial; write the URL that %s advertises", id, api, id)
	}
	return app.Peer{ID: id, RaftAddress: raft, APIURL: u.Scheme + "://" + u.Host}, nil
}

// founderRaft checks the address at which the others dial a founder.
func founderRaft(raft string) error {
	host, port, err := net.SplitHostPort(raft)
	switch {
	case err != nil:
		return fmt.Errorf("%q, which is not HOST:PORT, like 127.0.0.1:7101: %w", raft, err)
	case wildcard(host) || port == "0" || port == "":
		return fmt.Errorf("%q, which others can't dial; write the host and the port that it advertises", raft)
	}
	if err := baseurl.CheckAddress(raft); err != nil {
		return fmt.Errorf("%q, which %w", raft, err)
	}
	return nil
}

// loopbackAmongOthers refuses a list in which a machine other than the one that
// is meant would talk to itself.
func loopbackAmongOthers(list []app.Peer) error {
	var own, other string
	for _, p := range list {
		for _, host := range []string{hostOf(p.RaftAddress), hostOfURL(p.APIURL)} {
			if loopback(host) {
				own = host
			} else {
				other = host
			}
		}
	}
	if own == "" || other == "" {
		return nil
	}
	return wrongf("masters", "has %s, which is each machine itself, beside %s; write the address that the other masters reach it by", own, other)
}

// loopback reports whether a host is the machine itself, for everybody.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// hostOf is the host of HOST:PORT; empty if it is none.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}

// hostOfURL is the host of a URL; empty if it is none.
func hostOfURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
