package evaluate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/Knetic/govaluate"
)

// function is one of the fixed set: how many arguments it takes and what it
// computes. Arguments are numbers; -1 for many means any number of them, at least
// one.
type function struct {
	args    int
	compute func(c *call, x []float64) (float64, error)
	logical bool // its result is a boolean: not 0
}

const anyNumber = -1

// functions are all that an expression can call; docs/expressions.md describes
// them. None is random, and each ends soon or when the call's context does.
var functions = map[string]function{
	"abs": one(math.Abs), "ceil": one(math.Ceil), "floor": one(math.Floor), "round": one(math.Round), "trunc": one(math.Trunc),
	"sqrt": one(math.Sqrt), "cbrt": one(math.Cbrt), "exp": one(math.Exp), "exp2": one(math.Exp2), "expm1": one(math.Expm1),
	"log": one(math.Log), "log2": one(math.Log2), "log10": one(math.Log10), "log1p": one(math.Log1p),
	"sin": one(math.Sin), "cos": one(math.Cos), "tan": one(math.Tan),
	"asin": one(math.Asin), "acos": one(math.Acos), "atan": one(math.Atan),
	"sinh": one(math.Sinh), "cosh": one(math.Cosh), "tanh": one(math.Tanh),
	"asinh": one(math.Asinh), "acosh": one(math.Acosh), "atanh": one(math.Atanh),
	"gamma": one(math.Gamma), "erf": one(math.Erf),
	"atan2": two(math.Atan2), "hypot": two(math.Hypot), "mod": two(math.Mod), "pow": two(math.Pow),

	"pi": {0, func(*call, []float64) (float64, error) { return math.Pi, nil }, false},
	"e":  {0, func(*call, []float64) (float64, error) { return math.E, nil }, false},

	"min": {anyNumber, func(_ *call, x []float64) (float64, error) { return fold(math.Min, x), nil }, false},
	"max": {anyNumber, func(_ *call, x []float64) (float64, error) { return fold(math.Max, x), nil }, false},
	"sum": {anyNumber, func(_ *call, x []float64) (float64, error) {
		return fold(func(a, b float64) float64 { return a + b }, x), nil
	}, false},

	"factorial": {1, factorial, false},
	"fib":       {1, fib, false},
	"gcd":       {2, gcd, false},
	"isprime":   {1, isPrime, true},
	"nthprime":  {1, nthPrime, false},
	"sleep":     {1, sleep, false},
}

func one(f func(float64) float64) function {
	return function{1, func(_ *call, x []float64) (float64, error) { return f(x[0]), nil }, false}
}

func two(f func(a, b float64) float64) function {
	return function{2, func(_ *call, x []float64) (float64, error) { return f(x[0], x[1]), nil }, false}
}

func fold(f func(a, b float64) float64, x []float64) float64 {
	acc := x[0]
	for _, v := range x[1:] {
		acc = f(acc, v)
	}
	return acc
}

// library returns the functions and our operators as govaluate takes them.
func library() map[string]govaluate.ExpressionFunction {
	out := make(map[string]govaluate.ExpressionFunction, len(functions)+len(operatorFunctions))
	for name, f := range operatorFunctions {
		out[name] = func(args ...any) (any, error) { return f(args) }
	}
	for name, f := range functions {
		out[name] = func(args ...any) (any, error) {
			v, err := f.apply(args)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if f.logical {
				return v != 0, nil
			}
			return v, nil
		}
	}
	return out
}

// apply checks the arguments; the first is the call itself.
func (f function) apply(args []any) (float64, error) {
	c, ok := args[0].(*call)
	if !ok {
		return 0, errors.New("it was called without its call")
	}
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if err := c.turn.yield(c.ctx); err != nil {
		return 0, err
	}
	x := make([]float64, len(args)-1)
	for i, a := range args[1:] {
		if x[i], ok = a.(float64); !ok {
			return 0, fmt.Errorf("its argument %d is not a number", i+1)
		}
	}
	switch {
	case f.args == anyNumber && len(x) == 0:
		return 0, errors.New("it takes at least one argument")
	case f.args != anyNumber && len(x) != f.args:
		plural := "s"
		if f.args == 1 {
			plural = ""
		}
		return 0, fmt.Errorf("it takes %d argument%s, not %d", f.args, plural, len(x))
	}
	return f.compute(c, x)
}

