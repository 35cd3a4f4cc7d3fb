package task

// ExprKind tells what an Expr is.
type ExprKind uint8

// The kinds of expressions.
const (
	ExprNumber   ExprKind = iota + 1
	ExprString            // Token.Text is what the literal stands for
	ExprName              // a parameter, true or false
	ExprCall              // of the function Token
	ExprGroup             // a parenthesis around Args[0]
	ExprPrefix            // - ! ~ before Args[0]
	ExprBinary            // an operator between Args; of + there may be more than two, of in the items are Args[1:]
	ExprFallback          // a ?? b ?? c
	ExprChoice            // a ? b : c
)

// Expr is an expression, or a part of one.
type Expr struct {
	Kind     ExprKind
	Token    Token // the value, the function or the operator
	Args     []Expr
	Optional bool // of a name: ?? is behind it, so that it may be missing
}

// ParseExpression reads an expression. It is the grammar of what clients write, for
// masters, which refuse what does not follow it, and for slaves, which compute the
// rest. Whether a function exists is for the slave to say.
func ParseExpression(expression string) (Expr, *Error) {
	tokens, err := LexExpression(expression)
	if err != nil {
		return Expr{}, err
	}
	g := grammar{tokens: tokens}
	e, err := g.expression()
	if err == nil && g.at < len(g.tokens) {
		err = g.unexpected()
	}
	return e, err
}

// grammar reads tokens by recursive descent. LexExpression has bounded them, and
// with them its depth.
type grammar struct {
	tokens []Token
	at     int
}

// levelOf returns how tight a binary operator binds, the loosest 1; 0 for what is none.
// Operators of one level group from the left. Looser still are ?? and, the loosest, ?
// with its colon.
func levelOf(t Token) int {
	if t.Kind != TokenOperator {
		return 0
	}
	switch t.Text {
	case "||":
		return 1
	case "&&":
		return 2
	case "==", "!=", "<", "<=", ">", ">=", "in":
		return 3
	case "&", "|", "^":
		return 4
	case "<<", ">>":
		return 5
	case "+", "-":
		return 6
	case "*", "/", "%":
		return 7
	case "**":
		return 8
	default:
		return 0
	}
}

// expression reads "a ? b : c", or less.
func (g *grammar) expression() (Expr, *Error) {
	condition, err := g.fallback()
	if err != nil {
		return Expr{}, err
	}
	op, ok := g.operator("?")
	if !ok {
		return condition, nil
	}
	yes, err := g.expression()
	if err != nil {
		return Expr{}, err
	}
	if _, ok := g.operator(":"); !ok {
		return Expr{}, g.missing("the : of a choice")
	}
	no, err := g.expression()
	return Expr{Kind: ExprChoice, Token: op, Args: []Expr{condition, yes, no}}, err
}

// fallback reads "a ?? b ?? c", or less.
func (g *grammar) fallback() (Expr, *Error) {
	first, err := g.binary(1)
	op, more := g.operator("??")
	if err != nil || !more {
		return first, err
	}
	all := Expr{Kind: ExprFallback, Token: op, Args: []Expr{first}}
	for ; more; op, more = g.operator("??") {
		next, err := g.binary(1)
		if err != nil {
			return Expr{}, err
		}
		all.Token = op
		all.Args = append(all.Args, next)
	}
	return all, nil
}

// binary reads operands and the operators between them that bind at least as tight as a
// level, by precedence climbing.
func (g *grammar) binary(least int) (Expr, *Error) {
	left, err := g.prefixed()
	for chain := false; err == nil; { // of +, which is one however long it is
		op := g.peek(0)
		level := levelOf(op)
		if level == 0 || level < least {
			return left, nil
		}
		g.at++
		plus := op.Text == "+"
		if !chain || !plus {
			left = Expr{Kind: ExprBinary, Token: op, Args: append(make([]Expr, 0, 2), left)}
		}
		if op.Text == "in" {
			var list []Expr
			list, err = g.list()
			left.Args = append(left.Args, list...)
		} else {
			var right Expr
			right, err = g.binary(level + 1)
			left.Args = append(left.Args, right)
		}
		chain = plus
	}
	return Expr{}, err
}

