package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"muster/api/wire"
	"muster/task"
)

// manyTasks is a master with tasks 1 … n, of two kinds, every second with a key
// and done; each was submitted a second after the one before, from 1970-01-01
// 00:00:01 on, and finished half a second later.
func manyTasks(n int) *fakeMaster {
	m := newLeader("http://m1")
	for i := 1; i <= n; i++ {
		t := task.Task{
			ID: task.ID(i), Spec: task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 3, TimeoutMS: 1}, Status: task.InProgress,
			Slave: "slave-1", Incarnation: "i-1", Attempt: 1, SubmittedAt: task.Millis(1000 * i), StartedAt: task.Millis(1000 * i), Index: uint64(i),
		}
		if i%2 == 0 {
			t.Key, t.Status, t.Outcome, t.FinishedAt = fmt.Sprintf("key %d", i), task.Done, task.Succeeded, t.SubmittedAt+500
			t.Result = task.Value{Type: task.Number, Text: "1"}
		}
		if i > 6 {
			t.Spec.Kind = "own"
		}
		if i%3 == 0 {
			t.Spec.Labels = []task.Label{{Name: "for", Value: "a=b"}, {Name: "team", Value: []string{"maths", "arts"}[i/3%2]}}
		}
		m.tasks[t.ID], m.keys[t.Key] = t, t.ID
	}
	m.index = uint64(n)
	return m
}

// page asks for one page.
func page(t *testing.T, h http.Handler, query string) (ids []uint64, next string) {
	t.Helper()
	var p wire.TaskPage
	exchange(t, h, request("GET", "/v1/tasks?"+query, "")).into(t, &p)
	for _, x := range p.Tasks {
		ids = append(ids, x.ID)
	}
	return ids, p.Next
}

func TestFilters(t *testing.T) {
	h := handlerOf(manyTasks(9))
	for query, want := range map[string][]uint64{
		"kind=own": {7, 8, 9}, "kind=none": nil, "key=key+4": {4}, "key=key+5": nil, "key=key+4&kind=own": nil,
		"id=4": {4}, "id=9,2,2,100": {2, 9}, "id=9%2C2&order=desc": {9, 2},
		"label=team=maths": {6}, "label=team=arts": {3, 9}, "label=for=a%3Db&kind=own": {9}, "label=team=arts&label=for=a%3Db": {3, 9},
		"label=team=arts&label=team=maths": nil, "label=team=": nil, "label=tea=maths": nil,
		// At or after, and before: periods that meet share nothing and leave no gap.
		"submitted_after=1970-01-01T00:00:08Z":                                                {8, 9},
		"submitted_before=1970-01-01T00:00:03Z":                                               {1, 2},
		"submitted_after=1970-01-01T00:00:03Z&submitted_before=1970-01-01T00:00:05Z":          {3, 4},
		"submitted_after=1970-01-01T00:00:07.9995Z":                                           {8, 9},
		"submitted_after=1970-01-01T00:00:08.0001Z":                                           {9},
		"submitted_before=1970-01-01T00:00:02.0001Z":                                          {1, 2},
		"submitted_after=1970-01-01T01:00:08%2B01:00":                                         {8, 9},
		"submitted_after=1969-01-01T00:00:00Z&limit=2&id=1,2,3":                               {1, 2},
		"submitted_before=1969-01-01T00:00:00Z":                                               nil,
		"finished_after=1969-01-01T00:00:00Z":                                                 {2, 4, 6, 8}, // what is not done did not finish
		"finished_before=1970-01-01T00:00:04.5Z":                                              {2},
		"finished_after=1970-01-01T00:00:04.5Z&status=done":                                   {4, 6, 8},
		"finished_after=1970-01-01T00:00:04.5Z&status=pending":                                nil,
		"finished_after=1970-01-01T00:00:04.5Z&kind=own&slave=slave-1&outcome=succeeded&id=8": {8},
	} {
		if ids, _ := page(t, h, query); !slices.Equal(ids, want) {
			t.Errorf("%s: got %v, not %v", query, ids, want)
		}
	}
	for _, query := range []string{"label=", "label=team", "label==maths", "label=a=b&kind=own&kind=own", strings.Repeat("label=a=b&", task.MaxLabels) + "label=a=b"} {
		if a := exchange(t, h, request("GET", "/v1/tasks?"+query, "")); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.body)
		}
	}
	ids := strings.TrimSuffix(strings.Repeat("7,", task.MaxQueryIDs), ",")
	if got, _ := page(t, h, "id="+ids); !slices.Equal(got, []uint64{7}) {
		t.Errorf("%d ids: %v", task.MaxQueryIDs, got)
	}
	if a := exchange(t, h, request("GET", "/v1/tasks?id="+ids+",7", "")); a.StatusCode != http.StatusBadRequest {
		t.Errorf("one id too many: %d %s", a.StatusCode, a.body)
	}
	a := exchange(t, h, request("GET", "/get-tasks?kind=own&finished_after=1970-01-01T00:00:01Z", ""))
	if a.StatusCode != http.StatusOK || strings.Count(string(a.body), `"id":`) != 1 {
		t.Errorf("/get-tasks: %d %s", a.StatusCode, a.body)
	}
}

