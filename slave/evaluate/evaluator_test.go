package evaluate

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/systemtest/timelimit"
	"muster/task"
)

func order(expression string, params ...task.Parameter) task.Order {
	return task.Order{ID: 1, Attempt: 1, Kind: task.KindExpression, Expression: expression, Parameters: params}
}

func num(name, text string) task.Parameter {
	return task.Parameter{Name: name, Value: task.Value{Type: task.Number, Text: text}}
}

func str(name, text string) task.Parameter {
	return task.Parameter{Name: name, Value: task.Value{Type: task.String, Text: text}}
}

// TestDocumentedExamples computes every row of the table in docs/expressions.md.
func TestDocumentedExamples(t *testing.T) {
	doc, err := os.ReadFile("../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(.+)` \\| `(.*)` \\| (number|string|boolean|failed) \\|$").FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 40 {
		t.Fatalf("the table has %d rows that can be read", len(rows))
	}
	e := New(func(context.Context, time.Duration) error { return nil })
	for _, row := range rows {
		expression, want, kind := strings.ReplaceAll(row[1], `\|`, "|"), row[2], row[3]
		got, err := e.Evaluate(t.Context(), order(expression, num("x", "4"), num("big", "9007199254740993"), str("name", "Ada"),
			task.Parameter{Name: "on", Value: task.Value{Type: task.Boolean, Text: "true"}}))
		switch {
		case kind == "failed" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, %v; want the error %q", expression, got, err, want)
		case kind != "failed" && (err != nil || got.Text != want || got.Type.String() != kind):
			t.Errorf("%s: %v %q, %v; want %s %q", expression, got.Type, got.Text, err, kind, want)
		}
	}
}

// TestDatesAreStrings computes with what the library would take for dates, in two
// time zones: results must be the same on every slave.
func TestDatesAreStrings(t *testing.T) {
	here := time.Local                      //nolint:gosmopolitan // the zone is what this test is about
	t.Cleanup(func() { time.Local = here }) //nolint:reassign,gosmopolitan // TZ is read once, at the first use of a time
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("Kathmandu", 5*3600+45*60)} {
		time.Local = zone //nolint:reassign,gosmopolitan // as above
		for expression, want := range map[string]string{
			`"2006-01-02"`: "2006-01-02", `"2006-01-02" + ""`: "2006-01-02", `'2006-01-02' == d`: "true", `'2006-01-02' < '2006-01-03'`: "true",
			`'2006-01-02 15:04:05' + d`: "2006-01-02 15:04:052006-01-02", `'3:04PM' in ('3:04PM', 1)`: "true", `true ? '2006-01-02T15Z' : d`: "2006-01-02T15Z",
		} {
			got, err := New(nil).Evaluate(t.Context(), order(expression, str("d", "2006-01-02")))
			if err != nil || got.Text != want {
				t.Errorf("in %v, %s: %v, %v; want %s", zone, expression, got, err, want)
			}
		}
		if v, err := New(nil).Evaluate(t.Context(), order(`'2006-01-02' - 1`)); err == nil {
			t.Errorf("in %v a date less one is %v", zone, v)
		}
	}
}

// TestHostileExpressions are refused or fail; none takes long, or much memory.
func TestHostileExpressions(t *testing.T) {
	e := New(nil)
	long := strings.Repeat("a", 4096)
	for _, expression := range []string{
		strings.Repeat("(", 65) + "1" + strings.Repeat(")", 65), strings.Repeat("(", 64), strings.Repeat("1", 4097), "'a' =~ 'a'", "'a", `1 \ 2`,
		"x.String()", "x.Foo.Bar", "(x).Foo", "foo(1)", "nope", "1 +", "+", ",", "(,)", "1,2", "()", "max()", "max(1,)", "max(,1)",
		"max((1,2),3)", "sin('a')", "sin(1,2)", "1 in (1,2", "(1,2) in 1", "1 in 1", "true + 1", "'a' - 1", "'a' * 2", "!1", "-true", "~'a'",
		"1 ? 2 : 3", "false ? 1", "? :", "1 ?? ", "factorial(171)", "factorial(-1)", "factorial(1.5)", "factorial(1/0)", "fib(1477)",
		"nthprime(100001)", "isprime(2**53+2)", "gcd(0/0, 1)", "sleep(-1)", "sleep(1e9)", "sleep(0/0)", "sleep(1/0)", "sleep('a')",
		"[x]", "$call", "$0", "?x", "#", "op_plus(1, 2)", "op_in(1, 1)", "(1)(2)", "(1) x", "(2) 3", "x (1)", "max(1)(2)", "1 : 2", "true ? 1",
		"true ? 1 : 2 : 3", "(1, 2) == (1, 2)", "(1, 2) in ((1, 2), 3)", "1 in ((1, 2), 3)", "'' + (1, 2)", "max(1, (2, 3))", "1 in x", "x in ()", "1 + ()",
		"5 - +3", "- -1", "!!true", "~(10**300)", "~1.5", "~(0/0)", "1 << 64", "1 << -1", "1 & 'a'", "2**63 | 0", "true + true", "?? 1", "nope", "nope ?? nope", "1 << 'a'", "1 << -1 ? 2 : 3", strings.Repeat("-", 511) + "1", strings.Repeat("!", 511) + "true",
		strings.Repeat("max(", 64) + "1" + strings.Repeat(")", 64) + "+", "sin + 1", "true(1)", "in(1)", "0x", "1 1", "'a' 'b'", "x x",
	} {
		start := time.Now()
		v, err := e.Evaluate(t.Context(), order(expression, num("x", "1")))
		if err == nil {
			t.Errorf("%.60q: %v; want a failure", expression, v)
		}
		if took := time.Since(start); took > timelimit.Of(t, time.Second) {
			t.Errorf("%.60q took %v", expression, took)
		}
	}
	// All tokens spent on making a string longer: it stops where a result would.
	for _, joined := range []string{"s" + strings.Repeat("+s", 255), "('" + long[:3000] + "'" + strings.Repeat("+s", 64) + ") == 'x'"} {
		_, err := e.Evaluate(t.Context(), order(joined, str("s", long)))
		if err == nil || !strings.Contains(err.Error(), "at most 65536") {
			t.Errorf("%.20s…: %v", joined, err)
		}
	}
}

