package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"muster/task"
)

// ParameterList is the JSON object of an expression's parameters, sorted by
// name. Numbers keep the text that they were written with: 2^53+1 arrives.
type ParameterList []task.Parameter

// MarshalJSON writes the object, in the list's order.
func (l ParameterList) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	quote := func(s string) error {
		if err := enc.Encode(s); err != nil {
			return fmt.Errorf("encode %q: %w", s, err)
		}
		b.Truncate(b.Len() - 1) // the encoder ends with a line feed
		return nil
	}
	b.WriteByte('{')
	for i, p := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := quote(p.Name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if isLiteral(p.Value) {
			b.WriteString(p.Value.Text)
			continue
		}
		if err := quote(p.Value.Text); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// isLiteral reports whether the value stands in JSON without quotes. A number
// that JSON can't write (Inf) is quoted: better a string than no answer at all.
func isLiteral(v task.Value) bool {
	switch v.Type {
	case task.Number:
		var n json.Number
		return v.Text != "" && v.Text[0] != '"' && json.Unmarshal([]byte(v.Text), &n) == nil && n.String() == v.Text
	case task.Boolean:
		return v.Text == "true" || v.Text == "false"
	case task.String, task.NoValue:
	}
	return false
}

// UnmarshalJSON reads an object of numbers, strings and booleans.
func (l *ParameterList) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	list, refusal, err := readParameters(dec)
	if err != nil {
		return err
	}
	if refusal != "" {
		return errors.New("parameters" + refusal)
	}
	*l = list
	return nil
}

// maxListed bounds what is read of an object of parameters, so that a body does
// not mean many times its size. It is above any limit on their number.
const maxListed = 1024

// errRefused ends the reading of an object: the refusal says why.
var errRefused = errors.New("refused")

// readParameters reads one object of parameters. The refusal continues a
// sentence that begins with the object's name.
func readParameters(dec *json.Decoder) (list ParameterList, refusal string, err error) {
	tok, err := token(dec)
	if err != nil {
		return nil, "", err
	}
	if tok != json.Delim('{') {
		return nil, " must be an object", nil
	}
	list = ParameterList{}
	err = eachField(dec, func(name string) error {
		if len(list) == maxListed {
			refusal = fmt.Sprintf(" has more than %d entries", maxListed)
			return errRefused
		}
		tok, wrong := token(dec)
		if wrong != nil {
			return wrong
		}
		v, ok := value(tok)
		if !ok {
			refusal = "." + name + " must be a number, a string or a boolean"
			return errRefused
		}
		list = append(list, task.Parameter{Name: name, Value: v})
		return nil
	})
	switch {
	case refusal != "":
		return nil, refusal, nil
	case err != nil:
		return nil, "", err
	}
	slices.SortFunc(list, task.CompareParameters)
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, "." + list[i].Name + " is given twice", nil
		}
	}
	return list, "", nil
}

func value(tok json.Token) (task.Value, bool) {
	switch v := tok.(type) {
	case json.Number:
		return task.Value{Type: task.Number, Text: v.String()}, true
	case string:
		return task.Value{Type: task.String, Text: v}, true
	case bool:
		if v {
			return task.Value{Type: task.Boolean, Text: "true"}, true
		}
		return task.Value{Type: task.Boolean, Text: "false"}, true
	}
	return task.Value{}, false
}

// token is the decoder's next token, where the end of the input is an error.
func token(dec *json.Decoder) (json.Token, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, endsEarly(err)
	}
	return tok, nil
}

// endsEarly is the error of reading JSON of which more was to come.
func endsEarly(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read JSON: %w", err)
}
