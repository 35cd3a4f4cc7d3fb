package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// levels are the binary operators, the loosest first, as package task reads them.
var levels = [...][]string{
	{"||"},
	{"&&"},
	{"==", "!=", "<", "<=", ">", ">=", "in"},
	{"&", "|", "^"},
	{"<<", ">>"},
	{"+", "-"},
	{"*", "/", "%"},
	{"**"},
}

// node is an expression that the test knows the value of. Its level is its place
// in levels; a leaf's is behind the last.
type node struct {
	level   int
	op      string
	operand []*node // of a choice: three
	value   float64 // of a number; a boolean is 1 or 0
	boolean bool
}

const (
	choiceLevel = -1
	prefixLevel = len(levels)
	leafLevel   = prefixLevel + 1
)

// drawNode draws an expression that is a number or a boolean.
func drawNode(t *testing.T, dice *rand.Rand, boolean bool, depth int) *node {
	t.Helper()
	pick := func(of ...string) string { return of[dice.IntN(len(of))] }
	child := func(boolean bool) *node { return drawNode(t, dice, boolean, depth-1) }
	binary := func(op string, of bool) *node {
		for level, ops := range levels {
			if slices.Contains(ops, op) {
				return &node{level: level, op: op, operand: []*node{child(of), child(of)}, boolean: boolean}
			}
		}
		t.Fatalf("no level has %s", op)
		return nil
	}
	what := dice.IntN(10)
	switch {
	case depth == 0 || what == 0:
		if boolean {
			return &node{level: leafLevel, value: float64(dice.IntN(2)), boolean: true}
		}
		return &node{level: leafLevel, value: float64(dice.IntN(10))}
	case what == 1:
		return &node{level: choiceLevel, op: "?", operand: []*node{child(true), child(boolean), child(boolean)}, boolean: boolean}
	case what == 2 && boolean:
		return &node{level: prefixLevel, op: "!", operand: []*node{child(true)}, boolean: true}
	case what == 2:
		return &node{level: prefixLevel, op: pick("-", "~"), operand: []*node{child(false)}}
	case boolean && what < 6:
		return binary(pick("&&", "||"), true)
	case boolean:
		return binary(pick("==", "!=", "<", "<=", ">", ">="), false)
	case what == 3:
		return binary(pick("&", "|", "^", "<<", ">>"), false)
	default:
		return binary(pick("+", "-", "*", "/", "%", "**"), false)
	}
}

// text writes a node for a place where this level or a tighter one may stand.
func (n *node) text(level int) string {
	var s string
	switch {
	case n.level == leafLevel && n.boolean:
		return strconv.FormatBool(n.value == 1)
	case n.level == leafLevel:
		return formatNumber(n.value)
	case n.level == choiceLevel:
		s = n.operand[0].text(0) + " ? " + n.operand[1].text(choiceLevel) + " : " + n.operand[2].text(choiceLevel)
	case n.level == prefixLevel:
		s = n.op + n.operand[0].text(leafLevel)
	default:
		s = n.operand[0].text(n.level) + n.op + n.operand[1].text(n.level+1)
	}
	if n.level < level {
		return "(" + s + ")"
	}
	return s
}

// compute is what the expression means; false: it fails.
func (n *node) compute() (float64, bool) {
	if n.level == leafLevel {
		return n.value, true
	}
	a, ok := n.operand[0].compute()
	if !ok {
		return 0, false
	}
	truth := func(b bool) (float64, bool) {
		if b {
			return 1, true
		}
		return 0, true
	}
	switch {
	case n.op == "?" && a == 1:
		return n.operand[1].compute()
	case n.op == "?":
		return n.operand[2].compute()
	case n.op == "!":
		return 1 - a, true
	case n.op == "&&" && a == 0, n.op == "||" && a == 1:
		return a, true
	case n.op == "-" && n.level == prefixLevel:
		return -a, true
	}
	fits := func(x float64) bool { return x == math.Trunc(x) && x >= -1<<63 && x < 1<<63 }
	if n.op == "~" {
		if !fits(a) {
			return 0, false
		}
		return float64(^int64(a)), true
	}
	b, ok := n.operand[1].compute()
	if !ok {
		return 0, false
	}
	switch n.op {
	case "&&", "||":
		return b, true
	case "==":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case "<":
		return truth(a < b)
	case "<=":
		return truth(a <= b)
	case ">":
		return truth(a > b)
	case ">=":
		return truth(a >= b)
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	case "/":
		return a / b, true
	case "%":
		return math.Mod(a, b), true
	case "**":
		return math.Pow(a, b), true
	}
	if !fits(a) || !fits(b) || (n.op == "<<" || n.op == ">>") && (b < 0 || b > 63) {
		return 0, false
	}
	switch n.op {
	case "&":
		return float64(int64(a) & int64(b)), true
	case "|":
		return float64(int64(a) | int64(b)), true
	case "^":
		return float64(int64(a) ^ int64(b)), true
	case "<<":
		return math.Ldexp(float64(int64(a)), int(b)), true
	default:
		return float64(int64(a) >> int64(b)), true
	}
}

// TestPrecedence computes random expressions that have no parenthesis too many:
// the library reorders operators in a way of its own, and must come to the same.
func TestPrecedence(t *testing.T) {
	e := New(nil)
	dice := rand.New(rand.NewPCG(1, 2))
	computed, failed := 0, 0
	for range 6000 {
		n := drawNode(t, dice, dice.IntN(2) == 0, 5)
		text := n.text(choiceLevel)
		if len(text) > 1000 {
			continue // too many tokens, perhaps
		}
		want, ok := n.compute()
		got, err := e.Evaluate(t.Context(), order(text))
		wanted := formatNumber(want)
		if n.boolean {
			wanted = strconv.FormatBool(want == 1)
		}
		if ok != (err == nil) || ok && got.Text != wanted {
			t.Fatalf("%s = %v, %v; want %s, a value: %v", text, got, err, wanted, ok)
		}
		if computed++; !ok {
			failed++
		}
	}
	if computed < 4000 || failed < 100 || failed > computed/2 {
		t.Errorf("%d expressions, %d of them failed: this shows little", computed, failed)
	}
}