// TestMonstersJustUnderTheLimits uses up all tokens, or all depth, in each way
// that makes the library recurse; each ends soon, with the right value.
func TestMonstersJustUnderTheLimits(t *testing.T) {
	nest := func(open, middle, end string, n int) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	for expression, want := range map[string]string{
		nest("(", "1", ")", 64):                                        "1",
		nest("-(", "1", ")", 64):                                       "1",
		nest("(1+", "1", ")", 64):                                      "65",
		nest("max(1,", "2", ")", 64):                                   "2",
		nest("(1 in (", "1", ",1)?1:2)", 31):                           "1",
		"1" + strings.Repeat("+1", 255):                                "256",
		"1" + strings.Repeat("-1", 255):                                "-254",
		"1" + strings.Repeat("+1-1", 127):                              "1",
		"1" + strings.Repeat("**1", 255):                               "1",
		"0" + strings.Repeat("|1&3", 127):                              "1",
		"true" + strings.Repeat("&&true", 255):                         "true",
		strings.Repeat("false?1:", 127) + "2":                          "2",
		strings.Repeat("true?", 127) + "2" + strings.Repeat(":1", 127): "2",
		strings.Repeat("nope??", 255) + "3":                            "3",
		"sum(" + strings.Repeat("1,", 254) + "1)":                      "255",
		"300 in (" + strings.Repeat("1,", 253) + "300)":                "true",
		"~0" + strings.Repeat("^~0", 169):                              "0",
		strings.Repeat("1==", 255) + "1":                               "false",
	} {
		start := time.Now()
		v, err := New(nil).Evaluate(t.Context(), order(expression))
		if err != nil || v.Text != want {
			t.Errorf("%.40s…: %v, %v; want %s", expression, v, err, want)
		}
		if took := time.Since(start); took > timelimit.Of(t, time.Second) {
			t.Errorf("%.40s… took %v", expression, took)
		}
	}
}

// TestCallsStop cancels each function that may take long.
func TestCallsStop(t *testing.T) {
	stopped := errors.New("stopped by the test")
	for _, expression := range []string{"sleep(3600)", "nthprime(100000)", "isprime(9007199254740881)", "1 + abs(1)"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		if v, err := New(nil).Evaluate(ctx, order(expression)); err == nil {
			t.Errorf("%s: %v after it was stopped", expression, v)
		}
	}
}

func TestSleepInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		v, err := New(nil).Evaluate(t.Context(), order("sleep(7) + sleep(0.5)"))
		if err != nil || v.Text != "7.5" || time.Since(start) != 7500*time.Millisecond {
			t.Errorf("%v, %v after %v", v, err, time.Since(start))
		}
	})
}

// TestOneParsedExpressionServesMany runs one cached expression at once with
// different parameters.
func TestOneParsedExpressionServesMany(t *testing.T) {
	e := New(nil)
	done := make(chan string)
	for i := range 50 {
		go func() {
			x := formatNumber(float64(i))
			v, err := e.Evaluate(t.Context(), order("max(x, 0) + min(1, 2) * 'a' == 3 ? 1 : x", num("x", x)))
			if err == nil {
				done <- "no error for a string times a number: " + v.Text
				return
			}
			v, err = e.Evaluate(t.Context(), order("sum(x, x, 'a' == 'a' ? 1 : 2)", num("x", x)))
			if want := formatNumber(float64(2*i + 1)); err != nil || v.Text != want {
				done <- "got " + v.Text + ", want " + want
				return
			}
			done <- ""
		}()
	}
	for range 50 {
		if problem := <-done; problem != "" {
			t.Error(problem)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	for i := range 5 * cacheSize {
		if _, err := c.get(formatNumber(float64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*cacheSize {
		t.Errorf("%d expressions are kept", n)
	}
}

// TestCacheIsBoundedByBytes keeps few expressions that are long, and one that is used
// all the time.
func TestCacheIsBoundedByBytes(t *testing.T) {
	var c cache
	used, err := c.get("1 + 1")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * cacheBytes / task.MaxExpressionBytes {
		long := formatNumber(float64(i))
		if _, err := c.get(strings.Repeat(" ", task.MaxExpressionBytes-len(long)) + long); err != nil {
			t.Fatal(err)
		}
		if again, err := c.get("1 + 1"); err != nil || again != used {
			t.Fatalf("what is used is not kept: %v", err)
		}
		kept := 0
		for _, generation := range []map[string]*compiled{c.young, c.old} {
			for text := range generation {
				kept += len(text)
			}
		}
		if kept > 2*cacheBytes {
			t.Fatalf("expressions of %d bytes are kept", kept)
		}
	}
}
