package baseurl_test

import (
	"strings"
	"testing"

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
		"http://[::1", "http://host\x00", "http://host:80:80",
	} {
		_, err := baseurl.Parse(raw)
		if err == nil {
			t.Errorf("%q is taken for a base URL", raw)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds a password: %v", err)
		}
	}
}
