package wire

import (
	"bytes"
	"encoding/json"
	"strings"
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

// ResultList is an array of Result in which each may be refused for itself. What is
// refused has its numbers, if they could be read.
type ResultList []Element[Result]

// NewReportDecoder prepares a Decoder of reports. What it refuses is beside the results,
// or makes their array unreadable.
func NewReportDecoder() Decoder[ReportBody] {
	d := NewDecoder[ReportBody]().Replacing()
	d.anyBytes = true
	return d
}

func (w *walk) results(of *shape) (ResultList, error) {
	return elements(w, Decoder[Result]{shape: of, what: "the result", replacing: true}, numbersOf)
}

// numbersOf returns a result with the numbers that a malformed one names beyond doubt:
// what is misspelt, or there twice, is 0. It ends an attempt, so nothing is guessed.
func numbersOf(element []byte) (r Result) {
	seen := map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(element))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return r
	}
	for d.More() {
		t, err := d.Token()
		spelt, _ := t.(string) // a name is one
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return r
		}
		name := strings.ToLower(spelt)
		if _, twice := seen[name]; twice || spelt != name {
			value = json.RawMessage("null")
		}
		seen[name] = value
	}
	if json.Unmarshal(seen["id"], &r.ID) != nil {
		r.ID = 0
	}
	if json.Unmarshal(seen["attempt"], &r.Attempt) != nil {
		r.Attempt = 0
	}
	return r
}
