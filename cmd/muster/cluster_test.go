package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestSlavesList(t *testing.T) {
	const one = `{"name":"slave-1","url":"http://10.0.0.7:9101","slots":4,"busy":3,"state":"alive","incarnation":"a1","kinds":[{"name":"expression","idempotent":true}],` +
		`"registered_at":"2026-01-02T03:04:05Z","last_seen_at":"2026-01-02T04:04:05Z","index":3}`
	two := strings.ReplaceAll(strings.ReplaceAll(one, "slave-1", "slave-2"), `"state":"alive"`, `"state":"lost"`)
	f := newFake(t, map[string]answer{"GET /v1/slaves": {0, `{"slaves":[` + one + `,` + two + `]}`}})
	f.muster(t, "slaves", "list").want(t, "slaves list", exitOK, `
NAME     STATE  SLOTS  BUSY  LOAD  URL                   REGISTERED            LAST SEEN
slave-1  alive      4     3   75%  http://10.0.0.7:9101  2026-01-02T03:04:05Z  2026-01-02T04:04:05Z
slave-2  lost       4     3   75%  http://10.0.0.7:9101  2026-01-02T03:04:05Z  2026-01-02T04:04:05Z
`, "")
	labelled := strings.Replace(one, `"slots":4`, `"slots":2,"labels":{"gpu":"yes","zone":"a"},"version":"v1.2"`, 1)
	newFake(t, map[string]answer{"GET /v1/slaves": {0, `{"slaves":[` + labelled + `,` + two + `]}`}}).
		muster(t, "slaves", "list").want(t, "slaves list", exitOK, `
NAME     STATE  SLOTS  BUSY  LOAD  URL                   REGISTERED            LAST SEEN             VERSION  LABELS
slave-1  alive      2     3  150%  http://10.0.0.7:9101  2026-01-02T03:04:05Z  2026-01-02T04:04:05Z  v1.2     gpu=yes zone=a
slave-2  lost       4     3   75%  http://10.0.0.7:9101  2026-01-02T03:04:05Z  2026-01-02T04:04:05Z  -        -
`, "")
	o := f.muster(t, "slaves", "list", "-o", "json")
	if canonical(t, o.stdout) != canonical(t, `{"slaves":[`+one+`,`+two+`]}`) {
		t.Errorf("json: %s", o.stdout)
	}
}

func masterJSON(id, role, url string) string {
	return fmt.Sprintf(`{"id":%q,"raft_address":"10.0.0.1:7101","api_url":%q,"role":%q,"voter":true,"commands":9,"index":1}`, id, url, role)
}

func TestMasters(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /v1/masters":              {0, `{"masters":[` + masterJSON("m1", "leader", "http://10.0.0.1:8101") + `,` + masterJSON("m2", "joining", "http://10.0.0.2:8101") + `]}`},
		"DELETE /v1/masters/m2":        {0, `{"message":"Master m2 was removed."}`},
		"DELETE /v1/masters/m7":        {404, `{"error":"There is no master m7.","code":"master_not_found"}`},
		"POST /v1/masters/m2/transfer": {0, `{"message":"Leadership was handed to master m2."}`},
	})
	f.muster(t, "masters", "list").want(t, "masters list", exitOK, `
ID  ROLE     VOTES  API                   RAFT
m1  leader   yes    http://10.0.0.1:8101  10.0.0.1:7101
m2  joining  yes    http://10.0.0.2:8101  10.0.0.1:7101
`, "")
	f.muster(t, "masters", "remove", "m2").want(t, "masters remove", exitOK, "Master m2 was removed.\n", "")
	f.muster(t, "masters", "remove", "m7").want(t, "masters remove", exitNotFound, "", "muster: There is no master m7.\n")
	f.muster(t, "masters", "transfer", "m2", "-o", "jsonl").want(t, "masters transfer", exitOK, `{"message":"Leadership was handed to master m2."}`+"\n", "")
}

func statusJSON(id, role, leader string) string {
	return fmt.Sprintf(`{"id":%q,"version":"v1","role":%q,"voter":true,"term":3,"leader_id":%q,"leader_url":"","applied_index":40,"leader_contact_ms":12,`+
		`"oldest_pending_at":"2026-01-02T03:04:05Z","counts":{"submitted":12,"pending":2,"in_progress":1,"done":9},"capacity":{"slaves":2,"slots":3,"busy":1},"ready":true,"fingerprint":"f00d"}`, id, role, leader)
}

