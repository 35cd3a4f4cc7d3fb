package wire

import (
	"reflect"
	"strings"
)

// shape is what JSON may stand at one place.
type shape struct {
	kind     reflect.Kind // Struct, Slice, String, Bool, an integer's, Pointer, or Map for a type that is read by a method of its own
	least    bool         // what 0 or "" would mean is said by leaving it out
	words    []string     // that a String probably is; others are possible, too
	elem     *shape       // of a Slice, a Pointer, or a list of which each element may be refused for itself
	fields   []field      // of a Struct, as those of the Go type; few, so a scan beats a map
	required uint64       // a bit for each field
}

type field struct {
	name  string
	shape *shape
}

func shapeOf(t reflect.Type) *shape {
	switch t {
	case reflect.TypeFor[ParameterList](), reflect.TypeFor[LabelList]():
		return &shape{kind: reflect.Map}
	case reflect.TypeFor[ItemList]():
		return &shape{kind: reflect.Map, elem: shapeOf(reflect.TypeFor[BatchItem]())}
	case reflect.TypeFor[ResultList]():
		return &shape{kind: reflect.Map, elem: shapeOf(reflect.TypeFor[Result]())}
	case reflect.TypeFor[Outcome]():
		return &shape{kind: reflect.String, words: []string{string(OutcomeSucceeded), string(OutcomeFailed), string(OutcomeCancelled)}}
	case reflect.TypeFor[ValueType]():
		return &shape{kind: reflect.String, words: []string{string(ValueTypeNumber), string(ValueTypeString), string(ValueTypeBoolean)}}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return &shape{kind: t.Kind(), elem: shapeOf(t.Elem())}
	case reflect.Struct:
		s := &shape{kind: reflect.Struct}
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.Contains(options, "omitempty") {
				s.required |= 1 << len(s.fields)
			}
			inner := shapeOf(f.Type)
			inner.least = f.Tag.Get("least") != ""
			s.fields = append(s.fields, field{name, inner})
		}
		if len(s.fields) > 64 {
			panic("wire: " + t.String() + " has more than 64 fields")
		}
		return s
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return &shape{kind: t.Kind()}
	default:
		panic("wire: no strict decoding of " + t.String())
	}
}

// find returns the field of a name, or -1. It looks at one of them first.
func (s *shape) find(name []byte, first int) int {
	for i := first; i < len(s.fields); i++ {
		if s.fields[i].name == string(name) {
			return i
		}
	}
	for i := range min(first, len(s.fields)) {
		if s.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}
