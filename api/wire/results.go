package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"muster/task"
)

// ReportBody is a Report as a master reads it: what is wrong with one result is no harm
// to the others.
type ReportBody struct {
	Slave       string     `json:"slave"`
	Incarnation string     `json:"incarnation"`
	Free        int        `json:"free,omitempty"`
	Slots       int        `json:"slots,omitempty"`
	Counter     uint64     `json:"counter,omitempty"`
	Results     ResultList `json:"results"`
}

// ResultList is an array of Result in which each may be refused for itself.
type ResultList []ReadResult

// ReadResult is a result, or why it is none; then it has its numbers, if they could be
// read.
type ReadResult struct {
	Result  Result
	Refusal *task.Error
}

// NewReportDecoder prepares a Decoder of reports. What it refuses is beside the results,
// or makes their array unreadable.
func NewReportDecoder() Decoder[ReportBody] {
	d := NewDecoder[ReportBody]().Replacing()
	d.anyBytes = true
	return d
}

// UnmarshalJSON reads an array of whatever values.
func (l *ResultList) UnmarshalJSON(data []byte) error {
	d := NewDecoder[Result]().Replacing()
	d.what = "the result"
	list := ResultList{}
	refusal, err := eachElement(json.NewDecoder(bytes.NewReader(data)), func(element []byte) {
		r, refusal := d.Decode(element)
		if refusal != nil {
			r = numbersOf(element)
		}
		list = append(list, ReadResult{r, refusal})
	})
	if err != nil {
		return err
	}
	if refusal != "" {
		return fmt.Errorf("results%s", refusal)
	}
	*l = list
	return nil
}

// numbersOf returns a result with the numbers that a malformed one names beyond doubt:
// what is misspelt, or there twice, is 0. It ends an attempt, so nothing is guessed.
func numbersOf(element []byte) (r Result) {
	seen := map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(element))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return r
	}
	err := eachField(d, func(spelt string) error {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return endsEarly(err)
		}
		name := strings.ToLower(spelt)
		if _, twice := seen[name]; twice || spelt != name {
			value = json.RawMessage("null")
		}
		seen[name] = value
		return nil
	})
	if err != nil {
		return r
	}
	if json.Unmarshal(seen["id"], &r.ID) != nil {
		r.ID = 0
	}
	if json.Unmarshal(seen["attempt"], &r.Attempt) != nil {
		r.Attempt = 0
	}
	return r
}