func TestStatusAsksEveryMaster(t *testing.T) {
	second := newFake(t, map[string]answer{"GET /v1/status": {0, statusJSON("m2", "leader", "m2")}})
	f := newFake(t, map[string]answer{
		"GET /v1/masters": {0, `{"masters":[` + masterJSON("m1", "follower", "$URL") + `,` + masterJSON("m2", "leader", second.URL) + `,` + masterJSON("m3", "follower", "http://127.0.0.1:1") + `]}`},
		"GET /v1/status":  {0, statusJSON("m1", "follower", "m2")},
	})
	o := f.muster(t, "status")
	o.stdout = strings.Join(strings.Fields(strings.ReplaceAll(o.stdout, second.URL, "$URL2")), " ")
	want := `ID ROLE TERM INDEX LEADER HEARD READY API VERSION ` +
		`m1 follower 3 40 12ms ago yes $URL v1 m2 leader 3 40 - yes $URL2 v1 m3 silent - - - no http://127.0.0.1:1 - ` +
		`tasks: 2 pending (the oldest since 2026-01-02T03:04:05Z), 1 in progress, 9 done slaves: 2 alive, 1 of 3 slots busy`
	if o.stdout != want || o.code != exitOK {
		t.Errorf("status: exit %d\n%s\nwant\n%s", o.code, o.stdout, want)
	}
	o = f.muster(t, "status", "-o", "json", "--fingerprint")
	got := canonical(t, o.stdout)
	for _, want := range []string{`"leader":"m2"`, `"fingerprint":"f00d"`, `{"api_url":"http://127.0.0.1:1","error":"`} {
		if !strings.Contains(got, want) {
			t.Errorf("json has no %s: %s", want, got)
		}
	}
	if call := second.last(t).call; call != "GET /v1/status?fingerprint=true" {
		t.Errorf("asked %q", call)
	}
}

func TestStatusNamesAWrongClock(t *testing.T) {
	for said, want := range map[string]string{
		`"time":"2026-01-02T04:04:05Z","cluster_time":"2026-01-02T03:04:05Z",`:   "The wall clock of m1 is 1h0m0s ahead of the cluster's clock",
		`"time":"2026-01-02T03:04:00Z","cluster_time":"2026-01-02T03:04:05Z",`:   "The wall clock of m1 is 5s behind the cluster's clock",
		`"time":"2026-01-02T03:04:05Z","cluster_time":"2026-01-02T03:04:05.5Z",`: "",
		`"time":"2026-01-02T03:04:05Z",`:                                         "",
	} {
		f := newFake(t, map[string]answer{
			"GET /v1/masters": {0, `{"masters":[` + masterJSON("m1", "leader", "$URL") + `]}`},
			"GET /v1/status":  {0, strings.Replace(statusJSON("m1", "leader", "m1"), "{", "{"+said, 1)},
		})
		o := f.muster(t, "status")
		if o.code != exitOK || !strings.Contains(o.stdout, want) || strings.Contains(o.stdout, "wall clock") != (want != "") {
			t.Errorf("%s: %+v", said, o)
		}
	}
}

// TestAClockIsNotWrongBecauseItsMasterHasJustStarted: in an idle cluster the newest
// entry of its log, from which it knows the cluster's clock, is old.
func TestAClockIsNotWrongBecauseItsMasterHasJustStarted(t *testing.T) {
	started := newFake(t, map[string]answer{
		"GET /v1/status": {0, strings.Replace(statusJSON("m2", "follower", "m1"), "{", `{"time":"2026-01-02T03:04:05Z","cluster_time":"2026-01-02T03:03:00Z",`, 1)},
	})
	f := newFake(t, map[string]answer{
		"GET /v1/masters": {0, `{"masters":[` + masterJSON("m1", "leader", "$URL") + `,` + masterJSON("m2", "follower", started.URL) + `]}`},
		"GET /v1/status":  {0, strings.Replace(statusJSON("m1", "leader", "m1"), "{", `{"time":"2026-01-02T03:04:05Z","cluster_time":"2026-01-02T03:04:05Z",`, 1)},
	})
	if o := f.muster(t, "status"); o.code != exitOK || strings.Contains(o.stdout, "wall clock") {
		t.Errorf("status: %+v", o)
	}
}

func TestStatusWithoutALeaderExitsWith4(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /v1/masters": {0, `{"masters":[` + masterJSON("m1", "follower", "$URL") + `,` + masterJSON("m2", "follower", "http://127.0.0.1:1") + `]}`},
		"GET /v1/status":  {0, statusJSON("m1", "follower", "")},
	})
	o := f.muster(t, "status")
	if o.code != exitUnreachable || !strings.Contains(o.stderr, "no master leads: 1 of 2 answer") || !strings.Contains(o.stdout, "m1") {
		t.Errorf("status: %+v", o)
	}
}

func TestNobodyThereExitsWith4(t *testing.T) {
	o := muster(t, nil, "--address", "http://127.0.0.1:1", "--request-timeout", "50ms", "tasks", "list")
	if o.code != exitUnreachable || !strings.Contains(o.stderr, "asked: http://127.0.0.1:1") || o.stdout != "" {
		t.Errorf("nobody there: %+v", o)
	}
}
