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
	for _, zone := range []string{"UTC", "Asia/Kathmandu"} {
		t.Setenv("TZ", zone)
		got, err := New(nil).Evaluate(t.Context(), order(`"2006-01-02" + ""`))
		if err != nil || got != (task.Value{Type: task.String, Text: "2006-01-02"}) {
			t.Errorf("TZ=%s: %v, %v", zone, got, err)
		}
	}
}

// TestHostileExpressions are refused or fail; none takes long, or much memory.
func TestHostileExpressions(t *testing.T) {
	e := New(nil)
	long := strings.Repeat("a", 4096)
	for _, expression := range []string{
		strings.Repeat("(", 200_000), strings.Repeat("(", 64), "'" + strings.Repeat("(a*)*", 500) + "' =~ 'b'", `'a\`, `a\`,
		"x.String()", "x.Foo.Bar", "(x).Foo", "foo(1)", "nope", "1 +", "+", ",", "(,)", "1,2", "()", "max()", "max(1,)", "max(,1)",
		"max((1,2),3)", "sin('a')", "sin(1,2)", "1 in (1,2", "(1,2) in 1", "1 in 1", "true + 1", "'a' - 1", "'a' * 2", "!1", "-true", "~'a'",
		"1 ? 2 : 3", "false ? 1", "? :", "1 ?? ", "factorial(171)", "factorial(-1)", "factorial(1.5)", "factorial(1/0)", "fib(1477)",
		"nthprime(100001)", "isprime(2**53+2)", "gcd(0/0, 1)", "sleep(-1)", "sleep(1e9)", "sleep(0/0)", "sleep(1/0)", "sleep('a')",
		"[x]", "$call", "$0", "#", "1 << 'a'", "1 << -1 ? 2 : 3", strings.Repeat("-", 511) + "1", strings.Repeat("!", 511) + "true",
		strings.Repeat("max(", 64) + "1" + strings.Repeat(")", 64) + "+", "sin + 1", "true(1)", "in(1)", "0x", "1 1", "'a' 'b'", "x x",
	} {
		start := time.Now()
		v, err := e.Evaluate(t.Context(), order(expression, num("x", "1")))
		if err == nil {
			t.Errorf("%.60q: %v; want a failure", expression, v)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%.60q took %v", expression, took)
		}
	}
	// All tokens spent on making a string longer: too large a result, said so.
	_, err := e.Evaluate(t.Context(), order("s"+strings.Repeat("+s", 255), str("s", long)))
	if err == nil || !strings.Contains(err.Error(), "at most 65536") {
		t.Errorf("a result of 1 MiB: %v", err)
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

func FuzzEvaluate(f *testing.F) {
	for _, seed := range []string{
		"2+3*x", "max(1, 2, x)", "'a' + s", "x in (1,2,4)", "x > 1 ? 'a' : 'b'", "-x ** -2", "~x << 3", "s == 's' && !(x < 1)",
		"fib(10) + nthprime(5)", "1 ?? x", "((x))", "x,x", "sum(1)", "isprime(x)",
	} {
		f.Add(seed)
	}
	e := New(func(context.Context, time.Duration) error { return nil })
	f.Fuzz(func(t *testing.T, expression string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		v, err := e.Evaluate(ctx, order(expression, num("x", "4"), str("s", "s")))
		if err == nil && (v.Type == task.NoValue || len(v.Text) > task.MaxResultBytes) {
			t.Errorf("%q: %v", expression, v)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%q took %v", expression, took)
		}
	})
}
