package wire

import (
	"bytes"
	"encoding/json"
	"fmt"

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
			r = Result{}
			var numbers struct {
				ID      uint64 `json:"id"`
				Attempt uint32 `json:"attempt"`
			}
			_ = json.Unmarshal(element, &numbers) // skips what does not fit
			r.ID, r.Attempt = numbers.ID, numbers.Attempt
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
