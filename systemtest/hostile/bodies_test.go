package hostile

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestHostileRequestsToAMasterAreRefused sends bodies, headers and queries that
// nobody should send, to every endpoint of a master.
func TestHostileRequestsToAMasterAreRefused(t *testing.T) { //nolint:tparallel // the groups share a system, and follow each other
	t.Parallel()
	s := newSystem(t, 4, "slave-1")
	t.Run("bodies", s.badBodies)
	s.unharmed(t)
	t.Run("headers", s.badHeaders)
	s.unharmed(t)
	t.Run("queries", s.badQueries)
	s.unharmed(t)
	t.Run("strangers", s.strangers)
	s.unharmed(t)
	t.Run("mutations", s.mutatedBodies)
	s.unharmed(t)
}

// badBodies are wrong for every endpoint that takes one.
func (s *system) badBodies(t *testing.T) {
	const mib = 1 << 20
	deep := repeat("[", 50) // the guard stops at the first that does not belong there
	for name, tc := range map[string]struct {
		body string
		want string // status and code
	}{
		"nothing":           {"", "400 invalid_request"},
		"white space":       {" \n", "400 invalid_request"},
		"null":              {"null", "400 invalid_request"},
		"a list":            {"[]", "400 invalid_request"},
		"a word":            {"hello", "400 invalid_request"},
		"not UTF-8":         {"{\"expression\":\"\xff\xfe\"}", "400 invalid_request"},
		"byte order mark":   {"\ufeff{}", "400 invalid_request"},
		"NUL":               {"\x00", "400 invalid_request"},
		"deep":              {deep, "400 invalid_request"},
		"deep and closed":   {deep + repeat("]", 50), "400 invalid_request"},
		"deep objects":      {repeat(`{"a":`, 50), "400 invalid_request"},
		"deep, 1 MiB":       {deep + repeat(" ", mib-50), "400 invalid_request"},
		"unknown, deep":     {`{"zzz":` + deep, "400 invalid_request"},
		"cut off":           {`{"expression":"1"`, "400 invalid_request"},
		"trailing":          {`{"expression":"1"}}`, "400 invalid_request"},
		"two":               {`{"expression":"1"} {"expression":"1"}`, "400 invalid_request"},
		"twice":             {`{"expression":"1","expression":"2"}`, "400 invalid_request"},
		"wrong case":        {`{"EXPRESSION":"1"}`, "400 invalid_request"},
		"prototype":         {`{"__proto__":{"expression":"1"}}`, "400 invalid_request"},
		"form":              {`expression=1%2B1`, "400 invalid_request"},
		"many keys":         {"{" + repeat(`"a":1,`, mib/8) + `"b":1}`, "400 invalid_request"},
		"a long key":        {`{"` + repeat("k", mib/2) + `":1}`, "400 invalid_request"},
		"a long number":     {`{"timeout_ms":` + repeat("9", mib/2) + `}`, "400 invalid_request"},
		"1 MiB and 1 byte":  {repeat(" ", mib+1), "413 body_too_large"},
		"large and correct": {`{"expression":"1"` + repeat(" ", mib) + `}`, "413 body_too_large"},
		"10 MiB":            {repeat("x", 10*mib), "413 body_too_large"},
	} {
		for _, path := range []string{"/v1/tasks", "/submit-task", "/v1/results", "/v1/slaves", "/register-slave", "/v1/slaves/slave-1/leave", "/join"} {
			a := s.call(t, "POST", s.leader().url+path, tc.body, "Content-Type", "application/json")
			if got := a.line(); got != tc.want {
				t.Errorf("%s: %s: %s %.300s; want %s", path, name, got, a.body, tc.want)
			}
			if len(a.body) > 1000 {
				t.Errorf("%s: %s: the refusal has %d bytes", path, name, len(a.body))
			}
		}
	}
	// As many parameters as fit, and as many results.
	var b strings.Builder
	for i := range 70_000 {
		b.WriteString(`,"p` + strconv.Itoa(i) + `":1`)
	}
	a := s.call(t, "POST", s.leader().url+"/v1/tasks", `{"expression":"1","parameters":{`+b.String()[1:]+`}}`)
	if a.status != http.StatusBadRequest {
		t.Errorf("70k parameters: %s %.300s", a.line(), a.body)
	}
	a = s.call(t, "POST", s.leader().url+"/v1/results", `{"slave":"slave-1","incarnation":"i","results":[{"id":1,"attempt":1}`+repeat(`,{"id":1,"attempt":1}`, 49_000)+`]}`)
	if a.status >= http.StatusInternalServerError {
		t.Errorf("49k results: %s %.300s", a.line(), a.body)
	}
	s.manyResults(t)
}

