package evaluate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"muster/task"
)

// operatorCalls are the operators that the library computes badly, and the names
// under which it gets ours as functions. Its + makes strings of any length. Its
// bit operators convert numbers out of range, where processors differ, and give
// -1 << 1 as nearly 2^64. Its in takes only values that can be compared, and knows
// no list of one. No client can call these names.
var operatorCalls = map[string]string{
	"+": "op_plus", "in": "op_in", "~": "op_not", "&": "op_and", "|": "op_or", "^": "op_xor", "<<": "op_left", ">>": "op_right",
}

// operatorFunctions compute operatorCalls. Values are numbers, strings and
// booleans: grammar lets no list in.
var operatorFunctions = map[string]func(x []any) (any, error){
	"op_plus":  plus,
	"op_in":    func(x []any) (any, error) { return slices.Contains(x[1:], x[0]), nil },
	"op_not":   bits("~", func(x []int64) float64 { return float64(^x[0]) }),
	"op_and":   bits("&", func(x []int64) float64 { return float64(x[0] & x[1]) }),
	"op_or":    bits("|", func(x []int64) float64 { return float64(x[0] | x[1]) }),
	"op_xor":   bits("^", func(x []int64) float64 { return float64(x[0] ^ x[1]) }),
	"op_left":  shift("<<", func(x, n int64) float64 { return math.Ldexp(float64(x), int(n)) }),
	"op_right": shift(">>", func(x, n int64) float64 { return float64(x >> n) }),
}

// plus adds numbers from left to right, and joins texts from the first string on.
func plus(x []any) (any, error) {
	sum := x[0]
	for _, next := range x[1:] {
		a, aIsNumber := sum.(float64)
		b, bIsNumber := next.(float64)
		if aIsNumber && bIsNumber {
			sum = a + b
			continue
		}
		if !isString(sum) && !isString(next) {
			return nil, fmt.Errorf("+ can't add %s and %s", describe(sum), describe(next))
		}
		left, right := textOf(sum), textOf(next)
		if n := len(left) + len(right); n > task.MaxResultBytes {
			return nil, fmt.Errorf("+ makes a string of %d bytes; at most %d are possible", n, task.MaxResultBytes)
		}
		sum = left + right
	}
	return sum, nil
}

// bits makes a function of whole numbers that fit into 64 bits.
func bits(op string, compute func(x []int64) float64) func(x []any) (any, error) {
	return func(x []any) (any, error) {
		if len(x) == 0 { // what the library makes of a single missing parameter
			x = []any{nil}
		}
		numbers := make([]int64, len(x))
		for i, v := range x {
			f, ok := v.(float64)
			if !ok || f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
				return nil, fmt.Errorf("%s takes whole numbers of 64 bits, not %s", op, describe(v))
			}
			numbers[i] = int64(f)
		}
		return compute(numbers), nil
	}
}

func shift(op string, compute func(x, n int64) float64) func(x []any) (any, error) {
	inner := bits(op, func(x []int64) float64 { return compute(x[0], x[1]) })
	return func(x []any) (any, error) {
		if n, ok := x[1].(float64); ok && (n < 0 || n > 63) {
			return nil, fmt.Errorf("%s takes 0 to 63 places, not %s", op, formatNumber(n))
		}
		return inner(x)
	}
}

func isString(v any) bool {
	_, ok := v.(string)
	return ok
}

// textOf writes a value as a result would be written.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return formatNumber(v)
	case bool:
		return strconv.FormatBool(v)
	default:
		return fmt.Sprint(v)
	}
}

// describe names a value in an error.
func describe(v any) string {
	text := textOf(v)
	if !isString(v) {
		return text
	}
	const most = 40
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}
