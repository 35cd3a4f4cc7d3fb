package wire

import "muster/task"

// LabelList is the JSON object of labels, sorted by name.
type LabelList []task.Label

// MarshalJSON writes the object, in the list's order.
func (l LabelList) MarshalJSON() ([]byte, error) { return l.appendTo(nil), nil }

func (l LabelList) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(appendString(b, l[i].Name), ':'), l[i].Value)
	}
	return append(b, '}')
}

// UnmarshalJSON reads an object of strings.
func (l *LabelList) UnmarshalJSON(data []byte) (err error) {
	*l, err = newWalk(data, "labels").labels()
	return err
}

// labels reads one object of labels: parameters that are all strings.
func (w *walk) labels() (LabelList, error) {
	parameters, err := w.parameters()
	if err != nil {
		return nil, err
	}
	list := make(LabelList, len(parameters))
	for i, p := range parameters {
		if p.Value.Type != task.String {
			return nil, refuse(w.name() + "." + p.Name + " must be a string")
		}
		list[i] = task.Label{Name: p.Name, Value: p.Value.Text}
	}
	return list, nil
}

// labels is the domain's form, where no labels are nil.
func labels(l LabelList) []task.Label {
	if len(l) == 0 {
		return nil
	}
	return l
}
