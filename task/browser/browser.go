package browser

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// CheckOrigin refuses a write that a browser makes for a page of another origin.
func CheckOrigin(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return nil // not from a browser, or not from a page
	}
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
// known names. Ports don't matter. What is no HOST or HOST:PORT is not known, not even
// among any names.
func HostIsKnown(header string, known ...string) bool {
	if header == "" {
		return true
	}
	host, ok := parse(header)
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	for _, k := range known {
		if k == AnyName {
			return true
		}
		if name, ok := parse(k); ok && name == host {
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

// parse reads NAME, NAME:PORT, or an IP address in these places, version 6 in brackets
// where a port follows. It returns the name in lower case and without a final dot, or the
// address.
func parse(header string) (host string, ok bool) {
	if isIPv6(header) {
		return header, true
	}
	var port string
	var hasPort bool
	if inside, rest, bracketed := cutBrackets(header); bracketed {
		if port, hasPort = strings.CutPrefix(rest, ":"); !hasPort && rest != "" || !isIPv6(inside) {
			return "", false
		}
		host = inside
	} else {
		if host, port, hasPort = strings.Cut(header, ":"); !isName(host) {
			return "", false
		}
		host = strings.ToLower(strings.TrimSuffix(host, "."))
	}
	if _, err := strconv.ParseUint(port, 10, 16); hasPort && err != nil {
		return "", false
	}
	return host, true
}

func cutBrackets(header string) (inside, rest string, ok bool) {
	inside, ok = strings.CutPrefix(header, "[")
	if !ok {
		return "", "", false
	}
	return strings.Cut(inside, "]")
}

// isIPv6 accepts an address of version 6, with or without a zone.
func isIPv6(text string) bool {
	ip, err := netip.ParseAddr(text)
	return err == nil && ip.Is6() && !strings.ContainsFunc(ip.Zone(), func(r rune) bool { return !isPlain(r) && r != '.' && r != '%' })
}

// isName accepts labels with single dots between them, and one at the end. An IP
// address of version 4 is such a name, too.
func isName(text string) bool {
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return !isPlain(r) }) {
			return false
		}
	}
	return true
}

func isPlain(r rune) bool { return r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
