package link

import (
	"encoding/json"
	"fmt"
	"slices"
)

// maxFields is more than any object of a leader's has, of whatever version.
const maxFields = 1024

// checkFields refuses JSON that has a field twice in one object: which of the two
// counts would be chance. The text is valid JSON, and no deeper than encoding/json
// reads.
func checkFields(text []byte) error {
	var open []*object // what the place that is looked at lies in; nil: an array
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '{':
			open = append(open, &object{next: true})
		case '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			if o := open[len(open)-1]; o != nil {
				o.next = true
			}
		case '"':
			end := endOfString(text, at)
			if len(open) > 0 && open[len(open)-1] != nil {
				if err := open[len(open)-1].field(text[at:end]); err != nil {
					return err
				}
			}
			at = end - 1
		}
	}
	return nil
}

// endOfString returns where the string that begins at a place is over.
func endOfString(text []byte, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// object is what was seen of an object.
type object struct {
	next  bool // a name comes next
	names []string
	many  map[string]bool // instead of names, beyond a few
}

// field takes in a string, which is a name or a value.
func (o *object) field(quoted []byte) error {
	const few = 16
	if !o.next {
		return nil
	}
	o.next = false
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return fmt.Errorf("read a field's name: %w", err)
	}
	switch {
	case o.many[name] || slices.Contains(o.names, name):
		return fmt.Errorf("%.100q is given twice", name)
	case len(o.names)+len(o.many) == maxFields:
		return fmt.Errorf("an object has more than %d fields", maxFields)
	case len(o.names) < few && o.many == nil:
		o.names = append(o.names, name)
		return nil
	case o.many == nil:
		o.many = make(map[string]bool, 2*few)
		for _, one := range o.names {
			o.many[one] = true
		}
		o.names = nil
	}
	o.many[name] = true
	return nil
}
