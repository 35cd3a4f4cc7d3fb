package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"muster/cmd/app"
)

// listenAddress checks an address to listen on.
func listenAddress(flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case strings.Contains(address, "://"):
		return usagef("--%s %q is a URL; it takes HOST:PORT, like 127.0.0.1:%s", flag, address, examplePort(flag))
	case err != nil:
		return usagef("--%s %q is not HOST:PORT, like 127.0.0.1:%s: %v", flag, address, examplePort(flag), err)
	case port == "":
		return usagef("--%s %q names no port; write it like %s", flag, address, net.JoinHostPort(host, examplePort(flag)))
	}
	return nil
}

func examplePort(flag string) string {
	switch flag {
	case "raft-listen", "raft-advertise":
		return "7101"
	case "listen", "advertise":
		return "9101"
	default:
		return "8101"
	}
}

// advertised checks an address that others dial. It is what flag says, or, if
// that is empty, the address listened on, from listenFlag.
func advertised(flag, address, listenFlag, listening string) error {
	from := "--" + flag
	if address == "" {
		address, from = listening, "--"+listenFlag
	} else if err := listenAddress(flag, address); err != nil {
		return err
	}
	return reachable(from, flag, address)
}

// advertisedURL is advertised for base URLs.
func advertisedURL(flag, raw, listenFlag, listening string) error {
	if raw == "" {
		return reachable("--"+listenFlag, flag, listening)
	}
	u, err := baseURL("--"+flag, raw)
	if err != nil {
		return err
	}
	if u.Port() == "" {
		return reachable("--"+flag, flag, net.JoinHostPort(u.Hostname(), "80"))
	}
	return reachable("--"+flag, flag, u.Host)
}

// reachable refuses an address that means "any of mine" to a listener and
// nothing to others.
func reachable(from, flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("%s %q is not HOST:PORT: %v", from, address, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return usagef("%s %q means every address of this machine, which others can't dial; say with --%s which one they should use", from, address, flag)
	}
	if port == "0" {
		return usagef("%s %q has port 0, which others can't dial; say with --%s which one they should use", from, address, flag)
	}
	return nil
}

// baseURL parses the base URL of an API.
func baseURL(from, raw string) (*url.URL, error) {
	if raw != "" && !strings.Contains(raw, "://") {
		return nil, usagef("%s %q has no scheme; write http://%s", from, raw, raw)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, usagef("%s %q is not a URL like http://127.0.0.1:8101: %v", from, raw, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, usagef("%s %q has the scheme %q; only http and https are spoken", from, raw, u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return nil, usagef("%s %q names no host; write it like http://127.0.0.1:8101", from, raw)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, usagef("%s %q has a path; a base URL ends with the port, like %s://%s", from, raw, u.Scheme, u.Host)
	case u.User != nil:
		return nil, usagef("%s %q has a user name in it; write %s://%s", from, raw, u.Scheme, u.Host)
	}
	return u, nil
}

// baseURLs checks a list of base URLs that are dialled, and cuts trailing
// slashes.
func baseURLs(from string, raw []string) ([]string, error) {
	var out []string
	for _, one := range raw {
		u, err := baseURL(from, strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		out = append(out, u.Scheme+"://"+u.Host)
	}
	return out, nil
}

// founders parses --masters of a master: m1=RAFT=URL for each founding master.
func founders(list []string) ([]app.Peer, error) {
	var out []app.Peer
	seen := map[string]string{}
	for _, entry := range list {
		id, rest, _ := strings.Cut(strings.TrimSpace(entry), "=")
		raft, api, ok := strings.Cut(rest, "=")
		if !ok || id == "" {
			return nil, usagef("--masters has %q; each master is ID=RAFT-HOST:PORT=API-URL, like m1=127.0.0.1:7101=http://127.0.0.1:8101", entry)
		}
		if err := advertised("masters", raft, "", ""); err != nil {
			return nil, fmt.Errorf("master %s: %w", id, err)
		}
		u, err := baseURL("--masters", api)
		if err != nil {
			return nil, fmt.Errorf("master %s: %w", id, err)
		}
		p := app.Peer{ID: id, RaftAddress: raft, APIURL: u.Scheme + "://" + u.Host}
		for _, word := range []string{p.ID, p.RaftAddress, p.APIURL} {
			if other, twice := seen[word]; twice {
				return nil, usagef("--masters names %q twice, in %q and in %q; ids and addresses are each master's own", word, other, entry)
			}
			seen[word] = entry
		}
		out = append(out, p)
	}
	return out, nil
}
