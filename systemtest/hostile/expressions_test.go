package hostile

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// seed makes the generators repeatable.
const seed = 20260417

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// TestHostileExpressionsEndAsRefusedOrFailed sends one expression for each guard:
// of length, depth, tokens and words, of what may be computed, and of time and
// memory; and random ones. Each is just beyond its guard, or uses up what the guard
// leaves, and would harm nobody without it.
func TestHostileExpressionsEndAsRefusedOrFailed(t *testing.T) { //nolint:tparallel // the groups share a system, and follow each other
	t.Parallel()
	s := newSystem(t, 16, "slave-1")
	t.Run("refused", s.refusedExpressions)
	s.unharmed(t)
	t.Run("failed", s.failedExpressions)
	s.unharmed(t)
	t.Run("large", s.largeExpressions)
	s.unharmed(t)
	t.Run("parameters", s.parameters)
	s.unharmed(t)
	t.Run("random", s.randomExpressions)
	s.unharmed(t)
}

// refusedExpressions never become tasks: 400, invalid_expression.
func (s *system) refusedExpressions(t *testing.T) {
	for name, expression := range map[string]string{
		"nothing": "", "white space": " \t\r\n", "4 KiB and 1 byte": "'" + repeat("a", 4095) + "'",
		"65 deep": repeat("(", 65) + "1" + repeat(")", 65), "513 tokens": "1" + repeat("+1", 256),
		"regex": "'a' =~ 'a'", "not regex": "'a' !~ 'b'",
		"backslash": `1 \ 2`, "a string without an end": `'abc`, "only a quote": "'", "backslash quote": `'\'`,
		"accessor": "foo.Bar", "method": "foo.String()", "deep accessor": "a.b.c.d.e()", "accessor of a call": "max.x(1)",
		"brackets": "[x]", "the library's own names": "$call", "date-like brackets": "[2006-01-02]", "semicolon": "1;2", "assignment": "x = 1", "comment": "1 // 2 #",
		"control character in a string": "'a\x01b'", "NUL": "1\x00", "NUL in a string": "'\x00'", "delete": "'\x7f'", "line feed in a string": "'\n'",
		"bidi outside of a string": "1 \u202e+ 2", "byte order mark": "\ufeff1", "no-break space": "1\u00a0+ 2", "Arabic digits": "\u0661\u0662", "full-width digits": "\uff11+\uff12",
		"Greek letter": "\u03c0", "full-width plus": "1\uff0b2", "minus sign": "1 \u2212 2", "replacement character": "\ufffd", "combining": "x\u0301", "emoji": "\U0001f4a3",
		"exponent": "1e309", "two points": "1.2.3", "long hex": "0x" + repeat("F", 17), "long name": repeat("n", 65) + "(1)", "unclosed": repeat("max(", 64) + "1",
		"half a sum": "1 +", "only an operator": "+", "only a comma": ",", "nothing in a parenthesis": "()", "a list": "(1,2)", "two values": "(2) 3", "two names": "x x",
		"two strings": "'a' 'b'", "a call of a call": "max(1)(2)", "half a choice": "1 ? 2", "the other half": "1 : 2", "in no list": "1 in 1", "in an empty list": "x in ()",
		"lists compared": "(1,2) == (1,2)", "two signs": "- -1", "many signs": repeat("-", 511) + "1", "nothing but signs": repeat("!", 512), "many values": repeat("1 ", 512),
		"many commas": repeat("x,", 256), "many choices": repeat("?:", 256), "64 deep, empty": repeat("(", 64) + repeat(")", 64), "no fallback": "1 ?? 2 ??", "only a fallback": "??",
		"halves of choices": repeat("x?", 255) + "1", "in nothing, often": repeat("1 in ", 255) + "1",
	} {
		o, a := s.compute(t, submission(t, expression, nil))
		if a.status != http.StatusBadRequest || a.code() != "invalid_expression" {
			t.Errorf("%s: %d %.300s, %+v", name, a.status, a.body, o)
		}
		if len(a.body) > 1000 {
			t.Errorf("%s: the refusal has %d bytes", name, len(a.body))
		}
	}
}

