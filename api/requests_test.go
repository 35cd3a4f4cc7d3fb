package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/task"
)

func TestQueriesAreStrict(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	for target, want := range map[string]string{
		"/v1/tasks?staus=done":              `unknown query parameter \"staus\"`,
		"/v1/tasks?status=Done":             "status must be pending, in_progress or done",
		"/v1/tasks?status=":                 "status must be",
		"/v1/tasks?status=done&status=done": "status is given twice",
		"/v1/tasks?outcome=good":            "outcome must be",
		"/v1/tasks?limit=0":                 "limit must be a whole number from 1 to 1000",
		"/v1/tasks?limit=1001":              "limit must be",
		"/v1/tasks?limit=ten":               "limit must be",
		"/v1/tasks?cursor=%21":              "cursor must be the next of the page before",
		"/v1/tasks?cursor=YQ":               "cursor must be",
		"/v1/tasks?cursor=YTE":              "cursor must be",
		"/v1/tasks?cursor=":                 "cursor must be",
		"/v1/tasks?kind=":                   "kind must be a text of 1 to 128 bytes",
		"/v1/tasks?slave=":                  "slave must be a text of 1 to 128 bytes",
		"/v1/tasks?key=":                    "key must be a text of 1 to 255 bytes",
		"/v1/tasks?id=":                     "id must be 1 to 1000 ids",
		"/v1/tasks?id=0":                    "id must be",
		"/v1/tasks?id=1,,2":                 "id must be",
		"/v1/tasks?id=1,-2":                 "id must be",
		"/v1/tasks?submitted_after=today":   "submitted_after must be an instant",
		"/v1/tasks?submitted_before=":       "submitted_before must be",
		"/v1/tasks?finished_after=20":       "finished_after must be",
		"/v1/tasks?finished_before=2026-01": "finished_before must be",
		"/v1/tasks?order=up":                "order must be asc or desc",
		"/v1/tasks?min_index=-1":            "min_index must be a whole number",
		"/v1/tasks?consistency=strong":      "consistency must be local or linearizable",
		"/v1/tasks?forward=1":               "forward must be true or false",
		"/v1/tasks?limit=%zz":               "can't be read",
		"/v1/tasks?a;b":                     "can't be read",
		"/v1/tasks/1?wait=30":               "wait must be a duration",
		"/v1/tasks/1?wait=-1s":              "wait must be a duration from 0s to 5m0s",
		"/v1/tasks/1?wait=301s":             "wait must be a duration from 0s to 5m0s",
		"/v1/tasks/one":                     "a whole number, not \\\"one\\\"",
		"/v1/tasks/-1":                      "a whole number",
		"/v1/tasks/18446744073709551616":    "a whole number",
		"/v1/status?fingerprint=yes":        "fingerprint must be true or false",
		"/v1/masters?min_index=1":           "unknown query parameter",
		"/healthz?x=1":                      "unknown query parameter",
		"/get-tasks?limit=0":                "limit must be",
	} {
		a := exchange(t, h, request("GET", target, ""))
		if a.StatusCode != http.StatusBadRequest || a.code(t) != task.CodeInvalidRequest || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: got %d %s", target, a.StatusCode, a.body)
		}
	}
	if a := exchange(t, h, request("POST", "/v1/tasks?explain=1", `{"expression":"1"}`)); a.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestBodiesAreChecked(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	long := strings.Repeat("n", task.MaxNameBytes+1)
	for _, tc := range []struct {
		path, body, want string
		code             task.Code
	}{
		{"/v1/tasks", `{"expression":""}`, "", task.CodeInvalidExpression},
		{"/v1/tasks", `{"expression":"a =~ b"}`, "", task.CodeInvalidExpression},
		{"/v1/tasks", `{"expression":"` + strings.Repeat("(", 65) + `"}`, "", task.CodeInvalidExpression},
		{"/v1/tasks", `{"expression":"x","parameters":{"x":1e999}}`, "parameter x", task.CodeInvalidExpression},
		{"/v1/tasks", `{"expression":"1","max_tries":101}`, "max_tries must be from 1 to 100", task.CodeInvalidRequest},
		{"/v1/tasks", `{"expression":"1","timeout_ms":-1}`, "timeout_ms must be", task.CodeInvalidRequest},
		{"/v1/tasks", `{"expression":"1","timeout_ms":86400001}`, "timeout_ms must be", task.CodeInvalidRequest},
		{"/v1/tasks", `{"expression":"1","kind":"a b"}`, `kind \"a b\" is not a name`, task.CodeInvalidRequest},
		{"/v1/tasks", `{"expression":"1","kind":"` + long + `"}`, "is not a name; it takes 1 to 128 bytes", task.CodeInvalidRequest},
		{"/v1/tasks", `{"expression":"` + strings.Repeat("x", 5000) + `","kind":"own"}`, "expression has 5000 bytes", task.CodeInvalidRequest},
		{"/v1/tasks", `{"expression":"","kind":"own","parameters":{"` + long + `":1}}`, "too long", task.CodeInvalidRequest},
		{"/v1/results", `{"slave":"","incarnation":"i","results":[]}`, "slave must have", task.CodeInvalidRequest},
		{"/v1/results", `{"slave":"s","incarnation":"","results":[]}`, "incarnation must have", task.CodeInvalidRequest},
		{"/v1/results", `{"slave":"s","incarnation":"i","results":[],"free":2,"slots":1}`, "free not above slots", task.CodeInvalidRequest},
		{"/v1/results", `{"slave":"s","incarnation":"i","results":[],"free":-1}`, "free and slots must be", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a/b","url":"http://h","slots":1,"incarnation":"i"}`, "is not a name", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a\u001b[2J","url":"http://h","slots":1,"incarnation":"i"}`, "is not a name", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"..","url":"http://h","slots":1,"incarnation":"i"}`, "is not a name", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h","incarnation":"i","kinds":[{"name":"a,b","idempotent":true}]}`, "kinds[0].name", task.CodeInvalidRequest},
		{"/join", `{"id":"a/b","raft_address":"h:1","api_url":"http://h"}`, "is not a name", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"ftp://h","slots":1,"incarnation":"i"}`, "url must be a base URL", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://u:p@h","slots":1,"incarnation":"i"}`, "url must be a base URL", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h?q","slots":1,"incarnation":"i"}`, "url must be a base URL", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h/admin?","slots":1,"incarnation":"i"}`, "it has a query", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h/admin#","slots":1,"incarnation":"i"}`, "it has a fragment", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h/x/../admin","slots":1,"incarnation":"i"}`, "none is empty, a dot or two dots", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h//","slots":1,"incarnation":"i"}`, "none is empty, a dot or two dots", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://\u200b:9101","slots":1,"incarnation":"i"}`, `it has the host \"\\u200b\"`, task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h．x:9101","slots":1,"incarnation":"i"}`, "a host has letters, digits", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h:0","slots":1,"incarnation":"i"}`, "a port is a number from 1 to 65535", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h:09101","slots":1,"incarnation":"i"}`, "without leading zeros", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"h:80","slots":1,"incarnation":"i"}`, "url must be a base URL", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h","slots":0,"incarnation":"i"}`, "slots must be from 1", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h","slots":65537,"incarnation":"i"}`, "slots must be from 1", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h","slots":1,"incarnation":"i","kinds":[{"name":"x","idempotent":true},{"name":"x","idempotent":false}]}`, "declared twice", task.CodeInvalidRequest},
		{"/v1/slaves", `{"name":"a","url":"http://h","slots":1,"incarnation":"i","kinds":[{"name":"x"}]}`, "kinds[0].idempotent is missing", task.CodeInvalidRequest},
		{"/v1/slaves/a/leave", `{"incarnation":""}`, "incarnation must have 1 to 128 bytes", task.CodeInvalidRequest},
		{"/v1/slaves/a/leave", `{"incarnation":"` + long + `"}`, "incarnation must have 1 to 128 bytes", task.CodeInvalidRequest},
		{"/v1/slaves/a/leave", `{"incarnation":"a b"}`, "incarnation must have printable characters", task.CodeInvalidRequest},
		{"/v1/slaves/a/leave", `{}`, "incarnation is missing", task.CodeInvalidRequest},
		{"/join", `{"id":"m","raft_address":"h","api_url":"http://h"}`, "raft_address must be host:port", task.CodeInvalidRequest},
		{"/join", `{"id":"m","raft_address":"h:0","api_url":"http://h"}`, "a port is a number", task.CodeInvalidRequest},
		{"/join", `{"id":"m","raft_address":"h\u200b:1","api_url":"http://h"}`, "a host has letters", task.CodeInvalidRequest},
		{"/join", `{"id":"m","raft_address":"h:1","api_url":"http://h\u200b:1"}`, "api_url must be", task.CodeInvalidRequest},
		{"/join", `{"id":"m","raft_address":"h:1","api_url":"h"}`, "api_url must be", task.CodeInvalidRequest},
		{"/join", `{"id":"m","raft_address":"h:1","api_url":"http://h/admin?"}`, "it has a query", task.CodeInvalidRequest},
		{"/join", `{"id":"","raft_address":"h:1","api_url":"http://h"}`, `id \"\" is not a name`, task.CodeInvalidRequest},
		{"/submit-task", `{"Expression":"1"}`, "did you mean", task.CodeInvalidRequest},
		{"/submit-task", `{"expression":"1"}{}`, "something follows", task.CodeInvalidRequest},
		{"/submit-task", ``, "the body is empty", task.CodeInvalidRequest},
	} {
		a := exchange(t, h, request("POST", tc.path, tc.body))
		if a.StatusCode != http.StatusBadRequest || a.code(t) != tc.code || !strings.Contains(string(a.body), tc.want) {
			t.Errorf("%s %.200s: got %d %s", tc.path, tc.body, a.StatusCode, a.body)
		}
	}
}

