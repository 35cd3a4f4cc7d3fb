package task

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of an expression. They are checked on the master, before a task is
// recorded, and again in the slave. The evaluator below them (see slave/evaluate)
// recurses and copies without limits of its own.
const (
	MaxExpressionBytes  = 4 << 10
	MaxExpressionTokens = 512
	MaxExpressionDepth  = 64 // parentheses within each other
	MaxParameters       = 64
	MaxParameterBytes   = 4 << 10 // of one parameter's text
	MaxParameterName    = 64      // bytes
)

// CheckExpression refuses what must not reach the evaluator: an expression that
// is too large, too deep or does not follow the grammar, and parameters that are not
// plain values. What passes may still fail where it is computed: a function that
// there is not, a parameter that is missing. The code is invalid_expression.
func CheckExpression(expression string, params []Parameter) *Error {
	if _, err := ParseExpression(expression); err != nil {
		return err
	}
	return CheckParameters(params)
}

// CheckParameters is the part of CheckExpression that is about the parameters.
func CheckParameters(params []Parameter) *Error {
	if len(params) > MaxParameters {
		return badExpression("there are %d parameters; at most %d are possible", len(params), MaxParameters)
	}
	var seen map[string]bool // not needed while they are in order
	for i, p := range params {
		if err := checkParameter(p); err != nil {
			return err
		}
		if seen == nil && (i == 0 || params[i-1].Name < p.Name) {
			continue
		}
		if seen == nil {
			seen = make(map[string]bool, len(params))
			for _, earlier := range params[:i] {
				seen[earlier.Name] = true
			}
		}
		if seen[p.Name] {
			return badExpression("parameter %q is there twice", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

func checkParameter(p Parameter) *Error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	if len(p.Value.Text) > MaxParameterBytes {
		return badExpression("parameter %s has %d bytes; at most %d are possible", p.Name, len(p.Value.Text), MaxParameterBytes)
	}
	switch p.Value.Type {
	case Number:
		// A whole number above 2^53 is fine: it is kept as it was written, and
		// counts as the nearest 64-bit float when it is computed with.
		if f, err := strconv.ParseFloat(p.Value.Text, 64); err != nil || math.IsInf(f, 0) || !isPlainNumber(p.Value.Text) {
			return badExpression("parameter %s is %q, which is not a number like -1.5e3 that fits into 64 bits", p.Name, clip(p.Value.Text))
		}
	case Boolean:
		if p.Value.Text != "true" && p.Value.Text != "false" {
			return badExpression("parameter %s is %q, which is neither true nor false", p.Name, clip(p.Value.Text))
		}
	case String:
		if !utf8.ValidString(p.Value.Text) {
			return badExpression("parameter %s is not valid UTF-8", p.Name)
		}
	default:
		return badExpression("parameter %s is not a number, a string or a boolean", p.Name)
	}
	return nil
}

// isPlainNumber reports whether a text is a number as JSON writes it. What Go
// reads besides (0x1p4, +1, .5, Inf) no other language has to understand.
func isPlainNumber(s string) bool {
	digits := func(s string) (rest string, ok bool) {
		rest = strings.TrimLeft(s, "0123456789")
		return rest, len(rest) < len(s)
	}
	s = strings.TrimPrefix(s, "-")
	rest, ok := digits(s)
	if !ok || s[0] == '0' && len(s)-len(rest) > 1 {
		return false
	}
	if fraction, point := strings.CutPrefix(rest, "."); point {
		if rest, ok = digits(fraction); !ok {
			return false
		}
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	rest = rest[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	rest, ok = digits(rest)
	return ok && rest == ""
}

// reserved can't be the name of a parameter: the language uses them.
func reserved(name string) bool { return name == "true" || name == "false" || name == "in" }

func checkName(name string) *Error {
	switch {
	case len(name) > MaxParameterName:
		return badExpression("a parameter's name has %d bytes; at most %d are possible", len(name), MaxParameterName)
	case reserved(name):
		return badExpression("%q can't be the name of a parameter", name)
	case name == "" || !isLetter(name[0]) || strings.TrimLeftFunc(name, func(r rune) bool { return r < utf8.RuneSelf && isNameByte(byte(r)) }) != "":
		return badExpression("%q can't be the name of a parameter: it takes letters, digits and _, and begins with a letter", clip(name))
	}
	return nil
}

func badExpression(format string, args ...any) *Error {
	return Refuse(CodeInvalidExpression, fmt.Sprintf(format, args...))
}

// clip shortens a text for an error.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
