package evaluate

import (
	"context"
	"math"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"muster/systemtest/timelimit"
	"muster/task"
)

// FuzzEvaluate: whatever the expression, the library does not panic, and neither
// time nor memory is used up. What is refused is not computed. A result is one that
// can be, and the same each time: from the cache, in another Evaluator, and with
// other spaces.
func FuzzEvaluate(f *testing.F) {
	for _, seed := range []string{
		"2+3*x", "max(1, 2, x)", "'a' + s", "x in (1,2,4)", "x > 1 ? 'a' : 'b'", "-x ** -2", "~x << 3", "s == 's' && !(x < 1)",
		"fib(10) + nthprime(5)", "1 ?? x", "((x))", "x,x", "sum(1)", "isprime(x)", "nope ?? x ?? 1", "1 ? 2 : 3 ? 4 : 5", "s in ('s', \"t\")",
		"!true || false", "2**-1<<63>>1&3|4^~5", "hypot(1, pi()) % 0x1F", "'2006-01-02' < s", "1e3", "-(1 in (1))", "max(1)(2)", "(2) 3",
		"fib(0)+e(0 0)", "((0 0)0)0((0 0)0)", "a!|a(|a|0|!A A)", "0%!''%!=(A)", "()0~0~~~0(0)", "fib()00 A(0)", "%%% %!", "0x \\ 1", "'",
		"0/0 in (0/0)", "1/0 - 1/0 == x", "s + s + s + x + true", "'3:04PM' in ('3:04PM', 1)", "x ? 1 : 2", "gamma(171) * -x % 0", "~A??0",
	} {
		f.Add(seed)
	}
	instant := func(context.Context, time.Duration) error { return nil }
	e := New(instant)
	f.Fuzz(func(t *testing.T, expression string) {
		ctx, cancel := context.WithTimeout(t.Context(), timelimit.Of(t, 5*time.Second))
		defer cancel()
		o := order(expression, num("x", "4"), str("s", "s"))
		before := allocated()
		v, err := e.Evaluate(ctx, o)
		if used := allocated() - before; used > 128<<20 {
			t.Errorf("%q allocated %d MiB", expression, used>>20)
		}
		if ctx.Err() != nil {
			t.Errorf("%q takes too long", expression)
			return
		}
		tokens, refusal := task.LexExpression(expression)
		if refusal != nil && err == nil {
			t.Errorf("%q: refused (%v), and computed as %v", expression, refusal, v)
		}
		if err != nil {
			checkFailure(t, expression, err)
		} else {
			checkResult(t, expression, v)
		}
		same := func(how string, e *Evaluator, expression string) {
			again, err2 := e.Evaluate(ctx, order(expression, o.Parameters...))
			if again != v || (err == nil) != (err2 == nil) {
				t.Errorf("%q: %v, %v; %s: %v, %v", o.Expression, v, err, how, again, err2)
			}
		}
		same("again", e, expression)
		same("elsewhere", New(instant), expression)
		if spaced := spacedOut(tokens); refusal == nil && len(spaced) <= task.MaxExpressionBytes {
			same("with spaces", e, spaced)
		}
	})
}

func checkFailure(t *testing.T, expression string, err error) {
	t.Helper()
	if text := err.Error(); text == "" || strings.Contains(text, panicked) {
		t.Errorf("%q: the library panicked: %q", expression, text)
	}
}

func checkResult(t *testing.T, expression string, v task.Value) {
	t.Helper()
	good := false
	switch v.Type {
	case task.Number:
		n, err := strconv.ParseFloat(v.Text, 64)
		good = (err == nil || math.IsInf(n, 0)) && formatNumber(n) == v.Text
	case task.Boolean:
		good = v.Text == "true" || v.Text == "false"
	case task.String:
		good = len(v.Text) <= task.MaxResultBytes && utf8.ValidString(v.Text)
	case task.NoValue:
	}
	if !good {
		t.Errorf("%q: the result is %v %q", expression, v.Type, v.Text)
	}
}

// spacedOut writes tokens with spaces between them.
func spacedOut(tokens []task.Token) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	for _, tok := range tokens {
		if tok.Kind == task.TokenString {
			b.WriteString(` "` + quote.Replace(tok.Text) + `"`)
			continue
		}
		b.WriteString(" " + tok.Text)
	}
	return b.String()
}

// allocated is how many bytes this process has ever asked for.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
