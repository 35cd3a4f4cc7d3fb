package link_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime/metrics"
	"strings"
	"testing"

	"muster/slave/link"
	"muster/task"
)

// The words on the wire, as any language would send and read them.
func TestWire(t *testing.T) {
	url := serve(t, newWorker(t, 2, deaf{}))
	steps := []struct {
		method, path, body string
		sequence           string // empty: no stamp
		status             int
		want               string
	}{
		{"GET", "/healthz", "", "", 200, `{"status":"ok"}`},
		{"GET", "/available", "", "", 200, `{"available":true,"answer":"I am available.","free":2,"slots":2,"incarnation":"0123456789abcdef","counter":1}`},
		{"GET", "/available", "", "1", 200, `{"available":true,"answer":"I am available.","free":2,"slots":2,"incarnation":"0123456789abcdef","counter":1}`},
		{
			"POST", "/tasks", `{"incarnation":"0123456789abcdef","tasks":[` +
				`{"id":1,"attempt":1,"kind":"wait","expression":"x","parameters":{"x":4.50,"name":"Ann","on":true},"timeout_ms":60000},` +
				`{"id":2,"attempt":3,"kind":"wait","expression":"", "a newer field": 1},` +
				`{"id":3,"attempt":1,"kind":"wait"},{"id":4,"attempt":1,"kind":"cook"},{"id":1,"attempt":1,"kind":"wait"}]}`, "2", 200,
			`{"available":false,"answer":"I am not available.","free":0,"slots":2,"incarnation":"0123456789abcdef","counter":3,"tasks":[` +
				`{"id":1,"attempt":1,"status":"accepted"},{"id":2,"attempt":3,"status":"accepted"},` +
				`{"id":3,"attempt":1,"status":"refused","reason":"no_slot"},{"id":4,"attempt":1,"status":"refused","reason":"unknown_kind"},` +
				`{"id":1,"attempt":1,"status":"running"}]}`,
		},
		{"GET", "/tasks", "", "3", 200, `{"available":false,"answer":"I am not available.","free":0,"slots":2,"incarnation":"0123456789abcdef","counter":3,"tasks":[` +
			`{"id":1,"attempt":1,"status":"running"},{"id":2,"attempt":3,"status":"running"}]}`},
		{"GET", "/available", "", "3", 409, `{"error":"the slave has seen a newer request","code":"stale_term"}`},
		{
			"POST", "/tasks", `{"incarnation":"other","tasks":[]}`, "4", 409,
			`{"error":"the request is for another incarnation; this one is 0123456789abcdef","code":"wrong_incarnation","incarnation":"0123456789abcdef"}`,
		},
		{
			"POST", "/tasks/9/cancel", `{"incarnation":"0123456789abcdef","attempt":1}`, "5", 200,
			`{"available":false,"answer":"I am not available.","free":0,"slots":2,"incarnation":"0123456789abcdef","counter":3}`,
		},
	}
	for _, s := range steps {
		var header []string
		if s.sequence != "" {
			header = []string{"Muster-Term", "1", "Muster-Sequence", s.sequence}
		}
		status, got := call(t, s.method, url+s.path, s.body, header...)
		if status != s.status || got != s.want {
			t.Errorf("%s %s\n got %d %s\nwant %d %s", s.method, s.path, status, got, s.status, s.want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorker(t, 2, deaf{})
	url := serve(t, w)
	good := `{"incarnation":"0123456789abcdef","tasks":[{"id":1,"attempt":1,"kind":"wait"}]}`
	cases := map[string]struct {
		method, path, body string
		term, sequence     string
		status             int
		code               string
	}{
		"no stamp":           {"POST", "/tasks", good, "", "", 400, "invalid_request"},
		"half a stamp":       {"POST", "/tasks", good, "1", "", 400, "invalid_request"},
		"zero stamp":         {"POST", "/tasks", good, "0", "0", 400, "invalid_request"},
		"stamp of words":     {"POST", "/tasks", good, "one", "1", 400, "invalid_request"},
		"negative stamp":     {"GET", "/available", "", "1", "-1", 400, "invalid_request"},
		"stamp on held":      {"GET", "/tasks", "", "x", "1", 400, "invalid_request"},
		"no body":            {"POST", "/tasks", "", "1", "1", 400, "invalid_request"},
		"not JSON":           {"POST", "/tasks", "tasks", "1", "1", 400, "invalid_request"},
		"trailing garbage":   {"POST", "/tasks", good + "x", "1", "1", 400, "invalid_request"},
		"two objects":        {"POST", "/tasks", good + good, "1", "1", 400, "invalid_request"},
		"a field twice":      {"POST", "/tasks", strings.Replace(good, `"id":1`, `"id":1,"id":2`, 1), "1", "1", 400, "invalid_request"},
		"tasks twice":        {"POST", "/tasks", strings.Replace(good, `"tasks":`, `"tasks":[],"tasks":`, 1), "1", "1", 400, "invalid_request"},
		"cancel twice":       {"POST", "/tasks/1/cancel", `{"incarnation":"0123456789abcdef","attempt":1,"attempt":2}`, "1", "1", 400, "invalid_request"},
		"resize twice":       {"POST", "/resize", `{"incarnation":"0123456789abcdef","slots":1,"slots":2}`, "1", "1", 400, "invalid_request"},
		"half a character":   {"POST", "/tasks", strings.Replace(good, `"wait"`, `"wait","expression":"\ud800"`, 1), "1", "1", 400, "invalid_request"},
		"no tasks":           {"POST", "/tasks", `{"incarnation":"0123456789abcdef"}`, "1", "1", 400, "invalid_request"},
		"no incarnation":     {"POST", "/tasks", `{"tasks":[]}`, "1", "1", 400, "invalid_request"},
		"id 0":               {"POST", "/tasks", strings.Replace(good, `"id":1`, `"id":0`, 1), "1", "1", 400, "invalid_request"},
		"negative id":        {"POST", "/tasks", strings.Replace(good, `"id":1`, `"id":-1`, 1), "1", "1", 400, "invalid_request"},
		"attempt 0":          {"POST", "/tasks", strings.Replace(good, `"attempt":1`, `"attempt":0`, 1), "1", "1", 400, "invalid_request"},
		"no kind":            {"POST", "/tasks", strings.Replace(good, `"wait"`, `""`, 1), "1", "1", 400, "invalid_request"},
		"list as parameter":  {"POST", "/tasks", strings.Replace(good, `"wait"`, `"wait","parameters":{"x":[1]}`, 1), "1", "1", 400, "invalid_request"},
		"null as parameter":  {"POST", "/tasks", strings.Replace(good, `"wait"`, `"wait","parameters":{"x":null}`, 1), "1", "1", 400, "invalid_request"},
		"unknown value type": {"POST", "/tasks", strings.Replace(good, `"wait"`, `"wait","parameters":{"x":{"type":"date","text":"1"}}`, 1), "1", "1", 400, "invalid_request"},
		"too many tasks":     {"POST", "/tasks", `{"incarnation":"i","tasks":[{}` + strings.Repeat(",{}", task.MaxSlots) + `]}`, "1", "1", 400, "invalid_request"},
		"too large":          {"POST", "/tasks", strings.Repeat(" ", 16<<20) + good, "1", "1", 413, "body_too_large"},
		"cancel of a word":   {"POST", "/tasks/x/cancel", `{"incarnation":"i","attempt":1}`, "1", "1", 400, "invalid_request"},
		"cancel of 0":        {"POST", "/tasks/0/cancel", `{"incarnation":"i","attempt":1}`, "1", "1", 400, "invalid_request"},
		"cancel of nothing":  {"POST", "/tasks/1/cancel", `{}`, "1", "1", 400, "invalid_request"},
		"cancel, no stamp":   {"POST", "/tasks/1/cancel", `{"incarnation":"i","attempt":1}`, "", "", 400, "invalid_request"},
		"cancel, no body":    {"POST", "/tasks/1/cancel", ``, "1", "1", 400, "invalid_request"},
		"resize of nothing":  {"POST", "/resize", `{}`, "1", "1", 400, "invalid_request"},
		"resize, no stamp":   {"POST", "/resize", `{"incarnation":"0123456789abcdef","slots":1}`, "", "", 400, "invalid_request"},
		"resize, no body":    {"POST", "/resize", ``, "1", "1", 400, "invalid_request"},
		"wrong method":       {"DELETE", "/tasks", "", "", "", 405, "method_not_allowed"},
		"wrong path":         {"GET", "/", "", "", "", 404, "not_found"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var header []string
			if c.term != "" {
				header = append(header, "Muster-Term", c.term)
			}
			if c.sequence != "" {
				header = append(header, "Muster-Sequence", c.sequence)
			}
			status, body := call(t, c.method, url+c.path, c.body, header...)
			var answer struct{ Error, Code string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if status != c.status || answer.Code != c.code || answer.Error == "" {
				t.Errorf("got %d %s, want %d %s", status, body, c.status, c.code)
			}
		})
	}
	// None of them moved the fence or started anything.
	if a, err := w.Available(stamp(1)); err != nil || a.Free != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
}

// Whatever arrives, the answer is JSON and no 5xx, nothing panics, and no body
// means many times its size.
func FuzzAcceptBody(f *testing.F) {
	f.Add([]byte(`{"incarnation":"0123456789abcdef","tasks":[{"id":1,"attempt":1,"kind":"echo","parameters":{"x":4,"y":"a","z":{"type":"number","text":"NaN"}}}]}`))
	f.Add([]byte(`{"incarnation":"","tasks":[null]}`))
	f.Add([]byte(`{"tasks":{}}`))
	f.Add([]byte(`{"incarnation":"0123456789abcdef","tasks":[{"id":18446744073709551615,"attempt":4294967295,"kind":"wait","parameters":null,"timeout_ms":-1}],"new":[[]]}`))
	h := link.Handler(newWorker(f, 2, deaf{}))
	sequence := uint64(0)
	f.Fuzz(func(t *testing.T, body []byte) {
		sequence++
		req := httptest.NewRequest(http.MethodPost, "/tasks", bytes.NewReader(body))
		req.Header.Set("Muster-Term", "1")
		req.Header.Set("Muster-Sequence", task.ID(sequence).String())
		rec := httptest.NewRecorder()
		before := allocated()
		h.ServeHTTP(rec, req)
		if used := allocated() - before; used > 4<<20+200*uint64(len(body)) {
			t.Fatalf("a body of %d bytes allocated %d", len(body), used)
		}
		if rec.Code >= 500 || !json.Valid(rec.Body.Bytes()) {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}

// allocated is how many bytes this process has ever asked for.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