// manyResults reports as many results as fit into a body, of the slave as it is,
// at once and over and over.
func (s *system) manyResults(t *testing.T) {
	t.Helper()
	rec, err := s.slave("slave-1")
	if err != nil {
		t.Fatal(err)
	}
	body := `{"slave":"slave-1","incarnation":"` + rec.Incarnation + `","results":[{"id":7,"attempt":1}` + repeat(`,{"id":7,"attempt":1}`, 49_000) + `]}`
	var reporters sync.WaitGroup
	for range 12 {
		reporters.Go(func() {
			for range 2 {
				s.call(t, "POST", s.leader().url+"/v1/results", body)
			}
		})
	}
	reporters.Wait()
}

// line is the status, and the code of a refusal.
func (a answer) line() string { return strings.TrimSpace(strconv.Itoa(a.status) + " " + a.code()) }

// badHeaders go with a body that is right.
func (s *system) badHeaders(t *testing.T) {
	const good = `{"expression":"1"}`
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(good)) // to memory
	_ = z.Close()
	for _, tc := range []struct {
		body, key, value string
		want             int
	}{
		{good, "Content-Type", "text/plain", 415},
		{good, "Content-Type", "application/xml", 415},
		{good, "Content-Type", "multipart/form-data; boundary=" + repeat("b", 1000), 415},
		{good, "Content-Type", "application/json; charset=" + repeat("x", 10_000), 201},
		{good, "Content-Type", repeat("a/b;", 5000), 415},
		{good, "Content-Type", ";;;===\"\"\"", 415},
		{zipped.String(), "Content-Encoding", "gzip", 400},
		{"\xff\xfe{\x00}\x00", "Content-Type", "application/json; charset=utf-16", 400},
		{good, "Idempotency-Key", repeat("k", 256), 400},
		{good, "Idempotency-Key", "\u202e", 400},
		{good, "Idempotency-Key", "a\tb", 400},
		{good, "Muster-Forwarded", repeat("f", 10_000), 201}, // only a follower cares
		{good, "X-Forwarded-For", repeat("1.2.3.4, ", 1000), 201},
		{good, "Sec-Fetch-Site", "cross-site", 400},
		{good, "Origin", "http://evil.example", 400},
		{good, "Cookie", repeat("c=1; ", 8000), 201},
		{good, "Range", "bytes=0-" + repeat(",0-", 5000), 201},
		{good, "Expect", "200-maybe", 417},
	} {
		a, err := s.try("POST", s.leader().url+"/v1/tasks", tc.body, tc.key, tc.value)
		for err == nil && a.code() == "full_capacity" {
			s.unharmed(t) // waits for a slot
			a, err = s.try("POST", s.leader().url+"/v1/tasks", tc.body, tc.key, tc.value)
		}
		if err != nil || a.status != tc.want {
			t.Errorf("%s: %.100s: %d %.300s, %v; want %d", tc.key, tc.value, a.status, a.body, err, tc.want)
		}
	}
}

