package hostile

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// randomExpression draws an expression by the grammar of docs/expressions.md; one
// in three is broken somewhere.
func randomExpression(dice *rand.Rand) string {
	var b strings.Builder
	draw(&b, dice, 1+dice.IntN(4))
	s := b.String()
	if dice.IntN(3) == 0 {
		s = strings.TrimRight(string(mutate(dice, []byte(s))), `\`) // an escape has something to escape
	}
	return strings.ToValidUTF8(s, "?")
}

// draw writes an expression of at most some depth.
func draw(b *strings.Builder, dice *rand.Rand, depth int) {
	if depth == 0 {
		b.WriteString(pick(dice, leaves))
		return
	}
	part := func() { draw(b, dice, depth-1) }
	switch dice.IntN(9) {
	case 0:
		b.WriteString("(")
		part()
		b.WriteString(")")
	case 1:
		b.WriteString(pick(dice, []string{"-", "!", "~"}))
		part()
	case 2:
		part()
		b.WriteString(" ? ")
		part()
		b.WriteString(" : ")
		part()
	case 3:
		part()
		b.WriteString(" in (")
		part()
		b.WriteString(",")
		part()
		b.WriteString(")")
	case 4, 5:
		b.WriteString(pick(dice, functionNames))
		b.WriteString("(")
		for i := range dice.IntN(4) {
			if i > 0 {
				b.WriteString(", ")
			}
			part()
		}
		b.WriteString(")")
	default:
		part()
		b.WriteString(" " + pick(dice, operators) + " ")
		part()
	}
}

var leaves = []string{
	"0", "1", "2", "7", "63", "64", "0.5", ".5", "5.", "0x1F", "0xFFFFFFFFFFFFFFFF", "9007199254740993", strings.Repeat("9", 309), "0." + strings.Repeat("0", 330) + "1",
	"x", "x", "x", "x", "3", "3", "10", "10", "2.5", "s", "b", "nope", "true", "false", "''", "'a'", `"it's"`, `'\\'`, `'\''`, "'2006-01-02'", "'3:04PM'", "'\u202e\u0661'", "'" + strings.Repeat("\U0001f4a3", 50) + "'",
	"pi()", "e()", "1/0", "0/0", "-1/0", "(1)", "2**53", "2**1023*2", "10**-400",
}

var operators = []string{
	"+", "-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "??",
}

var functionNames = []string{
	"abs", "sqrt", "exp", "log", "sin", "atan2", "hypot", "mod", "pow", "min", "max", "sum", "factorial", "fib", "gcd", "isprime", "round", "gamma", "pi", "nope", "op_in",
}

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

// mutate breaks a text in one to three places.
func mutate(dice *rand.Rand, b []byte) []byte {
	b = append([]byte(nil), b...)
	for range 1 + dice.IntN(3) {
		at := dice.IntN(len(b) + 1)
		to := at + dice.IntN(min(20, len(b)-at)+1)
		switch dice.IntN(6) {
		case 0: // a part is lost
			b = append(b[:at:at], b[to:]...)
		case 1: // or there twice
			b = append(b[:to:to], b[at:]...)
		case 2: // or cut off
			b = b[:at]
		case 3, 4: // or there is something else
			b = append(append(b[:at:at], pick(dice, splinters)...), b[to:]...)
		default:
			if at < len(b) {
				b[at] ^= 1 << dice.IntN(8)
			}
		}
	}
	return b
}

// splinters are what parsers stumble over.
var splinters = []string{
	"\x00", "\xff", "\xc3\x28", "\u202e", "\ufeff", "\u0661", "\\", "\\u", "\\ud800", `\"`, "'", `"`, "{", "}", "[", "]", "(", ")", ",", ":", ".", "=~", "!~", "null", "true", "NaN", "-", "-0",
	"1e999", strconv.Itoa(1 << 53), "18446744073709551615", "18446744073709551616", "9223372036854775808", "-9223372036854775809", "4294967296", "0.1", "1e2", "\r\n", "\t", "/*", "$call", "..", "%00", "%",
	strings.Repeat("[", 50), strings.Repeat("(", 70), strings.Repeat("9", 400), strings.Repeat("a", 300),
}
