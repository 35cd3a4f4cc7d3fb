package demo

import (
	"fmt"
	"strconv"
	"time"

	"muster/api/client"
)

// work is an expression with a parameter x, whose result the demo computes by
// itself, too.
type work struct {
	expression string
	x          int
	want       string
}

func (w work) submission() client.Submission {
	return client.Submission{
		Expression: w.expression,
		Parameters: client.Parameters{client.Parameter("x", strconv.Itoa(w.x))},
	}
}

// String is the work as people write it.
func (w work) String() string { return fmt.Sprintf("%s with x = %d", w.expression, w.x) }

// longWork keeps a slave busy for seven seconds, as in the original system.
func longWork(x int) work {
	return work{expression: "sleep(7) * x", x: x, want: strconv.Itoa(7 * x)}
}

// shortWork is over at once.
func shortWork(x int) work {
	return work{expression: "2 + 3*x", x: x, want: strconv.Itoa(2 + 3*x)}
}

// loadWork makes the nth of many pieces of work, of one of several shapes and
// with another result than its neighbours. It keeps a slave busy for a while.
func loadWork(n int, busy time.Duration) work {
	sleep := fmt.Sprintf("sleep(%g)", busy.Seconds()) // which is that number
	switch n % 4 {
	case 0:
		return work{"2 + 3*x + 0*" + sleep, n, strconv.Itoa(2 + 3*n)}
	case 1:
		return work{"x*x - 7 - 0*" + sleep, n, strconv.Itoa(n*n - 7)}
	case 2:
		return work{"gcd(12*x, 18*x) + 0*" + sleep, n, strconv.Itoa(6 * n)}
	default:
		return work{sleep + " < 1 && x > 1000", n, strconv.FormatBool(n > 1000)}
	}
}