// badQueries are refused before anything is looked up.
func (s *system) badQueries(t *testing.T) {
	for _, path := range []string{
		"/v1/tasks?limit=-1", "/v1/tasks?limit=0", "/v1/tasks?limit=18446744073709551616", "/v1/tasks?limit=1e3", "/v1/tasks?limit=%D9%A1", "/v1/tasks?limit=", "/v1/tasks?limit=+1",
		"/v1/tasks?cursor=garbage", "/v1/tasks?cursor=" + repeat("A", 30_000), "/v1/tasks?cursor=YTE4NDQ2NzQ0MDczNzA5NTUxNjE2LjQ3REVRcGo4", "/v1/tasks?cursor=%00", "/v1/tasks?order=up",
		"/v1/tasks?status=DONE", "/v1/tasks?status=done&status=done", "/v1/tasks?outcome=%ff", "/v1/tasks?a;b", "/v1/tasks?%zz", "/v1/tasks?" + repeat("a&", 20_000),
		"/v1/tasks?min_index=-1", "/v1/tasks?min_index=18446744073709551616", "/v1/tasks?consistency=maybe", "/v1/tasks?forward=yes",
		"/v1/tasks?id=" + repeat("1,", 20_000) + "1", "/v1/tasks?id=+1", "/v1/tasks?key=" + repeat("k", 256), "/v1/tasks?kind=" + repeat("k", 30_000), "/v1/tasks?finished_before=now",
		"/v1/tasks?slave=", "/v1/tasks?slave=" + repeat("%F0%9F%92%A3", 1000),
		"/v1/tasks?submitted_after=99999-01-01T00:00:00Z", "/v1/tasks/export?limit=1", "/v1/tasks/export?id=0",
		"/v1/tasks/1?wait=1000h", "/v1/tasks/1?wait=-1s", "/v1/tasks/1?wait=NaNs", "/v1/tasks/1?wait=9223372036854775808ns", "/v1/tasks/1?wait=" + repeat("1h", 10_000),
		"/v1/tasks/-1", "/v1/tasks/18446744073709551616", "/v1/tasks/0x1", "/v1/tasks/1.0", "/v1/tasks/%D9%A1", "/v1/tasks/%00", "/get-tasks?limit=2000", "/healthz?x=1", "/metrics?x=1",
	} {
		if a := s.call(t, "GET", s.leader().url+path, ""); a.status != http.StatusBadRequest || a.code() != "invalid_request" {
			t.Errorf("%.100s: %s %.300s", path, a.line(), a.body)
		}
	}
	for _, path := range []string{
		"/v1/tasks?slave=" + repeat("s", 128), "/v1/tasks?slave=%00", "/v1/tasks?limit=1000&slave=nobody", "/v1/tasks?cursor=YTE4NDQ2NzQ0MDczNzA5NTUxNjE1LjQ3REVRcGo4", "/v1/tasks/1?wait=0s",
		"/v1/tasks?submitted_after=0000-01-01T00:00:00Z&submitted_before=9999-12-31T23:59:59.999999999Z", "/v1/tasks?key=%00", "/v1/tasks/export?kind=%ff&id=18446744073709551615",
	} {
		if a := s.call(t, "GET", s.leader().url+path, ""); a.status != http.StatusOK {
			t.Errorf("%.100s: %s %.300s", path, a.line(), a.body)
		}
	}
	for _, path := range []string{
		"/v1/tasks/18446744073709551615", "/v1/tasks/0", "/" + repeat("a/", 15_000), "/v1/tasks/../../etc/passwd", "/v1/tasks/%2e%2e%2f", "//v1/tasks", "/v1/tasks/", "/V1/TASKS", "/v1/%00",
		"/v1//tasks", "/debug/pprof/", "/v1/slaves/slave-1/nothing", "/%ff", "/v1/tasks%0d%0aX: y",
	} {
		if a := s.call(t, "GET", s.leader().url+path, ""); a.status != http.StatusNotFound {
			t.Errorf("%.100s: %s %.300s", path, a.line(), a.body)
		}
	}
	// An index that nobody reaches soon: the wait is bounded, and the answer says so.
	a, err := s.try("GET", s.leader().url+"/v1/tasks?min_index=18446744073709551615", "")
	if err != nil || a.status != http.StatusGatewayTimeout || a.code() != "index_not_reached" {
		t.Errorf("min_index: %d %s, %v", a.status, a.body, err)
	}
}

