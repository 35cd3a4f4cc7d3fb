package browser_test

import (
	"testing"

	"muster/task/browser"
)

func TestAddressesAndOwnNamesAreKnownHosts(t *testing.T) {
	known := []string{"m1", "tasks.example.net", ""}
	for host, want := range map[string]bool{
		"": true, "127.0.0.1": true, "10.0.0.7:8101": true, "[::1]:8101": true, "[fd00::1]": true, "::1": true, "[fe80::1%25eth0]:8101": true, "8.8.8.8": true,
		"localhost": true, "localhost:8101": true, "LOCALHOST.": true,
		"m1": true, "M1:8101": true, "m1.:80": true, "tasks.example.net": true, "Tasks.Example.Net:443": true,
		"m2": false, "evil.example": false, "evil.example:8101": false, "m1.evil.example": false, "tasks.example.net.evil.example": false,
		"127.0.0.1.evil.example": false, "localhost.evil.example": false, "example.net": false, "2130706433.evil.example": false,
		"localhost%": false, "localhost%x.evil.example": false, "localhost%25": false, "127.0.0.1%x": false, "127.0.0.1%evil.example": false, "m1%x": false, "[::1%]": false,
		".": false, "..": false, "localhost..": false, ".localhost": false, "m1..": false, ".m1": false, ":": false, ":8101": false,
		"[localhost]": false, "[m1]:8101": false, "[127.0.0.1]": false, "[]": false, "[::1": false, "::1]": false, "[::1]x": false, "[::1].evil.example": false, "[[::1]]": false,
		"localhost:x": false, "localhost:80x": false, "127.0.0.1:http": false, "m1:-1": false, "m1:+80": false, "m1:80:80": false, "m1:99999": false, "[::1]:x": false,
		"user@localhost": false, "localhost/": false, "localhost,evil.example": false, " localhost": false, "localhost\t": false, "m1 evil.example": false,
	} {
		if got := browser.HostIsKnown(host, known...); got != want {
			t.Errorf("%q: known is %t, want %t", host, got, want)
		}
	}
	if !browser.HostIsKnown("anything.example", browser.AnyName) {
		t.Error("any name is none")
	}
	for _, host := range []string{"any%thing.example", "[anything.example]", "anything.example:x", ".", "any thing"} {
		if browser.HostIsKnown(host, browser.AnyName) {
			t.Errorf("%q is taken for a name", host)
		}
	}
}
