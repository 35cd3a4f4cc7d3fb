package link

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestTheSameFieldTwiceIsFound(t *testing.T) {
	fields := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"f%d":%d,`, i, i)
		}
		return "{" + b.String() + more + "}"
	}
	for text, want := range map[string]string{
		`{"a":1,"b":2}`:                       "",
		`{"a":1,"a":2}`:                       `"a" is given twice`,
		`{"a":1,"\u0061":2}`:                  `"a" is given twice`,
		`{"a":{"a":1},"b":[{"a":1},{"a":2}]}`: "",
		`{"a":{"b":1,"b":1}}`:                 `"b" is given twice`,
		`[{"a":"b","b":"a"}]`:                 "",
		`{"a":"\"a\":1","b":"{\"b\":"}`:       "",
		`{"a":[1,"b"],"b":["a"],"a":1}`:       `"a" is given twice`,
		`{"a":{},"b":{},"a":[]}`:              `"a" is given twice`,
		`"a"`:                                 "",
		`[]`:                                  "",
		`{"x":1,"X":2}`:                       "",
		fields(100, `"z":1`):                  "",
		fields(100, `"f7":1`):                 `"f7" is given twice`,
		fields(16, `"f0":1`):                  `"f0" is given twice`,
		fields(maxFields, `"z":1`):            "more than 1024 fields",
	} {
		got := ""
		if err := checkFields([]byte(text)); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%.60s: %q; want %q", text, got, want)
		}
	}
}

// FuzzCheckFields: whatever encoding/json takes can be looked through, and a name
// that is found twice is lost when it is written again.
func FuzzCheckFields(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":"d"}]},"a":"\\\""}`))
	f.Add([]byte(` [ { "x" : "y" , "x" : 1 } ] `))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v any
		if json.Unmarshal(text, &v) != nil || bytes.ContainsAny(text, "\xff\xfe") {
			return
		}
		err := checkFields(text)
		again, _ := json.Marshal(v) // it was read
		if checkFields(again) != nil && err == nil {
			t.Errorf("%s has nothing twice, and %s has", text, again)
		}
	})
}
