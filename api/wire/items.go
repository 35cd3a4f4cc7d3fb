package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"muster/task"
)

// BatchBody is a Batch as a master reads it: what is wrong with one task is no harm
// to the others.
type BatchBody struct {
	Tasks ItemList `json:"tasks"`
}

// ItemList is an array of BatchItem in which each may be refused for itself.
type ItemList []ReadItem

// ReadItem is a task of a batch, or why it is none.
type ReadItem struct {
	Item    BatchItem
	Refusal *task.Error // nil for an Item
}

// NewBatchDecoder prepares a Decoder of batches. It refuses what makes the array
// unreadable, or is beside it. Each element is read as strictly as a task alone.
func NewBatchDecoder() Decoder[BatchBody] {
	d := NewDecoder[BatchBody]()
	d.replacing = true // half a character is looked for in each element
	return d
}

// NewItemDecoder prepares a Decoder of one task of a batch.
func NewItemDecoder() Decoder[BatchItem] {
	d := NewDecoder[BatchItem]()
	d.what = "the task"
	return d
}

// maxRefusal bounds what is said of one of the many tasks of a batch. A refusal may
// quote a name of any length.
const maxRefusal = 400

// UnmarshalJSON reads an array of whatever values.
func (l *ItemList) UnmarshalJSON(data []byte) error {
	d := NewItemDecoder()
	list := ItemList{}
	refusal, err := eachElement(json.NewDecoder(bytes.NewReader(data)), func(element []byte) {
		item, refusal := d.Decode(element)
		if refusal != nil && len(refusal.Message) > maxRefusal {
			refusal = refuse(strings.ToValidUTF8(refusal.Message[:maxRefusal], "") + "…")
		}
		list = append(list, ReadItem{item, refusal})
	})
	if err != nil {
		return err
	}
	if refusal != "" {
		return fmt.Errorf("tasks%s", refusal)
	}
	*l = list
	return nil
}

// eachElement reads one array, which it bounds, and passes each value of it to f. The
// bytes are f's until it returns. The refusal continues a sentence that begins with
// the array's name.
func eachElement(dec *json.Decoder, f func(element []byte)) (refusal string, err error) {
	tok, err := token(dec)
	if err != nil {
		return "", err
	}
	if tok != json.Delim('[') {
		return " must be an array", nil
	}
	var element json.RawMessage // one buffer for all
	for i := 0; dec.More(); i++ {
		if i == MaxElements {
			return tooMany(), nil
		}
		if err := dec.Decode(&element); err != nil {
			return "", endsEarly(err)
		}
		f(element)
	}
	_, err = token(dec)
	return "", err
}