// Bounds of the functions that count.
const (
	maxFactorial = 170     // the next one does not fit into a 64-bit float
	maxFib       = 1476    // as above
	maxNthPrime  = 100_000 // a tenth of a second
	maxExact     = 1 << 53 // whole numbers above are not exact
	maxSleep     = 24 * time.Hour
)

// whole returns x as a whole number from least to most.
func whole(x, least, most float64) (int64, error) {
	if x != math.Trunc(x) || !(x >= least && x <= most) {
		return 0, fmt.Errorf("%s is not a whole number from %s to %s", formatNumber(x), formatNumber(least), formatNumber(most))
	}
	return int64(x), nil
}

func factorial(_ *call, x []float64) (float64, error) {
	n, err := whole(x[0], 0, maxFactorial)
	acc := 1.0
	for i := int64(2); i <= n; i++ {
		acc *= float64(i)
	}
	return acc, err
}

func fib(_ *call, x []float64) (float64, error) {
	n, err := whole(x[0], 0, maxFib)
	a, b := 0.0, 1.0
	for range n {
		a, b = b, a+b
	}
	return a, err
}

func gcd(_ *call, x []float64) (float64, error) {
	a, err := whole(x[0], -maxExact, maxExact)
	if err != nil {
		return 0, err
	}
	b, err := whole(x[1], -maxExact, maxExact)
	for b != 0 {
		a, b = b, a%b
	}
	return math.Abs(float64(a)), err
}

// isPrime divides by every odd number up to the root: at most 2^25.5 divisions.
func isPrime(c *call, x []float64) (float64, error) {
	n, err := whole(x[0], 0, maxExact)
	if err != nil || n < 2 || n > 2 && n%2 == 0 {
		return 0, err
	}
	for d := int64(3); d*d <= n; d += 2 {
		if n%d == 0 {
			return 0, nil
		}
		if d&0xffff == 1 && c.ctx.Err() != nil {
			return 0, c.ctx.Err()
		}
	}
	return 1, nil
}

// nthPrime tries one number after the other. It keeps the primes that it may
// have to divide by, and no more: many evaluations share one process's memory.
func nthPrime(c *call, x []float64) (float64, error) {
	n, err := whole(x[0], 1, maxNthPrime)
	if err != nil {
		return 0, err
	}
	const last = 1_299_709 // the prime with number maxNthPrime
	var divisors []int64
	for candidate, found := int64(2), int64(0); ; candidate++ {
		if candidate&0xff == 0 && c.ctx.Err() != nil {
			return 0, c.ctx.Err()
		}
		if !dividesNone(divisors, candidate) {
			continue
		}
		if found++; found == n {
			return float64(candidate), nil
		}
		if candidate*candidate <= last {
			divisors = append(divisors, candidate)
		}
	}
}

func dividesNone(primes []int64, n int64) bool {
	for _, p := range primes {
		if p*p > n {
			return true
		}
		if n%p == 0 {
			return false
		}
	}
	return true
}

// sleep waits, so that a task can be seen while it runs. Its value is the number
// of seconds.
func sleep(c *call, x []float64) (float64, error) {
	if !(x[0] >= 0 && x[0] <= maxSleep.Seconds()) {
		return 0, fmt.Errorf("%s is not a number of seconds from 0 to %s", formatNumber(x[0]), formatNumber(maxSleep.Seconds()))
	}
	return x[0], c.turn.sleep(c.ctx, time.Duration(x[0]*float64(time.Second)), c.sleep)
}
