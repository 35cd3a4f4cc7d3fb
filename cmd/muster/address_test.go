package main

import (
	"errors"
	"strings"
	"testing"

	"muster/cmd/app"
)

// master is a configuration that is right but for what a test changes.
func masterConfig(change func(*app.MasterConfig)) app.MasterConfig {
	cfg := app.MasterConfig{
		ID: "m1", DataDir: "d", RaftListen: "127.0.0.1:7101", APIListen: "127.0.0.1:8101",
		Profile: app.ProfileLAN, QuestionTTL: 1, SlaveTimeout: 1,
	}
	change(&cfg)
	return cfg
}

func TestMasterAddressesAreCheckedWithTheFix(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*app.MasterConfig)
		says   string // empty: it is right
	}{
		{"loopback", func(*app.MasterConfig) {}, ""},
		{"a wildcard with an address to advertise", func(c *app.MasterConfig) {
			c.RaftListen, c.RaftAdvertise, c.APIListen, c.APIAdvertise = ":7101", "10.0.0.1:7101", "0.0.0.0:8101", "http://m1.example:8101"
		}, ""},
		{"https behind a proxy", func(c *app.MasterConfig) { c.APIAdvertise = "https://m1.example" }, ""},
		{"a wildcard for Raft", func(c *app.MasterConfig) { c.RaftListen = ":7101" }, "--raft-advertise"},
		{"a wildcard for the API", func(c *app.MasterConfig) { c.APIListen = "0.0.0.0:8101" }, "--api-advertise"},
		{"an IPv6 wildcard", func(c *app.MasterConfig) { c.APIListen = "[::]:8101" }, "--api-advertise"},
		{"an advertised wildcard", func(c *app.MasterConfig) { c.RaftAdvertise = "0.0.0.0:7101" }, "which others can't dial; say with --raft-advertise"},
		{"an advertised wildcard URL", func(c *app.MasterConfig) { c.APIAdvertise = "http://0.0.0.0:8101" }, "say with --api-advertise"},
		{"port 0", func(c *app.MasterConfig) { c.APIListen = "127.0.0.1:0" }, "port 0"},
		{"no port", func(c *app.MasterConfig) { c.RaftListen = "10.0.0.1" }, "is not HOST:PORT, like 127.0.0.1:7101"},
		{"an empty port", func(c *app.MasterConfig) { c.RaftListen = "10.0.0.1:" }, "names no port; write it like 10.0.0.1:7101"},
		{"a URL to listen on", func(c *app.MasterConfig) { c.APIListen = "http://127.0.0.1:8101" }, "it takes HOST:PORT"},
		{"no scheme", func(c *app.MasterConfig) { c.APIAdvertise = "10.0.0.1:8101" }, "has no scheme; write http://10.0.0.1:8101"},
		{"another scheme", func(c *app.MasterConfig) { c.APIAdvertise = "tcp://10.0.0.1:8101" }, "only http and https"},
		{"a path", func(c *app.MasterConfig) { c.APIAdvertise = "http://10.0.0.1:8101/v1" }, "like http://10.0.0.1:8101"},
		{"a user", func(c *app.MasterConfig) { c.APIAdvertise = "http://me@10.0.0.1:8101" }, "write http://10.0.0.1:8101"},
		{"an empty query", func(c *app.MasterConfig) { c.APIAdvertise = "http://10.0.0.1:8101?" }, "has a query"},
		{"an empty fragment", func(c *app.MasterConfig) { c.APIAdvertise = "http://10.0.0.1:8101#" }, "has a fragment"},
		{"no host", func(c *app.MasterConfig) { c.APIAdvertise = "http://:8101" }, "names no host"},
		{"in the list of founders", func(c *app.MasterConfig) {
			c.Masters = []app.Peer{{ID: "m1", RaftAddress: "127.0.0.1:7101", APIURL: "http://127.0.0.1:8101"}}
		}, ""},
		{"not in the list", func(c *app.MasterConfig) { c.Masters = []app.Peer{{ID: "m2"}} }, `does not name "m1"`},
		{"in the list with another address", func(c *app.MasterConfig) {
			c.Masters = []app.Peer{{ID: "m1", RaftAddress: "127.0.0.1:7102", APIURL: "http://127.0.0.1:8101"}}
		}, "make --raft-advertise and the list agree"},
		{"in the list with another URL", func(c *app.MasterConfig) {
			c.Masters = []app.Peer{{ID: "m1", RaftAddress: "127.0.0.1:7101", APIURL: "http://127.0.0.1:8102"}}
		}, "make --api-advertise and the list agree"},
		{"an unknown profile", func(c *app.MasterConfig) { c.Profile = "moon" }, "none of lan, wan"},
	} {
		err := checkBoth(masterConfig(c.change))
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: refused: %v", c.what, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v; want an error that says %q", c.what, err, c.says)
		case err != nil && exitCode(err) != exitUsage:
			t.Errorf("%s: exit code %d, want 2", c.what, exitCode(err))
		}
	}
}

func TestFounders(t *testing.T) {
	got, err := founders([]string{"m1=10.0.0.1:7101=http://10.0.0.1:8101/", " m2=10.0.0.2:7101=https://m2.example"})
	want := []app.Peer{{ID: "m1", RaftAddress: "10.0.0.1:7101", APIURL: "http://10.0.0.1:8101"}, {ID: "m2", RaftAddress: "10.0.0.2:7101", APIURL: "https://m2.example"}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("founders: %v, %v; want %v", got, err, want)
	}
	for _, c := range []struct {
		list string
		says string
	}{
		{"m1", "each master is ID=RAFT-HOST:PORT=API-URL"},
		{"m1=10.0.0.1:7101", "each master is ID="},
		{"=10.0.0.1:7101=http://10.0.0.1:8101", "each master is ID="},
		{"m1=10.0.0.1=http://10.0.0.1:8101", "is not HOST:PORT"},
		{"m1=0.0.0.0:7101=http://10.0.0.1:8101", "can't dial"},
		{"m1=10.0.0.1:7101=10.0.0.1:8101", "has no scheme"},
		{"m1=10.0.0.1:7101=http://10.0.0.1:8101?", "has a query"},
		{"m1=a:1=http://a:2,m1=b:1=http://b:2", `names "m1" twice`},
		{"m1=a:1=http://a:2,m2=a:1=http://b:2", `names "a:1" twice`},
		{"m1=a:1=http://a:2,m2=b:1=http://a:2", `names "http://a:2" twice`},
	} {
		if _, err := founders(strings.Split(c.list, ",")); err == nil || !strings.Contains(err.Error(), c.says) || exitCode(err) != exitUsage {
			t.Errorf("%s: %v; want an error of usage that says %q", c.list, err, c.says)
		}
	}
}

// checkBoth runs the two checks of a configuration that need no flags.
func checkBoth(cfg app.MasterConfig) error {
	return errors.Join(checkMaster(cfg, "10.0.0.5"), listed(cfg))
}
