package task

import "strings"

// ValueType tags the text of a Value.
type ValueType uint8

// The value types. NoValue is the type of the zero Value.
const (
	NoValue ValueType = iota
	Number
	String
	Boolean
)

var valueTypeNames = [...]string{"", "number", "string", "boolean"}

// String returns the wire name: number, string or boolean.
func (t ValueType) String() string { return name(valueTypeNames[:], int(t)) }

// ParseValueType is the inverse of ValueType.String.
func ParseValueType(s string) (ValueType, bool) {
	i, ok := parse(valueTypeNames[:], s)
	return ValueType(i), ok
}

// Value is a result or a parameter. It travels as text, never as a float, so
// that Inf, NaN and integers above 2^53 arrive as they were written.
type Value struct {
	Type ValueType
	Text string
}

// Parameter is a named value that an expression may use.
type Parameter struct {
	Name  string
	Value Value
}

// CompareParameters orders parameters by name.
func CompareParameters(a, b Parameter) int { return strings.Compare(a.Name, b.Name) }
