package main

import "testing"

const slaveJSON = `{"name":"slave-1","url":"http://10.0.0.7:9101","slots":4,"busy":0,"state":"draining","incarnation":"a1","kinds":[],` +
	`"registered_at":"2026-01-02T03:04:05Z","drained":true,"index":3}`

func TestSlavesAreChanged(t *testing.T) {
	f := newFake(t, map[string]answer{
		"POST /v1/slaves/slave-1/drain":   {0, `{"slave":` + slaveJSON + `}`},
		"POST /v1/slaves/slave-1/resize":  {0, `{"slave":` + slaveJSON + `}`},
		"POST /v1/slaves/slave-1/undrain": {0, `{"slave":` + slaveJSON + `}`},
		"DELETE /v1/slaves/slave-1":       {0, `{"slave":` + slaveJSON + `}`},
		"DELETE /v1/slaves/slave-2":       {409, `{"error":"Slave slave-2 has 3 tasks.","code":"slave_busy"}`},
		"POST /v1/slaves/slave-9/drain":   {404, `{"error":"There is no slave slave-9.","code":"slave_not_found"}`},
	})
	f.muster(t, "slaves", "drain", "slave-1").want(t, "drain", exitOK, "Slave slave-1 is drained and gets no more tasks.\n", "")
	f.muster(t, "slaves", "drain", "slave-9").want(t, "drain", exitNotFound, "", "muster: There is no slave slave-9.\n")
	f.muster(t, "slaves", "resize", "slave-1", "4").want(t, "resize", exitOK, "Slave slave-1 has 4 slots.\n", "")
	if got := f.last(t); got.call != "POST /v1/slaves/slave-1/resize" || canonical(t, got.body) != `{"slots":4}` {
		t.Errorf("asked for %s with %s", got.call, got.body)
	}
	for _, slots := range []string{"0", "-1", "many"} {
		if o := f.muster(t, "slaves", "resize", "--", "slave-1", slots); o.code != exitUsage {
			t.Errorf("%s slots: %+v", slots, o)
		}
	}
	f.muster(t, "slaves", "undrain", "slave-1").want(t, "undrain", exitOK, "Slave slave-1 is not drained any more.\n", "")
	f.muster(t, "slaves", "remove", "slave-1").want(t, "remove", exitOK, "Slave slave-1 was removed.\n", "")
	if got := f.last(t).call; got != "DELETE /v1/slaves/slave-1" {
		t.Errorf("asked for %s", got)
	}
	f.muster(t, "slaves", "remove", "slave-2").want(t, "remove", exitFailure, "", "muster: Slave slave-2 has 3 tasks.\n")
	if o := f.muster(t, "slaves", "remove", "--force", "slave-1", "-o", "jsonl"); canonical(t, o.stdout) != canonical(t, `{"slave":`+slaveJSON+`}`) {
		t.Errorf("json: %s", o.stdout)
	}
	if got := f.last(t).call; got != "DELETE /v1/slaves/slave-1?force=true" {
		t.Errorf("asked for %s", got)
	}
}

func TestTasksCancel(t *testing.T) {
	f := newFake(t, map[string]answer{
		"POST /v1/tasks/9/cancel": {0, `{"task":` + taskFailed + `}`},
		"POST /v1/tasks/7/cancel": {409, `{"error":"Task 7 is done.","code":"already_done","task":7}`},
		"GET /v1/tasks/7":         {0, `{"task":` + taskDone + `}`},
	})
	f.muster(t, "tasks", "cancel", "7").want(t, "cancel", exitFailure, "", "muster: Task 7 is done.\n")
	if o := f.muster(t, "tasks", "cancel", "9", "-o", "jsonl"); canonical(t, o.stdout) != canonical(t, `{"task":`+taskFailed+`}`) {
		t.Errorf("json: %s", o.stdout)
	}
}
