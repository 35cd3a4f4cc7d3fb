package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"muster/task"
)

// BatchBody is a Batch as a master reads it: what is wrong with one task is no harm
// to the others.
type BatchBody struct {
	Tasks ItemList `json:"tasks"`
}

// ItemList is an array of BatchItem in which each may be refused for itself.
type ItemList []Element[BatchItem]

// Element is one of an array, or why it is none.
type Element[T any] struct {
	Value   T
	Refusal *task.Error // nil for a Value
}

// NewBatchDecoder prepares a Decoder of batches. It refuses what makes the array
// unreadable, or is beside it. Each element is read as strictly as a task alone.
func NewBatchDecoder() Decoder[BatchBody] {
	d := NewDecoder[BatchBody]()
	d.replacing = true // half a character is looked for in each element
	return d
}

// NewItemDecoder prepares a Decoder of one task of a batch.
func NewItemDecoder() Decoder[BatchItem] { return itemDecoder(shapeOf(reflect.TypeFor[BatchItem]())) }

func itemDecoder(of *shape) Decoder[BatchItem] {
	return Decoder[BatchItem]{shape: of, what: "the task"}
}

// maxRefusal bounds what is said of one of the many tasks of a batch. A refusal may
// quote a name of any length.
const maxRefusal = 400

func (w *walk) items(of *shape) (ItemList, error) {
	list, err := elements(w, itemDecoder(of), func([]byte) (none BatchItem) { return none })
	for i := range list {
		if refusal := list[i].Refusal; refusal != nil && len(refusal.Message) > maxRefusal {
			list[i].Refusal = refuse(strings.ToValidUTF8(refusal.Message[:maxRefusal], "") + "…")
		}
	}
	return list, err
}

// elements reads an array, which it bounds, of what d reads. Each element that d
// refuses is passed to broken, for what may be known of it.
func elements[T any](w *walk, d Decoder[T], broken func(element []byte) T) ([]Element[T], error) {
	if !w.take('[') {
		return nil, w.must("an array")
	}
	list, begin := []Element[T]{}, w.at
	err := w.elements(func(i int) error {
		switch i {
		case MaxElements:
			return w.tooMany()
		case 1: // the others are probably like the first
			list = slices.Grow(list, min(MaxElements, len(w.body)/(w.at-begin)))
		}
		list = append(list, Element[T]{})
		return element(w, d, &list[i], broken)
	})
	return list, err
}

// element reads one element. An error is one of the whole array.
func element[T any](w *walk, d Decoder[T], into *Element[T], broken func(element []byte) T) error {
	w.peek()
	begin, path := w.at, w.path
	err := w.value(d.shape, reflect.ValueOf(&into.Value).Elem())
	w.path = path
	if err == nil && d.characters(w.body[begin:w.at]) == nil {
		return nil
	}
	// So d refuses it, unless it is no JSON. It is read again from its beginning to its end.
	dec := json.NewDecoder(bytes.NewReader(w.body[begin:]))
	var text json.RawMessage
	if err := dec.Decode(&text); err != nil {
		return endsEarly(err)
	}
	w.at = begin + int(dec.InputOffset())
	if into.Value, into.Refusal = d.Decode(text); into.Refusal != nil {
		into.Value = broken(text)
	}
	return nil
}
