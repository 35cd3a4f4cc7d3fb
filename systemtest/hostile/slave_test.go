package hostile

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestHostileRequestsToASlaveAreRefused sends to a slave what no leader sends.
// Nothing of it has a stamp that the slave has not seen yet, so that the leader
// is not in anybody's way; what a stamp can do is TestAForgedStampIsHealed's.
func TestHostileRequestsToASlaveAreRefused(t *testing.T) { //nolint:tparallel // the groups share a system, and follow each other
	t.Parallel()
	s := newSystem(t, 4, "slave-1")
	t.Run("orders", s.badOrders)
	s.unharmed(t)
	t.Run("large orders", s.largeOrders)
	s.unharmed(t)
	t.Run("stamps", s.badStamps)
	s.unharmed(t)
	t.Run("mutations", s.mutatedOrders)
	s.unharmed(t)
}

// seen are the headers of a stamp that is not above any.
func seen() []string { return []string{"Muster-Term", "0", "Muster-Sequence", "1"} }

const mib = 1 << 20

// badOrders are refused before the fence is asked.
func (s *system) badOrders(t *testing.T) {
	const begin = `{"incarnation":"0123456789abcdef","tasks":[`
	for name, tc := range map[string]struct{ body, want string }{
		"nothing":             {"", "400 invalid_request"},
		"garbage":             {"\x00\xff\xfe", "400 invalid_request"},
		"a list":              {"[]", "400 invalid_request"},
		"null":                {"null", "400 invalid_request"},
		"no tasks":            {`{"incarnation":"i","tasks":null}`, "400 invalid_request"},
		"deep":                {repeat("[", 50), "400 invalid_request"},
		"deep, closed":        {begin + repeat("[", 50) + repeat("]", 50) + "]}", "400 invalid_request"},
		"deep in a new field": {`{"new":` + repeat("[", 50) + repeat("]", 50) + `}`, "400 invalid_request"},
		"deep, 16 MiB":        {repeat("[", 50) + repeat(" ", 16*mib-50), "400 invalid_request"},
		"trailing":            {begin + "]}x", "400 invalid_request"},
		"null order":          {begin + "null]}", "400 invalid_request"},
		"id 2^64":             {begin + `{"id":18446744073709551616,"attempt":1,"kind":"expression"}]}`, "400 invalid_request"},
		"attempt 2^32":        {begin + `{"id":1,"attempt":4294967296,"kind":"expression"}]}`, "400 invalid_request"},
		"attempt -1":          {begin + `{"id":1,"attempt":-1,"kind":"expression"}]}`, "400 invalid_request"},
		"timeout 2^63":        {begin + `{"id":1,"attempt":1,"kind":"expression","timeout_ms":9223372036854775808}]}`, "400 invalid_request"},
		"a list as value":     {begin + `{"id":1,"attempt":1,"kind":"expression","parameters":{"x":[1]}}]}`, "400 invalid_request"},
		"65 parameters":       {begin + `{"id":1,"attempt":1,"kind":"expression","parameters":{"p":1` + numbered(64) + `}}]}`, "400 invalid_request"},
		"the same twice":      {begin + `{"id":1,"attempt":1,"kind":"expression","parameters":{"x":1,"x":2}}]}`, "400 invalid_request"},
		"a large body":        {repeat(" ", 16*mib+1), "413 body_too_large"},
		"well formed":         {begin + `{"id":1,"attempt":1,"kind":"expression","expression":"1"}]}`, "409 stale_term"},
	} {
		a := s.call(t, "POST", s.slaves[0].url+"/tasks", tc.body, seen()...)
		if a.line() != tc.want {
			t.Errorf("%s: %s %.300s; want %s", name, a.line(), a.body, tc.want)
		}
		if len(a.body) > 1000 {
			t.Errorf("%s: the refusal has %d bytes", name, len(a.body))
		}
	}
	for path, want := range map[string]string{
		"/tasks/1/cancel": "400 invalid_request", "/tasks/18446744073709551616/cancel": "400 invalid_request", "/tasks/-1/cancel": "400 invalid_request",
		"/tasks/%D9%A1/cancel": "400 invalid_request", "/tasks/%00/cancel": "400 invalid_request", "/tasks/" + repeat("9", 8000) + "/cancel": "400 invalid_request",
		"/available": "405 method_not_allowed", "/tasks/1": "404 not_found", "/" + repeat("a/", 3000): "404 not_found",
	} {
		if a := s.call(t, "POST", s.slaves[0].url+path, "{}", seen()...); a.line() != want {
			t.Errorf("%.100s: %s %.300s; want %s", path, a.line(), a.body, want)
		}
	}
}

