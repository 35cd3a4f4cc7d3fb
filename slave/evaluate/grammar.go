package evaluate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/task"
)

// grammar reads the tokens of an expression and writes what the library gets.
// The library's own parser is too lenient to be asked alone: it drops the rest
// of "(2) 3" and of "1 : 2" without a word, and groups "a ? b : c ? d : e" from
// the left. Its precedence and grouping of what is passed through as it stands
// (logic, comparison, arithmetic) are those of levels; a test compares them.
//
// Each method returns the text of what it read.
type grammar struct {
	tokens   []task.Token
	at       int
	literals []string
}

// levels are the binary operators, the loosest first; each level groups from the
// left. Looser still are ?? and, the loosest, ? with its colon.
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

// parse reads all tokens.
func (g *grammar) parse() (string, error) {
	text, err := g.expression()
	if err == nil && g.at < len(g.tokens) {
		err = g.unexpected()
	}
	return text, err
}

// expression reads "a ? b : c", or less.
func (g *grammar) expression() (string, error) {
	condition, err := g.fallback()
	if err != nil || g.operator("?") == "" {
		return condition, err
	}
	yes, err := g.expression()
	if err != nil {
		return "", err
	}
	if g.operator(":") == "" {
		return "", g.missing("the : of a choice")
	}
	no, err := g.expression()
	return "( ( " + condition + " ) ? ( " + yes + " ) : ( " + no + " ) )", err
}

// fallback reads "a ?? b ?? c", or less.
func (g *grammar) fallback() (string, error) {
	text, err := g.binary(0)
	for several := false; err == nil; several = true {
		if g.operator("??") == "" {
			if several {
				text = "( " + text + " )"
			}
			return text, nil
		}
		var next string
		next, err = g.binary(0)
		text += " ?? " + next
	}
	return "", err
}

// binary reads operands and the operators of one level.
func (g *grammar) binary(level int) (string, error) {
	if level == len(levels) {
		return g.prefixed()
	}
	left, err := g.binary(level + 1)
	var terms []string // of a chain of +, which is one call however long it is
	for err == nil {
		op := g.operator(levels[level]...)
		if op == "" {
			return left, nil
		}
		var right string
		if op == "in" {
			right, err = g.list()
		} else {
			right, err = g.binary(level + 1)
		}
		if op != "+" {
			terms = nil
		} else if terms == nil {
			terms = []string{left}
		}
		switch name := operatorCalls[op]; {
		case op == "+":
			terms = append(terms, right)
			left = name + " ( " + strings.Join(terms, " , ") + " )"
		case name != "":
			left = name + " ( " + left + " , " + right + " )"
		default:
			left += " " + op + " " + right
		}
	}
	return "", err
}

// prefixed reads a value, with at most one of - ! ~ in front.
func (g *grammar) prefixed() (string, error) {
	op := g.operator("-", "!", "~")
	text, err := g.value()
	switch op {
	case "":
		return text, err
	case "~":
		return operatorCalls["~"] + " ( " + text + " )", err
	default:
		return op + " " + text, err
	}
}

// value reads a number, a string, a name, a call or a parenthesis.
func (g *grammar) value() (string, error) {
	t := g.peek(0)
	switch t.Kind {
	case task.TokenNumber:
		g.at++
		return t.Text, nil
	case task.TokenString:
		g.at++
		g.literals = append(g.literals, t.Text)
		return "[" + literalPrefix + strconv.Itoa(len(g.literals)-1) + "]", nil
	case task.TokenName:
		return g.name(t)
	case task.TokenOpen:
		g.at++
		text, err := g.expression()
		if err != nil {
			return "", err
		}
		if g.peek(0).Kind == task.TokenComma {
			return "", fmt.Errorf("the expression is wrong: a list at byte %d; one is possible after in, and in a call", t.At)
		}
		return "( " + text + " )", g.closing()
	case task.TokenOperator, task.TokenClose, task.TokenComma:
	}
	return "", g.unexpected()
}

// name reads a boolean, a call, or a parameter.
func (g *grammar) name(t task.Token) (string, error) {
	g.at++
	switch next := g.peek(0); {
	case next.Kind == task.TokenOpen:
		return g.call(t)
	case t.Text == "true" || t.Text == "false":
		return t.Text, nil
	case next.Kind == task.TokenOperator && next.Text == "??":
		return "[" + optionalPrefix + t.Text + "]", nil
	default:
		return "[" + t.Text + "]", nil
	}
}

func (g *grammar) call(function task.Token) (string, error) {
	if _, ok := functions[function.Text]; !ok {
		return "", fmt.Errorf("there is no function %q (at byte %d)", function.Text, function.At)
	}
	begin := function.Text + " ( [" + callParameter + "] "
	if g.peek(1).Kind == task.TokenClose {
		g.at += 2
		return begin + ")", nil
	}
	arguments, err := g.list()
	return begin + ", " + arguments + " )", err
}

// list reads "(a, b, c)", and returns it without its parentheses.
func (g *grammar) list() (string, error) {
	if g.peek(0).Kind != task.TokenOpen {
		return "", g.missing("a list, as in x in (1, 2)")
	}
	var items []string
	for g.at++; ; g.at++ {
		item, err := g.expression()
		if err != nil {
			return "", err
		}
		items = append(items, item)
		if g.peek(0).Kind != task.TokenComma {
			return strings.Join(items, " , "), g.closing()
		}
	}
}

func (g *grammar) closing() error {
	if g.peek(0).Kind != task.TokenClose {
		return g.unexpected()
	}
	g.at++
	return nil
}

// operator takes one of the given operators, if it is next.
func (g *grammar) operator(wanted ...string) string {
	t := g.peek(0)
	if t.Kind != task.TokenOperator || !slices.Contains(wanted, t.Text) {
		return ""
	}
	g.at++
	return t.Text
}

// peek returns a token that was not read; behind the last there are zero ones.
func (g *grammar) peek(ahead int) task.Token {
	if g.at+ahead >= len(g.tokens) {
		return task.Token{}
	}
	return g.tokens[g.at+ahead]
}

func (g *grammar) unexpected() error {
	if g.at >= len(g.tokens) {
		return errors.New("the expression is wrong: it ends too early")
	}
	t := g.tokens[g.at]
	return fmt.Errorf("the expression is wrong: %.40q at byte %d can't stand there", t.Text, t.At)
}

func (g *grammar) missing(what string) error {
	if g.at >= len(g.tokens) {
		return fmt.Errorf("the expression is wrong: it ends without %s", what)
	}
	return fmt.Errorf("the expression is wrong: %s is missing at byte %d", what, g.tokens[g.at].At)
}
