package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/task"
)

// Decoder reads a T from JSON, strictly: a field that is unknown, misspelt (also
// in its case), given twice, null, of the wrong type or missing is refused, and
// so is anything after the value. Refusals name the field.
//
// Where a model's tag says least:"1", 0 and "" are refused: they would be taken for
// a field that was left out.
//
// T is made of structs with JSON tags, slices, strings, booleans, integers and
// ParameterList, LabelList, ItemList and ResultList. Make a Decoder once; it is safe for
// concurrent use.
type Decoder[T any] struct {
	shape     *shape
	replacing bool
	anyBytes  bool   // that something is UTF-8 is checked in each element
	what      string // is read: the subject of refusals
}

// NewDecoder prepares a Decoder. It panics if T has a field of a type that it
// does not know, which the first test finds.
func NewDecoder[T any]() Decoder[T] {
	return Decoder[T]{shape: shapeOf(reflect.TypeFor[T]()), what: "the body"}
}

// Replacing returns a Decoder that puts U+FFFD in the place of half a character. It
// is for what would come again and again if it were refused: a slave's results.
func (d Decoder[T]) Replacing() Decoder[T] {
	d.replacing = true
	return d
}

// Decode reads the whole body as one T.
func (d Decoder[T]) Decode(body []byte) (T, *task.Error) {
	var v T
	if !utf8.Valid(body) && !d.anyBytes {
		return v, refuse(d.what + " is not valid UTF-8")
	}
	if at := LoneSurrogate(body); at >= 0 && !d.replacing {
		return v, refuse(fmt.Sprintf("%s has %s at byte %d, which is half of a character; write the character itself, or both halves of it", d.what, body[at:at+6], at))
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return v, refuse(d.what + " is empty; it must be a JSON object")
	}
	w := walk{dec: json.NewDecoder(bytes.NewReader(body)), what: d.what}
	w.dec.UseNumber()
	if err := w.value(d.shape, ""); err != nil {
		return v, w.refusal(err)
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return v, refuse("something follows the JSON value in " + d.what)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, refuse(d.what + " is not valid JSON: " + err.Error())
	}
	return v, nil
}

func refuse(message string) *task.Error { return task.Refuse(task.CodeInvalidRequest, message) }

// shape is what JSON may stand at one place.
type shape struct {
	kind   reflect.Kind // Struct, Slice, String, Bool, an integer's, or Map for what has a read of its own
	read   func(*json.Decoder) (refusal string, err error)
	least  bool    // what 0 or "" would mean is said by leaving it out
	elem   *shape  // of a Slice
	fields []field // of a Struct; few, so a scan beats a map
}

type field struct {
	name     string
	required bool
	shape    *shape
}