// prefixed reads a value, with at most one of - ! ~ in front.
func (g *grammar) prefixed() (Expr, *Error) {
	op := g.peek(0)
	if op.Kind != TokenOperator || op.Text != "-" && op.Text != "!" && op.Text != "~" {
		return g.value()
	}
	g.at++
	value, err := g.value()
	if err != nil {
		return Expr{}, err
	}
	return Expr{Kind: ExprPrefix, Token: op, Args: []Expr{value}}, nil
}

// value reads a number, a string, a name, a call or a parenthesis.
func (g *grammar) value() (Expr, *Error) {
	t := g.peek(0)
	switch t.Kind {
	case TokenNumber:
		g.at++
		return Expr{Kind: ExprNumber, Token: t}, nil
	case TokenString:
		g.at++
		return Expr{Kind: ExprString, Token: t}, nil
	case TokenName:
		return g.name(t)
	case TokenOpen:
		g.at++
		inner, err := g.expression()
		if err != nil {
			return Expr{}, err
		}
		if g.peek(0).Kind == TokenComma {
			return Expr{}, wrongf("a list at byte %d; one is possible after in, and in a call", t.At)
		}
		return Expr{Kind: ExprGroup, Token: t, Args: []Expr{inner}}, g.closing()
	case TokenOperator, TokenClose, TokenComma:
	}
	return Expr{}, g.unexpected()
}

// name reads a boolean, a call, or a parameter.
func (g *grammar) name(t Token) (Expr, *Error) {
	g.at++
	next := g.peek(0)
	if next.Kind != TokenOpen {
		return Expr{Kind: ExprName, Token: t, Optional: next.Kind == TokenOperator && next.Text == "??"}, nil
	}
	if g.peek(1).Kind == TokenClose {
		g.at += 2
		return Expr{Kind: ExprCall, Token: t}, nil
	}
	arguments, err := g.list()
	return Expr{Kind: ExprCall, Token: t, Args: arguments}, err
}

// list reads "(a, b, c)".
func (g *grammar) list() ([]Expr, *Error) {
	if g.peek(0).Kind != TokenOpen {
		return nil, g.missing("a list, as in x in (1, 2)")
	}
	var items []Expr
	for g.at++; ; g.at++ {
		item, err := g.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if g.peek(0).Kind != TokenComma {
			return items, g.closing()
		}
	}
}

func (g *grammar) closing() *Error {
	if g.peek(0).Kind != TokenClose {
		return g.unexpected()
	}
	g.at++
	return nil
}

// operator takes an operator, if it is next.
func (g *grammar) operator(wanted string) (Token, bool) {
	t := g.peek(0)
	if t.Kind != TokenOperator || t.Text != wanted {
		return Token{}, false
	}
	g.at++
	return t, true
}

// peek returns a token that was not read; behind the last there are zero ones.
func (g *grammar) peek(ahead int) Token {
	if g.at+ahead >= len(g.tokens) {
		return Token{}
	}
	return g.tokens[g.at+ahead]
}

func (g *grammar) unexpected() *Error {
	if g.at >= len(g.tokens) {
		return wrongf("it ends too early")
	}
	t := g.tokens[g.at]
	return wrongf("%q at byte %d can't stand there", clip(t.Text), t.At)
}

func (g *grammar) missing(what string) *Error {
	if g.at >= len(g.tokens) {
		return wrongf("it ends without %s", what)
	}
	return wrongf("%s is missing at byte %d", what, g.tokens[g.at].At)
}

func wrongf(format string, args ...any) *Error {
	return badExpression("the expression is wrong: "+format, args...)
}
