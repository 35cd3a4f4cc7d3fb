package task

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// TokenKind tells what a Token is.
type TokenKind uint8

// The kinds of tokens.
const (
	TokenNumber   TokenKind = iota + 1 // decimal, or 0x and hex digits
	TokenString                        // Text is what the literal stands for
	TokenName                          // a parameter, a function, true, false
	TokenOperator                      // see lexer.operator, or in
	TokenOpen                          // (
	TokenClose                         // )
	TokenComma
)

// Token is a word of an expression.
type Token struct {
	Kind TokenKind
	Text string
	At   int // byte offset
}

// LexExpression splits an expression into its tokens, within the limits of this
// package. It is the only lexer that sees what a client wrote: package
// slave/evaluate hands the library below it an expression made from these tokens.
func LexExpression(expression string) ([]Token, *Error) {
	switch {
	case strings.TrimSpace(expression) == "":
		return nil, badExpression("the expression is empty")
	case len(expression) > MaxExpressionBytes:
		return nil, badExpression("the expression has %d bytes; at most %d are possible", len(expression), MaxExpressionBytes)
	case !utf8.ValidString(expression):
		return nil, badExpression("the expression is not valid UTF-8")
	}
	l := lexer{source: expression, tokens: make([]Token, 0, 8)}
	for l.skipSpace(); l.at < len(expression); l.skipSpace() {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	if l.depth > 0 {
		return nil, badExpression("%d parentheses are not closed", l.depth)
	}
	return l.tokens, nil
}

type lexer struct {
	source string
	at     int
	depth  int
	tokens []Token
}

func (l *lexer) skipSpace() {
	for l.at < len(l.source) && strings.IndexByte(" \t\r\n", l.source[l.at]) >= 0 {
		l.at++
	}
}

// next reads one token; there is a byte to read.
func (l *lexer) next() *Error {
	if len(l.tokens) == MaxExpressionTokens {
		return badExpression("the expression has more than %d tokens", MaxExpressionTokens)
	}
	switch c := l.source[l.at]; {
	case isDigit(c) || c == '.':
		return l.number()
	case isLetter(c):
		return l.name()
	case c == '\'' || c == '"':
		return l.literal(c)
	case c == '(':
		if l.depth++; l.depth > MaxExpressionDepth {
			return badExpression("parentheses are more than %d deep at byte %d", MaxExpressionDepth, l.at)
		}
		l.add(TokenOpen, 1)
	case c == ')':
		if l.depth--; l.depth < 0 {
			return badExpression("the parenthesis at byte %d closes nothing", l.at)
		}
		l.add(TokenClose, 1)
	case c == ',':
		l.add(TokenComma, 1)
	default:
		return l.operator()
	}
	return nil
}

func (l *lexer) add(kind TokenKind, size int) {
	l.tokens = append(l.tokens, Token{Kind: kind, Text: l.source[l.at : l.at+size], At: l.at})
	l.at += size
}

func (l *lexer) number() *Error {
	rest := l.source[l.at:]
	isPart := func(c byte) bool { return isDigit(c) || c == '.' }
	from := 0
	if strings.HasPrefix(rest, "0x") {
		from, isPart = 2, isHexDigit
	}
	size := from
	for size < len(rest) && isPart(rest[size]) {
		size++
	}
	text := rest[:size]
	switch {
	case size < len(rest) && (isNameByte(rest[size]) || rest[size] == '.'):
		return badExpression("%q at byte %d is no number; write a large one as 1000 or 10**3, not as 1e3", clip(rest[:size+1]), l.at)
	case strings.Count(text, ".") > 1 || text == "." || size == from, from == 2 && size > 2+16:
		return badExpression("%q at byte %d is no number", clip(text), l.at)
	case from == 0 && !fits(text):
		return badExpression("%q at byte %d does not fit into 64 bits", clip(text), l.at)
	}
	l.add(TokenNumber, size)
	return nil
}

// fits tells whether a number is less than infinite.
func fits(text string) bool {
	if len(text) < 300 && strings.IndexByte(text, '.') < 0 {
		return true // below 10^308
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

func (l *lexer) name() *Error {
	rest := l.source[l.at:]
	size := 1
	for size < len(rest) && isNameByte(rest[size]) {
		size++
	}
	switch name := rest[:size]; {
	case size < len(rest) && rest[size] == '.':
		return badExpression("%q at byte %d: values have no fields", clip(rest[:size+1]), l.at)
	case size > MaxParameterName:
		return badExpression("the name at byte %d has %d bytes; at most %d are possible", l.at, size, MaxParameterName)
	case name == "in":
		l.add(TokenOperator, size)
	default:
		l.add(TokenName, size)
	}
	return nil
}

// literal reads a string in single or double quotes. A backslash takes the next
// character as it is.
func (l *lexer) literal(quote byte) *Error {
	var text strings.Builder
	for i := l.at + 1; i < len(l.source); i++ {
		c := l.source[i]
		if c == quote {
			l.tokens = append(l.tokens, Token{Kind: TokenString, Text: text.String(), At: l.at})
			l.at = i + 1
			return nil
		}
		if c == '\\' && i+1 < len(l.source) {
			i++
			c = l.source[i]
		}
		if c < ' ' || c == 0x7f {
			return badExpression("the string at byte %d has a control character in it", l.at)
		}
		text.WriteByte(c)
	}
	return badExpression("the string at byte %d has no end", l.at)
}

// operator reads one of all that the language has, the longer before the shorter.
// There are no regular expressions (=~, !~): what one costs can't be bounded beforehand.
func (l *lexer) operator() *Error {
	rest := l.source[l.at:]
	if strings.HasPrefix(rest, "=~") || strings.HasPrefix(rest, "!~") {
		return badExpression("%s at byte %d: there are no regular expressions", rest[:2], l.at)
	}
	if len(rest) > 1 {
		switch rest[:2] {
		case "**", "<<", ">>", "==", "!=", "<=", ">=", "&&", "||", "??":
			l.add(TokenOperator, 2)
			return nil
		}
	}
	if strings.IndexByte("+-*/%&|^~!<>?:", rest[0]) < 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		return badExpression("%q at byte %d has no meaning here", r, l.at)
	}
	l.add(TokenOperator, 1)
	return nil
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isHexDigit(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }
