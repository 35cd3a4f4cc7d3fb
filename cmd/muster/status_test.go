package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"muster/systemtest/timelimit"
)

// TestStatusAsksWhomTheReturnedMasterCannotLocate: the first master that is asked is
// catching up and lists the others without their API URLs. --address and what the
// masters there say of their leader tell them.
func TestStatusAsksWhomTheReturnedMasterCannotLocate(t *testing.T) {
	leader := newFake(t, map[string]answer{"GET /v1/status": {0, statusJSON("m3", "leader", "m3")}})
	second := newFake(t, map[string]answer{
		"GET /v1/status": {0, strings.Replace(statusJSON("m2", "follower", "m3"), `"leader_url":""`, `"leader_url":"`+leader.URL+`"`, 1)},
	})
	f := newFake(t, map[string]answer{
		"GET /v1/masters": {0, `{"masters":[` + masterJSON("m1", "follower", "$URL") + `,` + masterJSON("m2", "follower", "") + `,` + masterJSON("m3", "follower", "") + `]}`},
		"GET /v1/status":  {0, statusJSON("m1", "follower", "")},
	})
	o := muster(t, []string{"MUSTER_ADDRESS=" + f.URL + "," + second.URL}, "status")
	said := strings.Join(strings.Fields(o.stdout), " ")
	for _, want := range []string{"m2 follower 3 40 12ms ago yes " + second.URL, "m3 leader 3 40 - yes " + leader.URL} {
		if !strings.Contains(said, want) {
			t.Errorf("status does not say %q:\n%s", want, o.stdout)
		}
	}
	if o.code != exitOK || strings.Contains(o.stdout, "catching up") {
		t.Errorf("%+v", o)
	}
}

// TestStatusCallsNobodySilentThatWasNotAsked: of a master without an API URL nothing
// is known.
func TestStatusCallsNobodySilentThatWasNotAsked(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /v1/masters": {0, `{"masters":[` + masterJSON("m1", "leader", "$URL") + `,` + masterJSON("m2", "follower", "") + `]}`},
		"GET /v1/status":  {0, statusJSON("m1", "leader", "m1")},
	})
	o := f.muster(t, "status")
	said := strings.Join(strings.Fields(o.stdout), " ")
	if o.code != exitOK || !strings.Contains(said, "m2 unknown - - - - - -") || !strings.Contains(said, "does not know yet where to reach m2: ask again") || strings.Contains(said, "silent") {
		t.Errorf("%+v", o)
	}
	if o = f.muster(t, "status", "-o", "json"); !strings.Contains(canonical(t, o.stdout), `{"api_url":"","error":"its API URL is not known yet`) {
		t.Errorf("json: %+v", o)
	}
}

// TestAReturnedMasterSaysThatItCannotLocateTheOthers asks a real one, whose others are
// still down: it knows them from the log alone, and can't apply it without them.
func TestAReturnedMasterSaysThatItCannotLocateTheOthers(t *testing.T) {
	raft1, api1, raft2, api2 := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	dir1, dir2 := t.TempDir(), t.TempDir()
	m1 := start(t, "master", "--id", "m1", "--data", dir1, "--raft-listen", raft1, "--api-listen", api1, "--bootstrap")
	joining := []string{"master", "--id", "m2", "--data", dir2, "--raft-listen", raft2, "--api-listen", api2, "--join", "http://" + api1}
	m2 := start(t, joining...)
	timelimit.Eventually(t, "two masters that are ready", func(context.Context) error {
		o := muster(t, nil, "--address", "http://"+api2, "status")
		if strings.Count(o.stdout, " yes ") != 2 {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	m2.end(t)
	m1.end(t)
	start(t, joining...)
	timelimit.Eventually(t, "the returned master's answer", func(context.Context) error {
		o := muster(t, nil, "--address", "http://"+api2, "status")
		said := strings.Join(strings.Fields(o.stdout), " ")
		if o.code != exitUnreachable || !strings.Contains(said, "m1 unknown") || !strings.Contains(said, "http://"+api2) || !strings.Contains(o.stderr, "m1 could not be asked: the master that listed them is catching up") {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
}
