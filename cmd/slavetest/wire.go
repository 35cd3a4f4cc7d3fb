package slavetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The shapes of the protocol, from its document. What must be there is a pointer.

type word struct {
	Available   *bool   `json:"available"`
	Answer      string  `json:"answer"`
	Free        *int    `json:"free"`
	Slots       *int    `json:"slots"`
	Incarnation string  `json:"incarnation"`
	Counter     *uint64 `json:"counter"`
}

type receipt struct {
	ID      uint64 `json:"id"`
	Attempt uint32 `json:"attempt"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`

	Outcome    string `json:"outcome"`
	Result     string `json:"result"`
	ResultType string `json:"result_type"`
	Error      string `json:"error"`
	Retryable  bool   `json:"retryable"`
}

// answer is any answer of a slave.
type answer struct {
	word

	Tasks []receipt `json:"tasks"`

	Error   string `json:"error"`
	Code    string `json:"code"`
	Cluster string `json:"cluster"`

	status int
}

func (a answer) String() string {
	if a.status == 200 {
		return fmt.Sprintf("200 with tasks %s", receipts(a.Tasks))
	}
	return fmt.Sprintf("%d %s", a.status, a.Code)
}

type receipts []receipt

// String lists what each attempt came to.
func (rs receipts) String() string {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, r := range rs {
		if i == 5 {
			fmt.Fprintf(&b, " … %d in all", len(rs))
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.Status)
		if r.Reason != "" {
			b.WriteString(":" + r.Reason)
		}
	}
	b.WriteByte(']')
	return b.String()
}

type order struct {
	ID         uint64         `json:"id"`
	Attempt    uint32         `json:"attempt"`
	Kind       string         `json:"kind"`
	Expression string         `json:"expression"`
	Parameters map[string]any `json:"parameters"`
	TimeoutMS  int64          `json:"timeout_ms"`
}

type kind struct {
	Name       string `json:"name"`
	Idempotent *bool  `json:"idempotent"`
}

type registration struct {
	Name        string `json:"name"`
	URL         string `json:"url"`
	Slots       int    `json:"slots"`
	Incarnation string `json:"incarnation"`
	Kinds       []kind `json:"kinds"`

	Labels  map[string]string `json:"labels"`
	Version string            `json:"version"`
}

type result struct {
	ID         uint64 `json:"id"`
	Attempt    uint32 `json:"attempt"`
	Outcome    string `json:"outcome"`
	Result     string `json:"result"`
	ResultType string `json:"result_type"`
	Error      string `json:"error"`
	Retryable  bool   `json:"retryable"`
}

// outcome is that of the result, with the master's default.
func (r result) outcome() string {
	switch {
	case r.Outcome != "":
		return r.Outcome
	case r.Error != "":
		return "failed"
	default:
		return "succeeded"
	}
}

type report struct {
	Slave       string   `json:"slave"`
	Incarnation string   `json:"incarnation"`
	Free        *int     `json:"free"`
	Slots       *int     `json:"slots"`
	Counter     *uint64  `json:"counter"`
	Results     []result `json:"results"`
}

type verdict struct {
	ID       uint64 `json:"id"`
	Attempt  uint32 `json:"attempt"`
	Accepted bool   `json:"accepted,omitempty"`
	Error    string `json:"error,omitempty"`
	Code     string `json:"code,omitempty"`
}

// unmarshal reads one JSON value; numbers keep their digits.
func unmarshal(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return decode(dec, into)
}

// strictly is unmarshal as the masters read: unknown fields are refused.
func strictly(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return decode(dec, into)
}

func decode(dec *json.Decoder, into any) error {
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}
