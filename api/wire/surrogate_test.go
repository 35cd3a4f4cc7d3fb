package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"muster/task"
)

func TestHalfACharacterIsRefused(t *testing.T) {
	for _, text := range []string{
		`"\ud800"`, `"\udc00"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"a\\\ud800"`, `"\uD83D"`, `"\ud83d\u0041"`, `"\ud83d\ude00\ud83d"`,
	} {
		if LoneSurrogate([]byte(text)) < 0 {
			t.Errorf("%s is let pass", text)
		}
		_, err := NewDecoder[Submission]().Decode([]byte(`{"expression":` + text + `}`))
		if err == nil || err.Code != task.CodeInvalidRequest || !strings.Contains(err.Message, "half of a character") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		`"\ud83d\ude00"`, `"\ufffd"`, `"\\ud800"`, `"\\\\ud800"`, `"\ud7ff\ue000"`, `"\u0041"`, `""`, `"\"`, `"\u12`, `"\ud83d\ude00\uD83D\uDE00"`, `"plain"`,
	} {
		if at := LoneSurrogate([]byte(text)); at >= 0 {
			t.Errorf("%s is refused at %d", text, at)
		}
	}
}

// FuzzLoneSurrogate holds it against encoding/json, which replaces what is half.
func FuzzLoneSurrogate(f *testing.F) {
	f.Add(`\ud83d\ude00`)
	f.Add(`\\ud800\"`)
	f.Add(`\ud800\udc00\udc00`)
	f.Fuzz(func(t *testing.T, inner string) {
		text := []byte(`"` + inner + `"`)
		var s string
		if json.Unmarshal(text, &s) != nil || strings.Contains(inner, "\ufffd") || strings.Contains(strings.ToLower(inner), `\ufffd`) || strings.ToValidUTF8(inner, "") != inner {
			return
		}
		if replaced, found := strings.Contains(s, "\ufffd"), LoneSurrogate(text) >= 0; replaced != found {
			t.Errorf("%s: found %v, replaced %v", text, found, replaced)
		}
	})
}
