package link

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"muster/task"
)

// parameters travel as a JSON object of plain values, {"x":4,"name":"Ann",
// "on":true}. A number keeps its digits: it is never a float here. A value that
// JSON has no literal for (the number Inf) is {"type":"number","text":"Inf"}.
type parameters []task.Parameter

// taggedValue is the long form of a value.
type taggedValue struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// MarshalJSON writes the object, in order.
func (ps parameters) MarshalJSON() ([]byte, error) { return appendParameters(nil, ps), nil }

// isNumber reports whether the text is a JSON number and nothing more.
func isNumber(s string) bool {
	if plainDigits(s) {
		return true
	}
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && s[len(s)-1] >= '0' && s[len(s)-1] <= '9' &&
		json.Valid([]byte(s))
}

// plainDigits reports whether the text is a whole number without a sign.
func plainDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && (s[0] != '0' || len(s) == 1)
}

// UnmarshalJSON reads the object; the result is sorted by name.
func (ps *parameters) UnmarshalJSON(data []byte) error {
	*ps = parameters{}
	if string(data) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') {
		return errors.New("the parameters are not an object")
	}
	for dec.More() {
		if len(*ps) == task.MaxParameters {
			return fmt.Errorf("there are more than %d parameters", task.MaxParameters)
		}
		p, err := nextParameter(dec)
		if err != nil {
			return err
		}
		*ps = append(*ps, p)
	}
	slices.SortFunc(*ps, task.CompareParameters)
	for i := 1; i < len(*ps); i++ {
		if name := (*ps)[i].Name; name == (*ps)[i-1].Name {
			return fmt.Errorf("parameter %.100q is there twice", name)
		}
	}
	return nil
}

func nextParameter(dec *json.Decoder) (task.Parameter, error) {
	key, err := dec.Token()
	if err != nil {
		return task.Parameter{}, err
	}
	name, _ := key.(string) // a key is a string
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return task.Parameter{}, err
	}
	v, err := unmarshalValue(raw)
	if err != nil {
		return task.Parameter{}, fmt.Errorf("parameter %.100q: %w", name, err)
	}
	return task.Parameter{Name: name, Value: v}, nil
}

func unmarshalValue(raw json.RawMessage) (task.Value, error) {
	switch c := raw[0]; {
	case c == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return task.Value{Type: task.String, Text: s}, err
	case c == 't' || c == 'f':
		return task.Value{Type: task.Boolean, Text: string(raw)}, nil
	case c == '-' || c >= '0' && c <= '9':
		return task.Value{Type: task.Number, Text: string(raw)}, nil
	case c == '{':
		var t taggedValue
		if err := json.Unmarshal(raw, &t); err != nil {
			return task.Value{}, err
		}
		if t.Type == "" {
			return task.Value{Text: t.Text}, nil
		}
		vt, ok := task.ParseValueType(t.Type)
		if !ok {
			return task.Value{}, fmt.Errorf("unknown type %q", t.Type)
		}
		return task.Value{Type: vt, Text: t.Text}, nil
	default:
		return task.Value{}, fmt.Errorf("%.20s is not a number, a string or a boolean", raw)
	}
}
