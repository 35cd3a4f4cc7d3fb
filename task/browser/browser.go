package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// CheckOrigin refuses a write that a browser makes for a page of another origin.
func CheckOrigin(r *http.Request) error {
	var protection http.CrossOriginProtection
	if err := protection.Check(r); err != nil {
		return fmt.Errorf("cross-origin request refused: %w", err)
	}
	return nil
}

// AnyName is a known name that stands for all names.
const AnyName = "*"

// HostIsKnown reports whether a Host header is one that no page elsewhere can have:
// none at all, an IP address (such a page has a name), localhost, or one of the
// known names. Ports don't matter.
func HostIsKnown(header string, known ...string) bool {
	host := name(header)
	if host == "" || host == "localhost" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, k := range known {
		if k == AnyName || k != "" && name(k) == host {
			return true
		}
	}
	return false
}

// HostOf returns the host of a base URL, or "" of what is none.
func HostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// name is a Host header without port, brackets, zone and final dot, in lower case.
func name(header string) string {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	host, _, _ = strings.Cut(host, "%")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
