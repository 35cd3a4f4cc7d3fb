package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"muster/task"
)

// aSlave answers like a slave: the one of this repository, or one in another language.
func aSlave(t *testing.T, status int, body string) *scripted {
	t.Helper()
	return newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/available" {
			fmt.Fprint(w, `{"available":true,"answer":"I am available.","incarnation":"i","free":1,"slots":1,"counter":1}`)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// TestASlavesAddressIsNoMasters: who gives only those is told at once.
func TestASlavesAddressIsNoMasters(t *testing.T) {
	for name, slave := range map[string]*scripted{
		"a slave":                     aSlave(t, 404, `{"error":"a slave has nothing at /join","code":"not_found"}`),
		"a slave in another language": aSlave(t, 501, `<h1>Unsupported method</h1>`),
	} {
		t.Run(name, func(t *testing.T) {
			c := ask(t, slave.URL)
			_, statusErr := c.Status(t.Context(), slave.URL, false)
			_, joinErr := c.Join(t.Context(), JoinRequest{ID: "m2"})
			_, registerErr := c.RegisterSlave(t.Context(), task.Registration{Name: "s"})
			for _, err := range []error{statusErr, joinErr, registerErr} {
				const want = "no master is at %s; give the address of a master's API (a slave answers there)"
				if !errors.Is(err, ErrSlave) || CodeOf(err) != task.CodeNotFound || !strings.Contains(err.Error(), fmt.Sprintf(want, slave.URL)) {
					t.Errorf("got %v", err)
				}
			}
			if n := len(slave.heard()); n != 6 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

// TestASlaveAmongTheMastersIsPassedOver: one wrong address of a list keeps nobody from
// the others.
func TestASlaveAmongTheMastersIsPassedOver(t *testing.T) {
	slave := aSlave(t, 404, `{"error":"a slave has nothing here","code":"not_found"}`)
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"cluster_id":"c"}`) })
	c := ask(t, slave.URL, master.URL)
	for range 2 {
		if _, err := c.Join(t.Context(), JoinRequest{ID: "m2"}); err != nil {
			t.Error(err)
		}
	}
	if n := len(slave.heard()); n != 2 { // the call, and what it is
		t.Errorf("the slave was asked %d times", n)
	}
}

// TestAMasterThatIsTooOldIsNoSlave: what it does not know is refused as it says.
func TestAMasterThatIsTooOldIsNoSlave(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 404, task.CodeNotFound) })
	_, err := ask(t, master.URL).SubmitBatch(t.Context(), []BatchItem{{Expression: "1"}})
	wantCode(t, err, task.CodeNotFound)
	if errors.Is(err, ErrSlave) {
		t.Errorf("got %v", err)
	}
}

// TestARaftPortAmongTheMastersIsPassedOver, and who gives only that is told at once what
// it is and where the API is.
func TestARaftPortAmongTheMastersIsPassedOver(t *testing.T) {
	raft := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Muster-Port", "raft")
		w.WriteHeader(http.StatusMisdirectedRequest)
		fmt.Fprint(w, `{"error":"this is the Raft port of master m1; give the URL of its API, http://10.0.0.1:8101","code":"not_found"}`)
	})
	_, err := ask(t, raft.URL).Join(t.Context(), JoinRequest{ID: "m2"})
	if !errors.Is(err, ErrRaftPort) || !strings.Contains(err.Error(), raft.URL+": this is the Raft port of master m1; give the URL of its API, http://10.0.0.1:8101") {
		t.Errorf("got %v", err)
	}
	if n := len(raft.heard()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"cluster_id":"c"}`) })
	if _, err := ask(t, raft.URL, master.URL).Join(t.Context(), JoinRequest{ID: "m2"}); err != nil {
		t.Error(err)
	}
}