// strangers register, report, join and say goodbye for others.
func (s *system) strangers(t *testing.T) {
	rec, err := s.slave("slave-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, body, want string }{
		{"/v1/slaves", `{"name":"x","url":"http://127.0.0.1:1","slots":1,"incarnation":"i"}`, "422 slave_unreachable"},
		{"/v1/slaves", `{"name":"x","url":"http://[::ffff:127.0.0.1]:1/a/../..","slots":1,"incarnation":"i"}`, "400 invalid_request"},
		{"/v1/slaves", `{"name":"x","url":"` + s.leader().url + `","slots":1,"incarnation":"i"}`, "422 slave_unreachable"}, // a master is no slave
		{"/v1/slaves", `{"name":"x","url":"http://127.0.0.1:99999","slots":1,"incarnation":"i"}`, "400 invalid_request"},
		{"/v1/slaves", `{"name":"x","url":"file:///etc/passwd","slots":1,"incarnation":"i"}`, "400 invalid_request"},
		{"/v1/slaves", `{"name":"x","url":"` + rec.URL + `","slots":1,"incarnation":"another"}`, "409 wrong_incarnation"},
		{"/v1/slaves", `{"name":"slave-1","url":"http://127.0.0.1:1","slots":1,"incarnation":"another"}`, "422 slave_unreachable"},
		{"/v1/slaves", `{"name":"slave-1","url":"` + rec.URL + `","slots":1,"incarnation":"another"}`, "409 wrong_incarnation"},
		{"/v1/slaves", `{"name":"x","url":"` + rec.URL + `","slots":18446744073709551615,"incarnation":"i"}`, "400 invalid_request"},
		{"/v1/slaves", `{"name":"x\u202e","url":"http://127.0.0.1:1","slots":1,"incarnation":"i"}`, "400 invalid_request"},
		{"/v1/slaves", `{"name":"ghost","url":"` + rec.URL + `","slots":65536,"incarnation":"` + rec.Incarnation + `"}`, "409 name_taken"},
		{"/v1/slaves/slave-1/leave", `{"incarnation":"another"}`, "409 wrong_incarnation"},
		{"/v1/slaves/nobody/leave", `{"incarnation":"i"}`, "404 slave_not_found"},
		{"/v1/results", `{"slave":"slave-1","incarnation":"another","results":[{"id":1,"attempt":1,"result":"15","result_type":"number"}]}`, ""},
		{"/v1/results", `{"slave":"slave-1","incarnation":"` + rec.Incarnation + `","results":[{"id":1,"attempt":1,"result":"15","result_type":"number"}]}`, ""},
		{"/v1/results", `{"slave":"slave-1","incarnation":"` + rec.Incarnation + `","results":[{"id":18446744073709551615,"attempt":4294967295}]}`, ""},
		{"/v1/results", `{"slave":"nobody","incarnation":"i","results":[]}`, ""},
		{"/join", `{"id":"m9","raft_address":"127.0.0.1:1","api_url":"http://127.0.0.1:1"}`, "422 master_unreachable"},
		{"/join", `{"id":"m9","raft_address":"127.0.0.1:1","api_url":"` + rec.URL + `"}`, "422 master_unreachable"},
		{"/join", `{"id":"m9","raft_address":"127.0.0.1:1","api_url":"` + s.leader().url + `"}`, ""},
	} {
		a := s.call(t, "POST", s.leader().url+tc.path, tc.body)
		if tc.want != "" && a.line() != tc.want {
			t.Errorf("%s %s: %s %.300s; want %s", tc.path, tc.body, a.line(), a.body, tc.want)
		}
	}
	// What was done is as it was.
	if a := s.call(t, "GET", s.leader().url+"/v1/tasks/1", ""); !strings.Contains(string(a.body), `"result":"14"`) {
		t.Errorf("task 1: %s", a.body)
	}
	if a := s.call(t, "GET", s.leader().url+"/v1/masters", ""); strings.Contains(string(a.body), "m9") {
		t.Errorf("masters: %s", a.body)
	}
}

// mutatedBodies are nearly right.
func (s *system) mutatedBodies(t *testing.T) {
	dice := rand.New(rand.NewPCG(seed, 2))
	refused := 0
	const calls = 3000
	for range calls {
		seedBody := pick(dice, seeds)
		body := string(mutate(dice, []byte(seedBody.body)))
		a := s.call(t, "POST", s.leader().url+seedBody.path, body)
		if a.status >= http.StatusBadRequest {
			refused++
		}
	}
	if refused < calls/2 {
		t.Errorf("only %d of %d were refused", refused, calls)
	}
}

var seeds = []struct{ path, body string }{
	{"/v1/tasks", `{"expression":"2+3*x","parameters":{"x":4,"s":"t","b":true},"kind":"expression","max_tries":3,"timeout_ms":1000}`},
	{"/submit-task", `{"expression":"'a' + 1"}`},
	{"/v1/results", `{"slave":"slave-1","incarnation":"0123","free":1,"slots":1,"counter":7,"results":[{"id":1,"attempt":1,"outcome":"succeeded","result":"14","result_type":"number"}]}`},
	{"/v1/results", `{"slave":"slave-9","incarnation":"0123","results":[{"id":9,"attempt":2,"error":"no","retryable":true}]}`},
	{"/v1/slaves", `{"name":"slave-9","url":"http://127.0.0.1:1","slots":2,"incarnation":"0123","kinds":[{"name":"expression","idempotent":true}]}`},
	{"/v1/slaves/slave-1/leave", `{"incarnation":"0123"}`},
	{"/join", `{"id":"m9","raft_address":"127.0.0.1:1","api_url":"http://127.0.0.1:1","commands":4,"replace":false}`},
}