func shapeOf(t reflect.Type) *shape {
	switch t {
	case reflect.TypeFor[ParameterList]():
		return &shape{kind: reflect.Map, read: func(dec *json.Decoder) (string, error) {
			_, refusal, err := readParameters(dec)
			return refusal, err
		}}
	case reflect.TypeFor[LabelList]():
		return &shape{kind: reflect.Map, read: func(dec *json.Decoder) (string, error) {
			_, refusal, err := readLabels(dec)
			return refusal, err
		}}
	case reflect.TypeFor[ItemList](), reflect.TypeFor[ResultList]():
		return &shape{kind: reflect.Map, read: func(dec *json.Decoder) (string, error) {
			return eachElement(dec, func([]byte) {})
		}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.Slice:
		return &shape{kind: reflect.Slice, elem: shapeOf(t.Elem())}
	case reflect.Struct:
		s := &shape{kind: reflect.Struct}
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			inner := shapeOf(f.Type)
			inner.least = f.Tag.Get("least") != ""
			s.fields = append(s.fields, field{name, !strings.Contains(options, "omitempty"), inner})
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

// walk compares tokens with a shape. Its depth is that of the shape, whatever
// the input is.
type walk struct {
	dec  *json.Decoder
	what string
}

// refusal makes one of what a walk ended with.
func (w *walk) refusal(err error) *task.Error {
	if e, ok := errors.AsType[*task.Error](err); ok {
		return e
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(w.what + " is not valid JSON: it ends too early")
	}
	return refuse(w.what + " is not valid JSON: " + err.Error())
}

// value reads the value at path. An error that is not a *task.Error is JSON's.
func (w *walk) value(s *shape, path string) error {
	if s.kind == reflect.Map {
		wrong, err := s.read(w.dec)
		if err == nil && wrong != "" {
			return refuse(path + wrong)
		}
		return err
	}
	tok, err := token(w.dec)
	if err != nil {
		return err
	}
	switch s.kind {
	case reflect.Struct:
		if tok != json.Delim('{') {
			return refuse(w.name(path) + " must be an object")
		}
		return w.object(s, path)
	case reflect.Slice:
		if tok != json.Delim('[') {
			return refuse(w.name(path) + " must be an array")
		}
		return w.array(s, path)
	case reflect.String:
		text, ok := tok.(string)
		if !ok {
			return refuse(w.name(path) + " must be a string")
		}
		if s.least && text == "" {
			return refuse(path + " is empty; leave it out to say nothing")
		}
	case reflect.Bool:
		if _, ok := tok.(bool); !ok {
			return refuse(w.name(path) + " must be true or false")
		}
	default:
		return w.integer(s, tok, path)
	}
	return nil
}

func (w *walk) object(s *shape, path string) error {
	var seen uint64
	err := eachField(w.dec, func(name string) error {
		i := s.find(name)
		if i < 0 {
			return s.unknown(name, path)
		}
		at := join(path, name)
		if seen&(1<<i) != 0 {
			return refuse(at + " is given twice")
		}
		seen |= 1 << i
		return w.value(s.fields[i].shape, at)
	})
	if err != nil {
		return err
	}
	for i, f := range s.fields {
		if f.required && seen&(1<<i) == 0 {
			return refuse(join(path, f.name) + " is missing")
		}
	}
	return nil
}

// eachField reads the rest of an object whose beginning was read. It calls f with each
// name, which reads the value, and ends with f's first error.
func eachField(dec *json.Decoder, f func(name string) error) error {
	for dec.More() {
		tok, err := token(dec)
		if err != nil {
			return err
		}
		name, _ := tok.(string) // a key is a string, or token has failed
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := token(dec)
	return err
}

// MaxElements bounds an array. It is found out before anything is made of one.
const MaxElements = 10_000

// tooMany continues a sentence that begins with the array's name.
func tooMany() string { return " has more than " + strconv.Itoa(MaxElements) + " elements" }

func (w *walk) array(s *shape, path string) error {
	for i := 0; w.dec.More(); i++ {
		if i == MaxElements {
			return refuse(w.name(path) + tooMany())
		}
		if err := w.value(s.elem, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	_, err := token(w.dec)
	return err
}

func (w *walk) integer(s *shape, tok json.Token, path string) error {
	n, ok := tok.(json.Number)
	if !ok {
		return refuse(w.name(path) + " must be a whole number")
	}
	var err error
	switch s.kind {
	case reflect.Uint32:
		_, err = strconv.ParseUint(n.String(), 10, 32)
	case reflect.Uint64:
		_, err = strconv.ParseUint(n.String(), 10, 64)
	case reflect.Int64:
		_, err = strconv.ParseInt(n.String(), 10, 64)
	default:
		_, err = strconv.ParseInt(n.String(), 10, strconv.IntSize)
	}
	if err != nil {
		return refuse(fmt.Sprintf("%s must be a whole number in range, not %.40s", w.name(path), n))
	}
	if s.least && strings.Trim(n.String(), "-0") == "" {
		return refuse(path + " is 0; it is at least 1, and leaving it out means the default")
	}
	return nil
}

func (s *shape) find(name string) int {
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

func (s *shape) unknown(name, path string) error {
	at := join(path, name)
	if len(at) > 100 {
		at = strings.ToValidUTF8(at[:100], "") + "…"
	}
	for _, f := range s.fields {
		if strings.EqualFold(f.name, name) {
			return refuse("unknown field " + strconv.Quote(at) + "; did you mean " + strconv.Quote(f.name) + "?")
		}
	}
	return refuse("unknown field " + strconv.Quote(at))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// name is what refusals call the value at path.
func (w *walk) name(path string) string {
	if path == "" {
		return w.what
	}
	return path
}
