package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// Addresses of no machine (RFC 5737, RFC 3849): the way to them is the default
// route.
const (
	nowhere4 = "192.0.2.1"
	nowhere6 = "2001:db8::1"
)

// choice is the host by which others are to reach this machine.
type choice struct {
	host   string
	listen string   // the host that means all addresses of the machine
	notes  []string // for who reads the file
	alone  bool     // nobody else reaches it
}

// choose finds the host that others can most likely reach: given, if somebody
// said it; else the address from which this machine talks to the others; else the
// one from which it talks to the world; else any that is not of its own inside.
func (m machine) choose(ctx context.Context, given string, others []string) choice {
	if given != "" {
		return choice{host: given, listen: m.listenFor(given), notes: m.alternatives(given, "it was given")}
	}
	for _, other := range others {
		if own := m.sourceTo(ctx, other); usable(own) {
			return m.chosen(own, "this machine talks to "+other+" from it")
		}
	}
	for _, nowhere := range []string{nowhere4, nowhere6} {
		if own := m.sourceTo(ctx, nowhere); usable(own) {
			return m.chosen(own, "the default route leaves from it")
		}
	}
	if own, ok := m.likeliest(); ok {
		return m.chosen(own, "there is no default route")
	}
	return choice{host: "127.0.0.1", listen: "0.0.0.0", alone: true, notes: []string{
		"This machine has no address but 127.0.0.1, which others can't dial: change it when it has one.",
	}}
}

// suggestion is the host that advice names; empty if there is none.
func (m machine) suggestion(ctx context.Context) string {
	if c := m.choose(ctx, "", nil); !c.alone {
		return c.host
	}
	return ""
}

func (m machine) chosen(own netip.Addr, why string) choice {
	host := own.String()
	return choice{host: host, listen: m.listenFor(host), notes: m.alternatives(host, why)}
}

// usable reports whether others might dial an address.
func usable(ip netip.Addr) bool { return ip.IsValid() && ip.IsGlobalUnicast() }

// likeliest is the first address of a card to the outside, IPv4 before IPv6;
// those of bridges for containers and virtual machines come last.
func (m machine) likeliest() (netip.Addr, bool) {
	for _, inside := range []bool{false, true} {
		for _, four := range []bool{true, false} {
			for _, a := range m.addresses {
				if usable(a.ip) && a.ip.Is4() == four && insideCard(a.card) == inside {
					return a.ip, true
				}
			}
		}
	}
	return netip.Addr{}, false
}

// insideCard reports whether a card's name is one that container engines and
// hypervisors give.
func insideCard(name string) bool {
	for _, begin := range []string{"docker", "br-", "virbr", "veth", "cni", "flannel", "cali", "podman", "lxc", "lxd", "vEthernet"} {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// alternatives are comments: why the host was chosen, and what else there is.
func (m machine) alternatives(host, why string) []string {
	notes := []string{fmt.Sprintf("%s: %s.", host, why)}
	if loopback(host) {
		notes = append(notes, "It is each machine itself: only what runs on this machine reaches it.")
	}
	var others []string
	for _, a := range m.addresses {
		if a.ip.String() != host {
			others = append(others, fmt.Sprintf("%s (%s)", a.ip, a.card))
		}
	}
	if len(others) > 0 {
		notes = append(notes, "Other addresses of this machine: "+strings.Join(others, ", ")+".")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		notes = append(notes, "See that it stays: a temporary IPv6 address (RFC 8981) changes every day.")
	}
	return notes
}

// listenFor is the host to listen on if others use this one: all addresses, but for
// loopback, where nobody else comes. :: takes IPv4, too.
func (m machine) listenFor(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsLoopback() {
			return ip.String()
		}
		if ip.Unmap().Is4() {
			return "0.0.0.0"
		}
		return "::"
	}
	if loopback(host) {
		return "127.0.0.1"
	}
	four, six := false, false
	for _, a := range m.addresses {
		four, six = four || a.ip.Is4(), six || a.ip.Is6()
	}
	if six && !four {
		return "::"
	}
	return "0.0.0.0"
}

// has reports whether an address is one of this machine's.
func (m machine) has(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.IsLoopback() {
		return true
	}
	for _, a := range m.addresses {
		if a.ip == ip {
			return true
		}
	}
	return false
}

// nodeName makes a host's name fit for an id or a name: its first part, in small
// letters, digits and hyphens. fallback is for what leaves nothing of its own.
func nodeName(host, fallback string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return fallback
	}
	first, _, _ := strings.Cut(strings.ToLower(host), ".")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, first)
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	name = strings.Trim(name[:min(len(name), maxHostLabel)], "-")
	if name == "" || name == "localhost" {
		return fallback
	}
	return name
}

// maxHostLabel is what DNS allows for a part of a name.
const maxHostLabel = 63