// A cursor goes on with its own list, at any master, and with no other.
func TestACursorBelongsToItsQuery(t *testing.T) {
	m := manyTasks(9)
	here, there := handlerOf(m), handlerOf(&fakeMaster{fakeCluster: m.fakeCluster, id: "m2", url: "http://m2"})
	const query = "slave=slave-1&submitted_after=1970-01-01T00:00:02Z&order=desc"
	ids, cursor := page(t, here, query+"&limit=2")
	if !slices.Equal(ids, []uint64{9, 8}) {
		t.Fatalf("got %v", ids)
	}
	for _, same := range []string{query, "order=desc&submitted_after=1970-01-01T00:00:02Z&slave=slave-1&min_index=1&forward=true"} {
		if ids, _ := page(t, there, same+"&limit=3&cursor="+cursor); !slices.Equal(ids, []uint64{7, 6, 5}) {
			t.Errorf("%s goes on with %v", same, ids)
		}
	}
	for _, other := range []string{
		"", "order=desc", strings.ReplaceAll(query, "desc", "asc"), strings.ReplaceAll(query, "slave-1", "slave-2"),
		strings.ReplaceAll(query, "02Z", "03Z"), strings.ReplaceAll(query, "after", "before"), query + "&status=done", query + "&kind=own",
	} {
		a := exchange(t, here, request("GET", "/v1/tasks?"+other+"&cursor="+cursor, ""))
		if a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.body), "the same filters and the same order") {
			t.Errorf("?%s: got %d %s", other, a.StatusCode, a.body)
		}
	}
	plain, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	_, hash, _ := strings.Cut(string(plain), ".")
	for _, garbage := range []string{
		"x8." + hash, "d." + hash, "d0." + hash, "d-1." + hash, "d18446744073709551616." + hash, "." + hash, "", "d8", "8." + hash, "d8." + hash + " ",
	} {
		a := exchange(t, here, request("GET", "/v1/tasks?"+query+"&cursor="+base64.RawURLEncoding.EncodeToString([]byte(garbage)), ""))
		if a.StatusCode != http.StatusBadRequest || a.code(t) != task.CodeInvalidRequest || !strings.Contains(string(a.body), "query parameter cursor must be the next of") {
			t.Errorf("%q: got %d %s", garbage, a.StatusCode, a.body)
		}
	}
	// The highest of all ids is one, too.
	if ids, next := page(t, here, query+"&cursor="+base64.RawURLEncoding.EncodeToString([]byte("d18446744073709551615."+hash))); len(ids) != 8 || next != "" {
		t.Errorf("got %v, %q", ids, next)
	}
}

// Every parameter that selects tasks is known to the cursor: what a list knows is a
// filter, or says how to page and to read.
func TestEveryFilterIsInTheCursor(t *testing.T) {
	others := []string{"limit", "cursor", "order", "min_index", "consistency", "forward"}
	for _, r := range (&server{}).routes() {
		if r.path != "/v1/tasks" || r.method != http.MethodGet {
			continue
		}
		for _, name := range r.params {
			if slices.Contains(taskFilters(), name) == slices.Contains(others, name) {
				t.Errorf("parameter %s: is it a filter?", name)
			}
		}
	}
}
