package wire

import (
	"bytes"
	"encoding/json"
	"errors"

	"muster/task"
)

// LabelList is the JSON object of labels, sorted by name.
type LabelList []task.Label

// MarshalJSON writes the object, in the list's order.
func (l LabelList) MarshalJSON() ([]byte, error) {
	parameters := make(ParameterList, len(l))
	for i, label := range l {
		parameters[i] = task.Parameter{Name: label.Name, Value: task.Value{Type: task.String, Text: label.Value}}
	}
	return parameters.MarshalJSON()
}

// UnmarshalJSON reads an object of strings.
func (l *LabelList) UnmarshalJSON(data []byte) error {
	list, refusal, err := readLabels(json.NewDecoder(bytes.NewReader(data)))
	if err != nil {
		return err
	}
	if refusal != "" {
		return errors.New("labels" + refusal)
	}
	*l = list
	return nil
}

// readLabels reads one object of labels: parameters that are all strings. The
// refusal continues a sentence that begins with the object's name.
func readLabels(dec *json.Decoder) (LabelList, string, error) {
	dec.UseNumber()
	parameters, refusal, err := readParameters(dec)
	if err != nil || refusal != "" {
		return nil, refusal, err
	}
	list := make(LabelList, len(parameters))
	for i, p := range parameters {
		if p.Value.Type != task.String {
			return nil, "." + p.Name + " must be a string", nil
		}
		list[i] = task.Label{Name: p.Name, Value: p.Value.Text}
	}
	return list, "", nil
}

// labels is the domain's form, where no labels are nil.
func labels(l LabelList) []task.Label {
	if len(l) == 0 {
		return nil
	}
	return l
}