// numbered are n parameters, each behind a comma.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"p%d":1`, i)
	}
	return b.String()
}

// largeOrders mean as much as 16 MiB can, several at once.
func (s *system) largeOrders(t *testing.T) {
	const begin, end = `{"incarnation":"0123456789abcdef","tasks":[`, `]}`
	fill := func(one string) string { return repeat(one, (16*mib-1000)/len(one)) }
	bodies := []string{
		begin + fill(`{},`) + `{}` + end,
		begin + fill(`{"id":1,"attempt":1,"kind":"k"},`) + `{}` + end,
		begin + `{"id":1,"attempt":1,"kind":"k","parameters":{` + numbered(1_000_000)[1:] + `}}` + end,
		begin + `{"id":1,"attempt":1,"kind":"k","parameters":{"x":` + repeat("9", 15*mib) + `}}` + end,
		begin + `{"id":1,"attempt":1,"kind":"k","expression":"` + repeat(`\u0000`, 2*mib) + `"}` + end,
		`{"incarnation":"` + repeat("i", 15*mib) + `","tasks":[]}`,
		`{` + fill(`"a":0,`) + `"b":0}`,
	}
	var senders sync.WaitGroup
	for range 2 {
		for _, body := range bodies {
			senders.Go(func() {
				a := s.call(t, "POST", s.slaves[0].url+"/tasks", body, seen()...)
				if line := a.line(); line != "400 invalid_request" && line != "409 stale_term" && line != "429 overloaded" {
					t.Errorf("%.100s: %s %.300s", body, line, a.body)
				}
			})
		}
		senders.Wait()
	}
}

// badStamps are no stamps, or stale.
func (s *system) badStamps(t *testing.T) {
	for _, tc := range []struct{ term, sequence, want string }{
		{"-1", "1", "400 invalid_request"},
		{"18446744073709551616", "1", "400 invalid_request"},
		{"1", "1e3", "400 invalid_request"},
		{"0x1", "1", "400 invalid_request"},
		{"1", "", "400 invalid_request"},
		{"+1", "1", "400 invalid_request"},
		{repeat("1", 5000), "1", "400 invalid_request"},
		{"0", "18446744073709551615", "409 stale_term"}, // the leader's term is higher
	} {
		for _, path := range []string{"/available", "/tasks"} {
			a := s.call(t, "GET", s.slaves[0].url+path, "", "Muster-Term", tc.term, "Muster-Sequence", tc.sequence)
			if a.line() != tc.want {
				t.Errorf("%s with %.30s, %.30s: %s %.300s; want %s", path, tc.term, tc.sequence, a.line(), a.body, tc.want)
			}
		}
	}
}

// mutatedOrders are nearly right. Their stamp is an old one, so none is run.
func (s *system) mutatedOrders(t *testing.T) {
	dice := rand.New(rand.NewPCG(seed, 3))
	lines := map[string]int{}
	for range 2000 {
		body := string(mutate(dice, []byte(pick(dice, []string{
			`{"incarnation":"0123456789abcdef","tasks":[{"id":1,"attempt":1,"kind":"expression","expression":"2+3*x","parameters":{"x":4,"s":"t","b":true},"timeout_ms":1000}]}`,
			`{"incarnation":"0123456789abcdef","tasks":[{"id":2,"attempt":3,"kind":"other","parameters":{"x":{"type":"number","text":"Inf"}}},{"id":3,"attempt":1,"kind":"expression"}]}`,
		}))))
		lines[s.call(t, "POST", s.slaves[0].url+"/tasks", body, seen()...).line()]++
	}
	t.Log(lines)
	if lines["400 invalid_request"] < 500 || lines["409 stale_term"] < 100 || len(lines) != 2 {
		t.Errorf("the answers: %v", lines)
	}
	for i := range 200 {
		path := string(mutate(dice, []byte("tasks/"+strconv.Itoa(i)+"/cancel")))
		if a, err := s.try("POST", s.slaves[0].url+"/"+path, `{"incarnation":"i","attempt":1}`, seen()...); err == nil && a.status >= 500 {
			t.Errorf("%q: %s %.300s", path, a.line(), a.body)
		}
	}
}
