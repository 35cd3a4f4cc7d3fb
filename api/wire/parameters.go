package wire

import (
	"slices"
	"strconv"

	"muster/task"
)

// ParameterList is the JSON object of an expression's parameters, sorted by
// name. Numbers keep the text that they were written with: 2^53+1 arrives.
type ParameterList []task.Parameter

// MarshalJSON writes the object, in the list's order.
func (l ParameterList) MarshalJSON() ([]byte, error) { return l.appendTo(nil), nil }

func (l ParameterList) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, l[i].Name), ':')
		if v := l[i].Value; isLiteral(v) {
			b = append(b, v.Text...)
		} else {
			b = appendString(b, v.Text)
		}
	}
	return append(b, '}')
}

// isLiteral reports whether the value stands in JSON without quotes. A number
// that JSON can't write (Inf) is quoted: better a string than no answer at all.
func isLiteral(v task.Value) bool {
	switch v.Type {
	case task.Number:
		return v.Text != "" && endOfNumber(v.Text, 0) == len(v.Text)
	case task.Boolean:
		return v.Text == "true" || v.Text == "false"
	case task.String, task.NoValue:
	}
	return false
}

// UnmarshalJSON reads an object of numbers, strings and booleans.
func (l *ParameterList) UnmarshalJSON(data []byte) (err error) {
	*l, err = newWalk(data, "parameters").parameters()
	return err
}

// maxListed bounds what is read of an object of parameters, so that a body does
// not mean many times its size. It is above any limit on their number.
const maxListed = 1024

// parameters reads one object of parameters.
func (w *walk) parameters() (ParameterList, error) {
	if !w.take('{') {
		return nil, w.must("an object")
	}
	list := ParameterList{}
	err := w.members(func(name []byte) error {
		if len(list) == maxListed {
			return refuse(w.name() + " has more than " + strconv.Itoa(maxListed) + " entries")
		}
		p := task.Parameter{Name: string(name)}
		err := w.colon()
		if err == nil {
			p.Value, err = w.parameter(p.Name)
		}
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, task.CompareParameters)
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, refuse(w.name() + "." + list[i].Name + " is given twice")
		}
	}
	return list, nil
}

// parameter reads the value of a parameter.
func (w *walk) parameter(name string) (v task.Value, err error) {
	switch b := w.peek(); {
	case b == '"':
		v.Type = task.String
		v.Text, err = w.string()
	case b == '-' || isDigit(b):
		var n []byte
		n, err = w.number()
		v = task.Value{Type: task.Number, Text: string(n)}
	case b == 't':
		v = task.Value{Type: task.Boolean, Text: "true"}
		err = w.literal(v.Text)
	case b == 'f':
		v = task.Value{Type: task.Boolean, Text: "false"}
		err = w.literal(v.Text)
	default:
		if err = w.other(); err == nil {
			err = refuse(w.name() + "." + name + " must be a number, a string or a boolean")
		}
	}
	return v, err
}