// failedExpressions are recorded, and end as failed with a reason.
func (s *system) failedExpressions(t *testing.T) {
	var all []string
	for _, expression := range []string{
		"nope", "nope(1)", "System('id')", "eval(1)", "max()",
		"'a' * 2", "'a' - 'b'", "true + 1", "!1", "-true", "~'a'", "1.5 & 1", "1 << 64", "1 << -1", "~(10**300)", "factorial(171)", "factorial(-1)", "fib(1477)",
		"nthprime(100001)", "isprime(2**53+2)", "gcd(0/0, 1)", "sleep(-1)", "sleep(10**9)", "sleep(0/0)", "sleep(1/0)", "sin(1,2)", "op_plus(1,2)",
		repeat("max(", 64) + repeat(")", 64), "'" + repeat("'+'", 250) + "'*1", "nope ?? nope", "nope() + 1",
	} {
		all = append(all, submission(t, expression, map[string]any{"y": 1}))
	}
	s.inParallel(t, all, func(body string, o outcome, a answer) {
		if a.status != http.StatusCreated || o.Outcome != "failed" || o.Error == "" || len(o.Error) > 4<<10 {
			t.Errorf("%.100s: %d %.300s, %+v", body, a.status, a.body, o)
		}
	})
}

// largeExpressions use up a limit each; all end.
func (s *system) largeExpressions(t *testing.T) {
	long := repeat("s", 4096)
	var all []string
	for _, expression := range []string{
		"sum(" + repeat("nthprime(100000),", 20) + "1)", repeat("isprime(9007199254740881)&&", 10) + "true", // a second or two each
		"s" + repeat("+s", 255), "s" + repeat("+s", 15), "'" + repeat("\u00e4", 2000) + "'" + repeat("+s", 16), repeat("(s+", 64) + "s" + repeat(")", 64),
		"1" + repeat("**9", 255), "2" + repeat("**2", 255), repeat("s+s==s?s:", 60) + "s", repeat("nope??", 255) + "s", "s in (" + repeat("s+'x',", 120) + "s)",
		"max(" + repeat("fib(1476),", 100) + "1)", "0" + repeat("|~1&3", 100), repeat("max(1,", 64) + "2" + repeat(")", 64), "sum(" + repeat("factorial(170),", 100) + "1)",
		repeat("1/", 255) + "0", repeat("gamma(", 64) + "200" + repeat(")", 64), "1" + repeat("%9", 255),
	} {
		all = append(all, submission(t, expression, map[string]any{"s": long}))
	}
	// Many that differ: what a slave keeps of parsed expressions is bounded.
	for i := range 1200 {
		all = append(all, submission(t, fmt.Sprintf("%d", i)+repeat("+x", 250), map[string]any{"x": 1}))
	}
	s.inParallel(t, all, func(body string, o outcome, a answer) {
		if a.status != http.StatusCreated || o.Outcome != "succeeded" && o.Outcome != "failed" || len(o.Result) > 64<<10 {
			t.Errorf("%.100s: %d %.300s, %s %.300s", body, a.status, a.body, o.Outcome, o.Error)
		}
		if strings.Contains(o.Error, "died") || strings.Contains(o.Error, "timed out") {
			t.Errorf("%.100s: %s", body, o.Error)
		}
	})
}

