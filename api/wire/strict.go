package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
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
	var v, none T
	if refusal := d.characters(body); refusal != nil {
		return none, refusal
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return none, refuse(d.what + " is empty; it must be a JSON object")
	}
	w := newWalk(body, d.what)
	if err := w.value(d.shape, reflect.ValueOf(&v).Elem()); err != nil {
		return none, w.refusal(err)
	}
	if w.peek(); w.at < len(body) {
		return none, refuse("something follows the JSON value in " + d.what)
	}
	return v, nil
}

// characters refuses what is no text.
func (d Decoder[T]) characters(text []byte) *task.Error {
	if !d.anyBytes && !utf8.Valid(text) {
		return refuse(d.what + " is not valid UTF-8")
	}
	if d.replacing {
		return nil
	}
	if at := LoneSurrogate(text); at >= 0 {
		return refuse(fmt.Sprintf("%s has %s at byte %d, which is half of a character; write the character itself, or both halves of it", d.what, text[at:at+6], at))
	}
	return nil
}

func refuse(message string) *task.Error { return task.Refuse(task.CodeInvalidRequest, message) }

// walk reads a body in the shape that it must have. Its depth is that of the shape,
// whatever the body is.
type walk struct {
	cursor

	what string
	path []step  // to the value that is being read
	few  [4]step // the path's beginning
}

func newWalk(text []byte, what string) *walk {
	w := &walk{cursor: cursor{body: text}, what: what}
	w.path = w.few[:0]
	return w
}

// step is a member of an object or an element of an array.
type step struct {
	name    string
	element bool
	index   int
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

// value reads what comes next. An error that is not a *task.Error is JSON's.
func (w *walk) value(s *shape, into reflect.Value) error {
	switch s.kind {
	case reflect.Map:
		return w.own(s, into)
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return w.value(s.elem, into.Elem())
	case reflect.Struct:
		if !w.take('{') {
			return w.must("an object")
		}
		return w.object(s, into)
	case reflect.Slice:
		if !w.take('[') {
			return w.must("an array")
		}
		return w.array(s, into)
	case reflect.String:
		return w.text(s, into)
	case reflect.Bool:
		return w.truth(into)
	default:
		return w.integer(s, into)
	}
}

// own reads what has its own rules.
func (w *walk) own(s *shape, into reflect.Value) (err error) {
	switch list := into.Addr().Interface().(type) {
	case *ParameterList:
		*list, err = w.parameters()
	case *LabelList:
		*list, err = w.labels()
	case *ItemList:
		*list, err = w.items(s.elem)
	case *ResultList:
		*list, err = w.results(s.elem)
	}
	return err
}

// must refuses what comes next, which is no such thing as it has to be.
func (w *walk) must(be string) error {
	if err := w.other(); err != nil {
		return err
	}
	return refuse(w.name() + " must be " + be)
}

func (w *walk) object(s *shape, into reflect.Value) error {
	var seen uint64
	next := 0 // fields mostly come in order
	err := w.members(func(name []byte) error {
		i := s.find(name, next)
		if i < 0 {
			return w.unknown(s, string(name))
		}
		w.path = append(w.path, step{name: s.fields[i].name})
		if seen&(1<<i) != 0 {
			return refuse(w.where() + " is given twice")
		}
		seen |= 1 << i
		next = i + 1
		if err := w.colon(); err != nil {
			return err
		}
		if err := w.value(s.fields[i].shape, into.Field(i)); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
		return nil
	})
	if err != nil {
		return err
	}
	if missing := s.required &^ seen; missing != 0 {
		w.path = append(w.path, step{name: s.fields[bits.TrailingZeros64(missing)].name})
		return refuse(w.where() + " is missing")
	}
	return nil
}

// MaxElements bounds an array. It is found out before anything is made of one more.
const MaxElements = 10_000

func (w *walk) array(s *shape, into reflect.Value) error {
	into.Set(reflect.MakeSlice(into.Type(), 0, 0)) // [] is not nil
	return w.elements(func(i int) error {
		if i == MaxElements {
			return w.tooMany()
		}
		into.Grow(1)
		into.SetLen(i + 1)
		w.path = append(w.path, step{element: true, index: i})
		if err := w.value(s.elem, into.Index(i)); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
		return nil
	})
}

func (w *walk) tooMany() error {
	return refuse(w.name() + " has more than " + strconv.Itoa(MaxElements) + " elements")
}

func (w *walk) text(s *shape, into reflect.Value) error {
	if w.peek() != '"' {
		return w.must("a string")
	}
	text, err := w.word(s.words)
	if err != nil {
		return err
	}
	if s.least && text == "" {
		return refuse(w.where() + " is empty; leave it out to say nothing")
	}
	into.SetString(text)
	return nil
}

func (w *walk) truth(into reflect.Value) error {
	switch w.peek() {
	case 't':
		into.SetBool(true)
		return w.literal("true")
	case 'f':
		into.SetBool(false)
		return w.literal("false")
	default:
		return w.must("true or false")
	}
}

func (w *walk) integer(s *shape, into reflect.Value) error {
	if b := w.peek(); b != '-' && !isDigit(b) {
		return w.must("a whole number")
	}
	n, err := w.number()
	if err != nil {
		return err
	}
	switch s.kind {
	case reflect.Uint32, reflect.Uint64:
		var u uint64
		u, err = strconv.ParseUint(string(n), 10, into.Type().Bits())
		into.SetUint(u)
	default:
		var i int64
		i, err = strconv.ParseInt(string(n), 10, into.Type().Bits())
		into.SetInt(i)
	}
	if err != nil {
		return refuse(fmt.Sprintf("%s must be a whole number in range, not %.40s", w.name(), n))
	}
	if s.least && strings.Trim(string(n), "-0") == "" {
		return refuse(w.where() + " is 0; it is at least 1, and leaving it out means the default")
	}
	return nil
}

func (w *walk) unknown(s *shape, name string) error {
	w.path = append(w.path, step{name: name})
	at := w.where()
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

// where names the value that is being read, as in results[1].id.
func (w *walk) where() string {
	var b strings.Builder
	for i, s := range w.path {
		switch {
		case s.element:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case i == 0:
			b.WriteString(s.name)
		default:
			b.WriteString("." + s.name)
		}
	}
	return b.String()
}

// name is what refusals call the value that is being read.
func (w *walk) name() string {
	if len(w.path) == 0 {
		return w.what
	}
	return w.where()
}
