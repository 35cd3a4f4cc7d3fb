package kills_test

import (
	"fmt"
	"strconv"

	"muster/api/client"
)

// work is an expression with a parameter x, and its result, computed here.
type work struct {
	expression string
	x          int
	want       string
}

// workOf makes the nth of many pieces of work. Some keep a slot for a while, so
// that tasks run at any time; and some for longer than it takes to find a new
// leader, which then asks for them.
func workOf(n int) work {
	w := work{x: n}
	switch n % 4 {
	case 0:
		w.expression, w.want = "2 + 3*x", strconv.Itoa(2+3*n)
	case 1:
		w.expression, w.want = "x*x - 7", strconv.Itoa(n*n-7)
	case 2:
		w.expression, w.want = "gcd(12*x, 18*x)", strconv.Itoa(6*n)
	default:
		return work{"isprime(x) == (x in (2, 3, 5, 7)) && x > 1000", n, strconv.FormatBool(n > 1000 && !isPrime(n))}
	}
	switch {
	case n%40 == 4:
		w.expression += " + 0*sleep(1.5)"
	case n%10 < 3:
		w.expression += fmt.Sprintf(" + 0*sleep(0.%03d)", 50+n%151)
	}
	return w
}

func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

func (w work) submission() client.Submission {
	return client.Submission{
		Expression: w.expression,
		Parameters: client.Parameters{client.Parameter("x", strconv.Itoa(w.x))},
	}
}
