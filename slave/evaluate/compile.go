package evaluate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/Knetic/govaluate"

	"muster/task"
)

// Names that the library asks for and that no client can write.
const (
	// callParameter is handed to every function as its first argument: the
	// library knows no context, and a parsed expression serves many evaluations.
	callParameter = "$call"
	// literalPrefix and a number name a string literal. The library never sees
	// one: it would take some for dates, in the local time zone.
	literalPrefix = "$"
	// optionalPrefix and a name ask for a parameter that may not be there.
	optionalPrefix = "?"
)

// compiled is a parsed expression. It is safe for concurrent use.
type compiled struct {
	parsed   *govaluate.EvaluableExpression
	literals []string // by number
}

// compile parses an expression. What the library gets is not what the client
// wrote, but a text that writer made of its tokens, with spaces between them and
// names in brackets, so that the library's lexer finds the same tokens.
func compile(expression string) (*compiled, error) {
	e, refusal := task.ParseExpression(expression)
	if refusal != nil {
		return nil, errors.New(refusal.Message)
	}
	var w writer
	if w.write(e); w.err != nil {
		return nil, w.err
	}
	parsed, err := govaluate.NewEvaluableExpressionWithFunctions(w.text.String(), library())
	if err != nil {
		return nil, fmt.Errorf("the expression is wrong: %w", err)
	}
	return &compiled{parsed: parsed, literals: w.literals}, nil
}

// Get returns a parameter, a string literal, or the call itself: it answers the
// library's questions for values.
func (c *call) Get(name string) (any, error) {
	if name == callParameter {
		return c, nil
	}
	if optional, ok := strings.CutPrefix(name, optionalPrefix); ok {
		v, _ := c.parameter(optional)
		return v, nil // nil: the value behind ?? counts
	}
	number, ok := strings.CutPrefix(name, literalPrefix)
	if !ok {
		v, known := c.parameter(name)
		if !known {
			return nil, fmt.Errorf("there is no parameter %q", name)
		}
		return v, nil
	}
	i, err := strconv.Atoi(number)
	if err != nil || i >= len(c.literals) {
		return nil, fmt.Errorf("there is no literal %s", name)
	}
	return c.literals[i], nil
}

// parameter returns a parameter that was given. There are few.
func (c *call) parameter(name string) (v any, known bool) {
	for i := range c.given {
		if c.given[i].name == name {
			return c.given[i].value, true
		}
	}
	return nil, false
}
