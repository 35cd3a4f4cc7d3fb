package task_test

import (
	"net/url"
	"strings"
	"testing"

	"muster/task"
)

func TestANameCanStandWhereverOneIsWritten(t *testing.T) {
	for _, name := range []string{
		"m1", "slave-1", "a", "7", "_x", "mail.send", "10.0.0.1:9101", "ann@host", "v1.2+3~rc", "ü", "имя", "٣", "cafe\u0301", "e\u0323\u0301-1", "हिन्दी", "தமிழ்", "a\u0301b\u0301",
		strings.Repeat("x", task.MaxNameBytes),
	} {
		if err := task.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got, err := url.PathUnescape(url.PathEscape(name)); err != nil || got != name || strings.ContainsAny(name, "/?#%,=\\ ") {
			t.Errorf("%q can't stand in a path: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", ".a", "-x", "a/b", "a b", " a", "a ", "a?b", "a#b", "a%2Fb", "a=b", "a,b", "a\\b", "a\nb", "a\x00", "a\"b", "a'b", "a<b",
		"\u202ea", "a\u200bb", "\u3164", "\ufeffa", "\ufffd", "a\xffb", "\u0301", "\u093f", "1\u0301", "_\u0301", "a-\u0301", "a.\u0301", "a\u20dd", "a\u034f", "a\ufe0f", "a\u180b", "a\U000e0100", "क्\u200dष", "e\u034f\u0301", "💣", strings.Repeat("x", task.MaxNameBytes+1), strings.Repeat("ü", 65),
	} {
		err := task.CheckName(name)
		if err == nil || !strings.Contains(err.Error(), "is not a name; it takes 1 to 128 bytes") || len(err.Error()) > 300 {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

func TestAKeyIsTheSameWithBlanksAroundIt(t *testing.T) {
	for key, want := range map[string]string{
		"order 17": "order 17", "order 17 ": "order 17", "\t order 17\t": "order 17", "~!/?": "~!/?", strings.Repeat("k", 255) + " ": strings.Repeat("k", 255),
	} {
		if got, err := task.CleanKey(key); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", key, got, err, want)
		}
	}
	for _, key := range []string{"", " ", "a\nb", "a\tb", "a\x00", "\x7f", "ü", "a\r\n", "\u00a0a", strings.Repeat("k", 256)} {
		if got, err := task.CleanKey(key); err == nil || !strings.Contains(err.Error(), "printable ASCII") {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}
