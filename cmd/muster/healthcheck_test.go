package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// TestHealthcheck asks a real slave, which has no master, and a real master, which
// waits for others and so is alive but not ready.
func TestHealthcheck(t *testing.T) {
	raft, api, url := freeAddress(t), freeAddress(t), freeAddress(t)
	list := "m1=" + raft + "=http://" + api + ",m2=" + freeAddress(t) + "=http://" + freeAddress(t)
	start(t, "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", raft, "--api-listen", api, "--masters", list)
	start(t, "slave", "--name", "slave-1", "--listen", url, "--masters", "http://"+api)
	for _, address := range []string{"http://" + api, "http://" + url + "/"} {
		var o outcome
		for deadline := time.Now().Add(timelimit.Usual(t)); ; {
			o = muster(t, []string{"MUSTER_ADDRESS=http://127.0.0.1:1"}, "healthcheck", address)
			if o.code == exitOK || time.Now().After(deadline) {
				break
			}
		}
		if o.code != exitOK || !strings.Contains(o.stdout, "/healthz answers 200 OK.") || o.stderr != "" {
			t.Errorf("healthcheck %s: %+v", address, o)
		}
	}
	for address, says := range map[string]string{api: "/readyz answers 503", url: "/readyz answers 404"} { // a master without a leader, a slave
		timelimit.Eventually(t, "an answer in time", func(context.Context) error {
			o := muster(t, nil, "healthcheck", "--ready", "http://"+address)
			if o.code != exitFailure || !strings.Contains(o.stderr, says) || o.stdout != "" {
				return fmt.Errorf("healthcheck --ready %s: %+v", address, o)
			}
			return nil
		})
	}
	if o := muster(t, nil, "healthcheck", "http://"+freeAddress(t)); o.code != exitFailure || !strings.Contains(o.stderr, "refused") {
		t.Errorf("nobody listens: %+v", o)
	}
	for _, args := range [][]string{
		{"http://127.0.0.1:1", "http://127.0.0.1:2"},
		{"127.0.0.1:8101"},
		{"http://127.0.0.1:8101/healthz"},
		{"--address", "http://127.0.0.1:1,http://127.0.0.1:2"},
		{"--address", ""},
		{"--address", "127.0.0.1:1"},
		{"--address", "http://127.0.0.1:1", "http://127.0.0.1:2"},
	} {
		if o := muster(t, nil, append([]string{"healthcheck"}, args...)...); o.code != exitUsage {
			t.Errorf("healthcheck %q: %+v; want 2", args, o)
		}
	}
}

// TestHealthcheckAsksAtTheTypedAddress, and not at those of the environment, which in
// a container name all masters.
func TestHealthcheckAsksAtTheTypedAddress(t *testing.T) {
	f := newFake(t, map[string]answer{"GET /healthz": {0, "ok"}})
	env := []string{"MUSTER_ADDRESS=http://127.0.0.1:1,http://127.0.0.1:2"}
	if o := muster(t, env, "healthcheck", "--address", f.URL); o.code != exitOK || o.stdout != f.URL+"/healthz answers 200 OK.\n" {
		t.Errorf("%+v", o)
	}
	if o := muster(t, env, "--address", "http://127.0.0.1:1", "healthcheck"); o.code != exitFailure || !strings.Contains(o.stderr, "ask http://127.0.0.1:1/healthz") {
		t.Errorf("before the command: %+v", o)
	}
}

// TestHealthcheckDoesNotWaitForEver asks somebody who takes the call and is silent.
func TestHealthcheckDoesNotWaitForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	begun := time.Now()
	o := muster(t, nil, "healthcheck", "http://"+l.Addr().String())
	if took := time.Since(begun); o.code != exitFailure || took < healthTimeout || took > timelimit.Usual(t) {
		t.Errorf("after %s: %+v", took, o)
	}
}
