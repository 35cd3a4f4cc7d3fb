package api

import (
	"net/http"
	"testing"

	"muster/task"
)

func meantFor(cluster string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Muster-Cluster", cluster) }
}

// Every answer says which cluster it is of, and a request that names another one is
// refused before anything is done.
func TestACallForAnotherClusterIsRefused(t *testing.T) {
	leads, follows, _ := pair(t, Config{})
	for _, url := range []string{leads.url, follows.url} {
		for _, c := range []struct{ method, target, body string }{
			{"POST", "/v1/tasks", `{"expression":"1"}`},
			{"POST", "/v1/tasks?forward=true", `{"expression":"1"}`},
			{"POST", "/submit-task", `{"expression":"1"}`},
			{"GET", "/v1/tasks/1", ``},
			{"GET", "/v1/tasks?cursor=1&min_index=1", ``},
			{"GET", "/v1/tasks/export", ``},
			{"GET", "/v1/events?after=1", ``},
			{"POST", "/v1/results", `{"slave":"s","incarnation":"i","results":[]}`},
			{"POST", "/join", `{}`},
			{"DELETE", "/v1/masters/m2", ``},
			{"DELETE", "/v1/slaves/slave-1?force=true", ``},
			{"GET", "/v1/status", ``},
		} {
			a := send(t, c.method, url+c.target, c.body, meantFor("c-2"))
			if a.StatusCode != http.StatusConflict || a.code(t) != task.CodeWrongCluster || a.Header.Get("Muster-Cluster") != "c-1" {
				t.Errorf("%s %s: got %d %s %v", c.method, c.target, a.StatusCode, a.body, a.Header)
			}
		}
		for _, named := range []string{"c-1", ""} {
			if a := send(t, "GET", url+"/v1/slaves", "", meantFor(named)); a.StatusCode != http.StatusOK || a.Header.Get("Muster-Cluster") != "c-1" {
				t.Errorf("for %q: got %d %s", named, a.StatusCode, a.body)
			}
		}
	}
	if index, _ := leads.look(); index != 1 {
		t.Errorf("something was done: the index is %d", index)
	}
}

// The leader's address may have become that of a master of another cluster. A follower
// does not carry a call there.
func TestForwardDoesNotReachAnotherCluster(t *testing.T) {
	_, follows, _ := pair(t, Config{})
	stranger := newLeader("")
	stranger.cluster = "c-2"
	serve(t, stranger, Config{})
	follows.wrongURL = stranger.url
	a := send(t, "POST", follows.url+"/v1/tasks?forward=true", `{"expression":"1"}`)
	if a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeNoLeader || a.Header.Get("Muster-Cluster") != "c-1" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if index, _ := stranger.look(); index != 1 {
		t.Error("the other cluster has the task")
	}
}

// A browser comes back with the id of its last event to whoever has the address now. The
// page's URL says of which cluster that id is.
func TestAReaderOfAnotherClusterGetsTheWholeState(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		for i := range task.ID(3) {
			m.happen(Change{What: "submitted", Task: taskIs(i+1, "k", task.Pending)})
		}
		for _, last := range []string{"2-0", "9000-1", ""} {
			watchOver(t, listener, "/v1/events?types=task&cluster=c-2", last).want(
				`reset  "reason":"the masters are another cluster: c-1"`,
				"task  present 1 pending", "task  present 2 pending", "task  present 3 pending", `resynced 4 "index":4`,
			)
		}
		watchOver(t, listener, "/v1/events?types=task&cluster=c-1", "2-0").want("2-0", "task 3-0 submitted 2 pending", "task 4-0 submitted 3 pending", quiet)
	})
}
