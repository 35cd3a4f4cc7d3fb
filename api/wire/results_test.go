package wire

import (
	"strings"
	"testing"
)

// TestAMalformedResultIsRefusedAlone: what is wrong with one is no harm to the others, and
// its numbers are kept, if they could be read.
func TestAMalformedResultIsRefusedAlone(t *testing.T) {
	d := NewReportDecoder()
	const before, after = `{"slave":"a","incarnation":"i","results":[{"id":1,"attempt":1},`, `,{"id":3,"attempt":1,"result":"x"}],"free":1}`
	for bad, want := range map[string]string{
		`{"id":2,"attempt":7,"outcome":5}`:             "outcome must be a string",
		`{"outcome":{"a":[1]},"id":2,"attempt":7}`:     "outcome must be a string",
		`{"id":2,"attempt":7,"result":null}`:           "result must be a string",
		`{"id":2,"attempt":7,"retryable":"no"}`:        "retryable must be",
		`{"id":2,"attempt":7,"more":{"x":1}}`:          `unknown field "more"`,
		`{"id":2,"attempt":7,"error":"a","error":"b"}`: "error is given twice",
		"{\"id\":2,\"attempt\":7,\"error\":\"\xff\"}":  "the result is not valid UTF-8",
	} {
		v, err := d.Decode([]byte(before + bad + after))
		if err != nil || len(v.Results) != 3 || v.Free != 1 {
			t.Errorf("%s: %+v, %v", bad, v, err)
			continue
		}
		if r := v.Results[1]; r.Refusal == nil || !strings.HasPrefix(r.Refusal.Message, want) || r.Value.ID != 2 || r.Value.Attempt != 7 {
			t.Errorf("%s: got %+v", bad, r)
		}
		if first, last := v.Results[0], v.Results[2]; first.Refusal != nil || last.Refusal != nil || first.Value.ID != 1 || last.Value.ID != 3 || *last.Value.Result != "x" {
			t.Errorf("%s: got %+v and %+v", bad, first, last)
		}
	}
	for _, bad := range []string{`3`, `null`, `[]`, `"x"`, `{"id":"2","attempt":"7"}`, `{"id":-1,"attempt":4294967296}`, `{}`, `{"id":1,"id":2,"attempt":7,"attempt":7}`, `{"ID":2,"Attempt":7}`, `{"id":2,"Id":3,"attempt":7,"ATTEMPT":7}`} {
		v, err := d.Decode([]byte(before + bad + after))
		if err != nil || len(v.Results) != 3 || v.Results[1].Refusal == nil || v.Results[1].Value != (Result{}) || v.Results[2].Value.ID != 3 {
			t.Errorf("%s: got %+v, %v", bad, v, err)
		}
	}
	for _, bad := range []string{
		before + `{"id":2` + after, before + `{"id":2}`, before + `{"id":2,}` + after, before + `{}` + after + `x`, before + `{}],"more":1}`,
		before + `{}],"free":"1"}`, `{"slave":"a","incarnation":"i","results":{}}`, ``,
	} {
		if v, err := d.Decode([]byte(bad)); err == nil {
			t.Errorf("%s: got %+v", bad, v)
		}
	}
}
