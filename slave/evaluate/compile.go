package evaluate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/Knetic/govaluate"

	"muster/task"
)

// callParameter is handed to every function as its first argument: the library
// knows no context, and a parsed expression serves many evaluations. No client
// can name it.
const callParameter = "$call"

// compiled is a parsed expression. It is safe for concurrent use.
type compiled struct {
	parsed   *govaluate.EvaluableExpression
	literals []string // by number, the values of the parameters "$0", "$1" …
}

// compile parses an expression. What the library gets is made from the tokens of
// task.LexExpression, with spaces between them: names in brackets, string
// literals as parameters, and callParameter in every call.
func compile(expression string) (*compiled, error) {
	tokens, refusal := task.LexExpression(expression)
	if refusal != nil {
		return nil, refusal
	}
	c := &compiled{}
	var b strings.Builder
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		call := t.Kind == task.TokenName && i+1 < len(tokens) && tokens[i+1].Kind == task.TokenOpen
		switch {
		case call:
			if _, ok := functions[t.Text]; !ok {
				return nil, fmt.Errorf("there is no function %q (at byte %d)", t.Text, t.At)
			}
			i++ // the parenthesis
			b.WriteString(t.Text + " ( [" + callParameter + "]")
			if i+1 < len(tokens) && tokens[i+1].Kind != task.TokenClose {
				b.WriteString(" ,")
			}
		case t.Kind == task.TokenString:
			b.WriteString("[$" + strconv.Itoa(len(c.literals)) + "]")
			c.literals = append(c.literals, t.Text)
		case t.Kind == task.TokenName && t.Text != "true" && t.Text != "false":
			b.WriteString("[" + t.Text + "]")
		default:
			b.WriteString(t.Text)
		}
		b.WriteByte(' ')
	}
	parsed, err := govaluate.NewEvaluableExpressionWithFunctions(b.String(), library())
	if err != nil {
		return nil, fmt.Errorf("the expression is wrong: %w", err)
	}
	c.parsed = parsed
	return c, nil
}

// parameters answers the library's questions for values.
type parameters struct {
	literals []string
	given    map[string]any
	call     *call
}

// Get returns a parameter, a string literal, or the call itself.
func (p parameters) Get(name string) (any, error) {
	if !strings.HasPrefix(name, "$") {
		v, ok := p.given[name]
		if !ok {
			return nil, fmt.Errorf("there is no parameter %q", name)
		}
		return v, nil
	}
	if name == callParameter {
		return p.call, nil
	}
	i, err := strconv.Atoi(name[1:])
	if err != nil || i >= len(p.literals) {
		return nil, fmt.Errorf("there is no literal %s", name)
	}
	return p.literals[i], nil
}
