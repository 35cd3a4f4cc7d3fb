package baseurl_test

import (
	"strings"
	"testing"
	"unicode"

	"muster/task/baseurl"
)

func TestParseTakesBaseURLsAlone(t *testing.T) {
	for raw, joined := range map[string]string{
		"http://10.0.0.7:8101":               "http://10.0.0.7:8101/available",
		"http://10.0.0.7:8101/":              "http://10.0.0.7:8101/available",
		"https://slave-1.example":            "https://slave-1.example/available",
		"http://slave_1:9101/a/b-c.d_e~f":    "http://slave_1:9101/a/b-c.d_e~f/available",
		"http://[fd00::1]:9101/x/":           "http://[fd00::1]:9101/x/available",
		"http://[fe80::1%25eth0]:9101":       "http://[fe80::1%25eth0]:9101/available",
		"HTTP://Host:9101":                   "http://Host:9101/available",
		"http://host.:9101":                  "http://host.:9101/available",
		"http://xn--bcher-kva.example":       "http://xn--bcher-kva.example/available",
		"http://[fd00::1]":                   "http://[fd00::1]/available",
		"http://bücher.example:9101/v1.0/up": "http://b%C3%BCcher.example:9101/v1.0/up/available",
	} {
		got, err := baseurl.Join(raw, "/available")
		if err != nil || got != joined {
			t.Errorf("%s: got %s, %v; want %s", raw, got, err, joined)
		}
	}
	for _, raw := range []string{
		"", "10.0.0.7:8101", "host", "//host", "ftp://host", "http://", "http://:80", "http:///path",
		"http://host?", "http://host/?", "http://host/admin?", "http://host/admin?x=y", "http://host#", "http://host/admin#", "http://host/x#y",
		"http://user@host", "http://user:secret@host", "http://host/@",
		"http://host/.", "http://host/..", "http://host/a/../b", "http://host/a/./b", "http://host//a", "http://host/a//",
		"http://host/%2e%2e/admin", "http://host/a%2fb", "http://host/%3f", "http://host/a;b=c", "http://host/a b", "http://host/a\\b", "http://host/a\nb",
		"http://host/ü", "http://a b", "http://ho;st", "http://ho'st", "http://host:", "http://host:port", "http://host:65536", "http://host:-1",
		"http://[::1", "http://host\x00", "http://host:80:80", "http://host//",
		"http://host:0", "http://host:00", "http://host:08101", "http://[::1]:0", "http://host:+80", "http://host:８０",
		"http://.", "http://..", "http://.host", "http://ho..st", "http://host..", "http://ho~st",
		"http://ho\u200bst", "http://\u200b", "http://\u200b:80", "http://ho\u00adst", "http://ho\u2060st", "http://\ufeffhost", "http://ho\u202est", "http://ho\u180est",
		"http://ho\u3164st", "http://ho\u200dst", "http://ho\ufe0fst", "http://host\u034f", "http://ho\U000e0020st",
		"http://ho\uff0est", "http://ho\u3002st", "http://ho\uff61st", "http://\u0301host", "http://host.\u0301", "http://ho💣st", "http://ho\u00a0st", "http://ho\ufffdst",
	} {
		_, err := baseurl.Parse(raw)
		if err == nil {
			t.Errorf("%q is taken for a base URL", raw)
			continue
		}
		if msg := err.Error(); len(msg) > 300 || strings.ContainsFunc(msg, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: the error can't be read: %q", raw, msg)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds a password: %v", err)
		}
	}
}

func TestAnAddressHasAHostAndAPortThatCanBeDialled(t *testing.T) {
	for _, address := range []string{"10.0.0.7:7101", "m1:1", "m1.example.:65535", "[fd00::1]:7101", "[fe80::1%eth0]:7101", "bücher.example:7101", "slave_1:9101"} {
		if err := baseurl.CheckAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"", "m1", ":7101", "m1:", "m1:0", "m1:07101", "m1:70000", "m1:raft", "m\u200b1:7101", "m\uff0e1:7101", "m..1:7101", "m 1:7101", "a/b:7101",
		"[m1:7101", "fd00::1:7101", "[fe80::1%\u200b]:7101", "user@m1:7101", "http://m1:7101",
	} {
		if err := baseurl.CheckAddress(address); err == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
}