func TestBodyIsBounded(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	body := `{"expression":"` + strings.Repeat("x", maxBody) + `"}`
	for _, known := range []bool{true, false} {
		r := request("POST", "/v1/tasks", body)
		if !known {
			r.ContentLength = -1
		}
		if a := exchange(t, h, r); a.StatusCode != http.StatusRequestEntityTooLarge || a.code(t) != task.CodeBodyTooLarge {
			t.Errorf("length known: %v: got %d %s", known, a.StatusCode, a.body)
		}
	}
	// A length that is only promised is not believed.
	r := httptest.NewRequest(http.MethodPost, "/v1/tasks", strings.NewReader(`{"expression":"1"}`))
	r.Host = "127.0.0.1"
	r.ContentLength = maxBody
	if a := exchange(t, h, r); a.StatusCode != http.StatusCreated {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestContentType(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	for contentType, want := range map[string]int{
		"": 201, "application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON": 201,
		"application/merge+json": 201, "application/x-www-form-urlencoded": 201,
		"text/plain": 415, "text/html": 415, "application/xml": 415, "multipart/form-data; boundary=x": 415, "json": 415, ";": 415,
	} {
		r := request("POST", "/v1/tasks", `{"expression":"1"}`)
		r.Header.Set("Content-Type", contentType)
		if a := exchange(t, h, r); a.StatusCode != want {
			t.Errorf("%q: got %d %s", contentType, a.StatusCode, a.body)
		}
	}
}

// A web page whose own name was made to lead here gives itself away by the Host
// header: it may not write, and not take all tasks away.
func TestAHostThatIsNotOursIsRefused(t *testing.T) {
	h := New(Config{Backend: newLeader("http://m1.example:8101"), SelfURL: "http://self.example:8101", Names: []string{"proxy.example"}})
	for _, call := range []struct{ method, path, body string }{
		{"POST", "/v1/tasks", `{"expression":"1"}`},
		{"POST", "/submit-task", `{"expression":"1"}`},
		{"POST", "/v1/tasks/batch", `{"tasks":[{"expression":"1"}]}`},
		{"POST", "/v1/slaves/slave-1/drain", ""},
		{"DELETE", "/v1/masters/m2", ""},
		{"GET", "/v1/tasks/export", ""},
		{"HEAD", "/v1/tasks/export", ""},
		{"GET", "/v1/tasks", ""},
		{"GET", "/healthz", ""},
		{"GET", "/readyz", ""},
		{"GET", "/v1/status", ""},
	} {
		open := call.method == "GET" && call.path != "/v1/tasks/export"
		for host, known := range map[string]bool{
			"evil.example": false, "evil.example:8101": false, "m1.example.evil.example": false,
			"localhost%25.evil.example": false, ".": false, "[m1.example]": false, "localhost:x": false,
			"127.0.0.1:8101": true, "[::1]:8101": true, "localhost:8101": true, "m1.example:8101": true, "self.example": true, "PROXY.example:80": true,
		} {
			r := request(call.method, call.path, call.body)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if refused := w.Code == http.StatusMisdirectedRequest; refused == (known || open) {
				t.Errorf("%s %s of %s: got %d %s", call.method, call.path, host, w.Code, w.Body)
			}
		}
	}
	r := request("POST", "/v1/tasks", `{"expression":"1"}`)
	r.Host = "evil.example"
	if a := exchange(t, h, r); a.code(t) != task.CodeUnknownHost || !strings.Contains(string(a.body), "--api-names") {
		t.Errorf("got %s", a.body)
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	r := request("POST", "/v1/tasks", `{"expression":"1"}`)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := exchange(t, h, r); a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.body), "cross-origin request refused") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	r = request("GET", "/v1/tasks", "")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := exchange(t, h, r); a.StatusCode != http.StatusOK {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// Whatever is sent, a leader answers in the document's form, and never with a
// failure of its own.
func FuzzCalls(f *testing.F) {
	h := handlerOf(newLeader("http://m1"))
	for _, r := range (&server{}).routes() {
		f.Add(r.method, r.path, "min_index=0&forward=false", jsonType, []byte(`{"expression":"1","parameters":{"x":1}}`))
	}
	f.Add("POST", "/v1/results", "", "", []byte(`{"slave":"s","incarnation":"i","results":[{"id":1,"attempt":1,"result":"1"}]}`))
	doc := theDocument(f)
	f.Fuzz(func(t *testing.T, method, path, query, contentType string, body []byte) {
		if strings.Contains(query, "min_index") && !strings.Contains(query, "min_index=0") {
			return // waits
		}
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(string(body)))
		r.Method, r.URL.Path, r.URL.RawQuery = method, "/"+strings.TrimPrefix(path, "/"), query
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		a := answered{w.Result(), w.Body.Bytes()}
		if a.StatusCode >= 500 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if method == "CONNECT" || method == "HEAD" {
			return
		}
		if err := conforms(doc, method, r.URL.Path, a); err != nil {
			t.Fatalf("%s %q: %v\n%s", method, r.URL.Path, err, a.body)
		}
	})
}
