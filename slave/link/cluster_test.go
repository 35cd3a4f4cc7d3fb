package link_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"muster/slave/link"
	"muster/task"
)

// Each request of a leader says which cluster it is of, and a slave of another one
// refuses it with the names of both.
func TestLeadersOfTwoClusters(t *testing.T) {
	w := newWorker(t, 2, deaf{})
	url, s := serve(t, w), newSender(t)
	of := func(cluster string, sequence uint64) task.Stamp {
		return task.Stamp{Cluster: cluster, Term: 1, Sequence: sequence}
	}
	if _, _, err := s.Send(t.Context(), url, of("own", 1), incarnation, []task.Order{{ID: 1, Attempt: 1, Kind: "wait"}}); err != nil {
		t.Fatal(err)
	}
	other := of("other", 1000)
	_, err1 := s.Available(t.Context(), url, other)
	_, _, err2 := s.Send(t.Context(), url, other, incarnation, []task.Order{{ID: 2, Attempt: 1, Kind: "wait"}})
	_, _, err3 := s.Held(t.Context(), url, other)
	_, err4 := s.Cancel(t.Context(), url, other, incarnation, 1, 1)
	_, err5 := s.Resize(t.Context(), url, other, incarnation, 9)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, task.ErrWrongCluster) || !strings.Contains(err.Error(), `"own"`) {
			t.Errorf("got %v", err)
		}
	}
	if a, err := s.Available(t.Context(), url, of("own", 2)); err != nil || a.Free != 1 || a.Slots != 2 {
		t.Errorf("%+v, %v", a, err)
	}

	status, body := call(t, "GET", url+"/tasks", "", "Muster-Term", "1", "Muster-Sequence", "9", "Muster-Cluster", "other")
	if want := `{"error":"the request is of cluster other; this slave works for cluster own","code":"wrong_cluster","cluster":"own"}`; status != 409 || body != want {
		t.Errorf("got %d %s", status, body)
	}
	if err := conforms(document(t), "GET", "/tasks", status, body); err != nil {
		t.Error(err)
	}
	// A leader of a version that does not say, and a person.
	if status, body := call(t, "GET", url+"/tasks", "", "Muster-Term", "1", "Muster-Sequence", "3"); status != 200 {
		t.Errorf("without a name: %d %s", status, body)
	}
	for _, header := range [][]string{{"Muster-Cluster", "other"}, {"Muster-Cluster", "other", "Muster-Term", "0", "Muster-Sequence", "0"}} {
		if status, body := call(t, "GET", url+"/available", "", header...); status != 200 {
			t.Errorf("with %q and without a stamp: %d %s", header, status, body)
		}
	}
	if status, body := call(t, "GET", url+"/available", "", "Muster-Term", "1", "Muster-Sequence", "9", "Muster-Cluster", strings.Repeat("x", 65)); status != 400 {
		t.Errorf("a name of 65 bytes: %d %s", status, body)
	}
}

// Only a leader that knows its cluster names one.
func TestSenderNamesTheCluster(t *testing.T) {
	var got []string
	url := fake(t, func(rw http.ResponseWriter, r *http.Request) {
		got = append(got, strings.Join(r.Header.Values("Muster-Cluster"), "+"))
		rw.WriteHeader(http.StatusTeapot)
	})
	s := link.NewSender(link.SenderConfig{})
	defer s.Close()
	for _, cluster := range []string{"own", ""} {
		_, err := s.Available(t.Context(), url, task.Stamp{Cluster: cluster, Term: 1, Sequence: 1})
		wantUnclear(t, err)
	}
	if len(got) != 2 || got[0] != "own" || got[1] != "" {
		t.Errorf("named %q", got)
	}
}