// parameters of every JSON type and size.
func (s *system) parameters(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"p%d":"%s"`, i, repeat("v", 4096))
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, tc := range []struct {
		parameters string
		status     int
		code       string
	}{
		{`{}`, 201, ""},
		{`{"x":1}`, 201, ""},
		{`{"x":"\u0000\u202e\u2028\ud83d\ude00"}`, 201, ""},
		{`{"x":"\ud800"}`, 400, "invalid_request"},
		{`{"x":` + repeat("9", 308) + `}`, 201, ""},
		{`{"x":1e-400}`, 201, ""},
		{`{"x":-0.0e-0}`, 201, ""},
		{`{"x":"` + repeat("s", 4096) + `"}`, 201, ""},
		{many(64), 201, ""},
		{many(65), 400, "invalid_expression"},
		{`{"x":"` + repeat("s", 4097) + `"}`, 400, "invalid_expression"},
		{`{"x":` + repeat("9", 400) + `}`, 400, "invalid_expression"},
		{`{"x":0.` + repeat("0", 5000) + `1}`, 400, "invalid_expression"},
		{`{"x":1e309}`, 400, "invalid_expression"},
		{`{"x":1e99999999999999999999}`, 400, "invalid_expression"},
		{`{"` + repeat("n", 65) + `":1}`, 400, "invalid_expression"},
		{`{"":1}`, 400, "invalid_expression"},
		{`{"a.b":1}`, 400, "invalid_expression"},
		{`{"true":1}`, 400, "invalid_expression"},
		{`{"$call":1}`, 400, "invalid_expression"},
		{`{"\u0000":1}`, 400, "invalid_expression"},
		{`{"\u202ex":1}`, 400, "invalid_expression"},
		{`{"x":null}`, 400, "invalid_request"},
		{`{"x":[1]}`, 400, "invalid_request"},
		{`{"x":{"type":"number","text":"NaN"}}`, 400, "invalid_request"},
		{`{"x":NaN}`, 400, "invalid_request"},
		{`{"x":Infinity}`, 400, "invalid_request"},
		{`{"x":+1}`, 400, "invalid_request"},
		{`{"x":01}`, 400, "invalid_request"},
		{`{"x":0x1}`, 400, "invalid_request"},
		{`{"x":1,"x":2}`, 400, "invalid_request"},
		{`{"x":1,"\u0078":2}`, 400, "invalid_request"},
		{`{"x":` + repeat("[", 50) + repeat("]", 50) + `}`, 400, "invalid_request"},
		{`{"x":` + repeat(`{"x":`, 50) + `1` + repeat("}", 50) + `}`, 400, "invalid_request"},
		{`[]`, 400, "invalid_request"},
		{`null`, 400, "invalid_request"},
		{`"x"`, 400, "invalid_request"},
	} {
		o, a := s.compute(t, `{"expression":"1","parameters":`+tc.parameters+`}`)
		if a.status != tc.status || a.code() != tc.code || tc.status == 201 && o.Result != "1" {
			t.Errorf("%.100s: %d %.300s, %+v; want %d %s", tc.parameters, a.status, a.body, o, tc.status, tc.code)
		}
	}
}

// randomExpressions are made by a grammar, some of them broken again.
func (s *system) randomExpressions(t *testing.T) {
	dice := rand.New(rand.NewPCG(seed, 1))
	all := make([]string, 2000)
	for i := range all {
		all[i] = submission(t, randomExpression(dice), map[string]any{"x": 4, "s": "s", "b": true})
	}
	var mu sync.Mutex
	ends := map[string]int{}
	s.inParallel(t, all, func(body string, o outcome, a answer) {
		end := o.Outcome
		switch {
		case a.status == http.StatusBadRequest && a.code() == "invalid_expression":
			end = "refused"
		case a.status != http.StatusCreated || end != "succeeded" && end != "failed" || end == "failed" && o.Error == "":
			t.Errorf("%.200s: %d %.300s, %+v", body, a.status, a.body, o)
		}
		if strings.Contains(o.Error, "can't be computed") || strings.Contains(o.Error, "died") || strings.Contains(o.Error, "timed out") {
			t.Errorf("%.500s: %s", body, o.Error)
		}
		mu.Lock()
		defer mu.Unlock()
		ends[end]++
	})
	t.Log(ends)
	if ends["refused"] < 50 || ends["failed"] < 50 || ends["succeeded"] < 50 {
		t.Errorf("the generator is one-sided: %v", ends)
	}
}

// inParallel computes all bodies, 16 at a time.
func (s *system) inParallel(t *testing.T, bodies []string, judge func(body string, o outcome, a answer)) {
	t.Helper()
	next := make(chan string)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for body := range next {
				o, a := s.compute(t, body)
				judge(body, o, a)
			}
		})
	}
	for _, body := range bodies {
		next <- body
	}
	close(next)
	workers.Wait()
}
