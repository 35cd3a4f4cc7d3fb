package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"muster/task/baseurl"
)

// The ports of muster, in defaults and in examples.
const (
	raftPort  = "7101"
	apiPort   = "8101"
	slavePort = "9101"
)

// listenAddress checks an address to listen on.
func listenAddress(flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case strings.Contains(address, "://"):
		return wrongf(flag, "%q is a URL; it takes HOST:PORT, like 127.0.0.1:%s", address, examplePort(flag))
	case err != nil:
		return wrongf(flag, "%q is not HOST:PORT, like 127.0.0.1:%s: %w", address, examplePort(flag), err)
	case port == "":
		return wrongf(flag, "%q names no port; write it like %s", address, net.JoinHostPort(host, examplePort(flag)))
	}
	if !isPort(port) {
		return wrongf(flag, "%q has the port %q; a port is a number from 1 to 65535", address, port)
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && text == strconv.FormatUint(n, 10) // in its one form, without leading zeros
}

func examplePort(flag string) string {
	switch flag {
	case "raft-listen", "raft-advertise":
		return raftPort
	case "listen", "advertise":
		return slavePort
	default:
		return apiPort
	}
}

// advertised checks an address that others dial. It is what flag says, or, if
// that is empty, the address listened on, from listenFlag. here is the host that
// others may reach this machine by, for the advice; it may be empty.
func advertised(flag, address, listenFlag, listening, here string) error {
	from := flag
	if address == "" {
		address, from = listening, listenFlag
	} else if err := listenAddress(flag, address); err != nil {
		return err
	}
	return reachable(from, flag, address, "", here)
}

// advertisedURL is advertised for base URLs.
func advertisedURL(flag, raw, listenFlag, listening, here string) error {
	if raw == "" {
		return reachable(listenFlag, flag, listening, "http://", here)
	}
	u, err := parseBaseURL(raw)
	if err != nil {
		return wrongf(flag, "%w", err)
	}
	if u.Port() == "" {
		return reachable(flag, flag, net.JoinHostPort(u.Hostname(), "80"), "http://", here)
	}
	return reachable(flag, flag, u.Host, "http://", here)
}

// reachable refuses an address that means "any of mine" to a listener and
// nothing to others.
func reachable(from, flag, address, scheme, here string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil //nolint:nilerr // from an address to listen on, where this was said
	}
	zero := port == "0" || port == ""
	fix := fmt.Sprintf("say with --%s which one they should use", flag)
	if here != "" {
		if zero {
			port = examplePort(flag)
		}
		fix += fmt.Sprintf(", like %s%s", scheme, net.JoinHostPort(here, port))
	}
	if wildcard(host) {
		return wrongf(from, "%q means every address of this machine, which others can't dial; %s", address, fix)
	}
	if zero {
		return wrongf(from, "%q has port 0, which others can't dial; %s", address, fix)
	}
	if err := baseurl.CheckAddress(address); err != nil && isPort(port) { // a wrong port was said of the address to listen on
		return wrongf(from, "%q %w", address, err)
	}
	return nil
}

// samePort refuses two addresses of which only the first listener would get its
// port.
func samePort(flag, address, otherFlag, other string) error {
	host, port, err := net.SplitHostPort(address)
	otherHost, otherPort, otherErr := net.SplitHostPort(other)
	if err != nil || otherErr != nil || port != otherPort || port == "0" {
		return nil //nolint:nilerr // said of each address
	}
	if host == otherHost || wildcard(host) || wildcard(otherHost) {
		return wrongf(flag, "%q has the port of --%s %q, and only one of them can listen there; take another, like %s",
			address, otherFlag, other, net.JoinHostPort(host, examplePort(flag)))
	}
	return nil
}

// wildcard reports whether a host to listen on means all addresses.
func wildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// baseURL parses the base URL of an API. from is a flag, or what else a message
// begins with.
func baseURL(from, raw string) (*url.URL, error) {
	u, err := parseBaseURL(raw)
	if err != nil {
		return nil, usagef("%s %w", from, err)
	}
	return u, nil
}

func parseBaseURL(raw string) (*url.URL, error) {
	if raw != "" && !strings.Contains(raw, "://") {
		return nil, fmt.Errorf("%q has no scheme; write http://%s", raw, raw)
	}
	u, err := baseurl.Parse(raw)
	switch {
	case err != nil && strings.Contains(raw, "@"): // it may hold a password
		scheme, rest, _ := strings.Cut(raw, "://")
		return nil, fmt.Errorf("the URL %w: write %s://%s", err, scheme, rest[strings.LastIndex(rest, "@")+1:])
	case err != nil:
		return nil, fmt.Errorf("%q %w", raw, err)
	case strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("%q has a path; a base URL ends with the port, like %s://%s", raw, u.Scheme, u.Host)
	}
	return u, nil
}

// baseURLs checks a list of base URLs that are dialled, and cuts trailing
// slashes. It tells every mistake.
func baseURLs(from string, raw []string) ([]string, error) {
	var out []string
	var wrong []error
	for _, one := range raw {
		u, err := baseURL(from, strings.TrimSpace(one))
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		out = append(out, u.Scheme+"://"+u.Host)
	}
	return out, errors.Join(wrong...)
}

// mastersURLs is baseURLs for a setting of a master or a slave.
func mastersURLs(flag string, raw []string) ([]string, error) {
	var out []string
	var wrong []error
	for _, one := range raw {
		u, err := parseBaseURL(strings.TrimSpace(one))
		if err != nil {
			wrong = append(wrong, inElement(wrongf(flag, "%w", err), one))
			continue
		}
		if wildcard(u.Hostname()) {
			err := wrongf(flag, "%q is no address that can be dialled; write the one that this master advertises", one)
			wrong = append(wrong, inElement(err, one))
			continue
		}
		out = append(out, u.Scheme+"://"+u.Host)
	}
	return out, errors.Join(wrong...)
}
