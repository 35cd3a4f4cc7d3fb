package wire

import (
	"bytes"
	"strconv"
	"unicode/utf16"
)

// LoneSurrogate finds an escape in a JSON text that is half of a character, and
// returns where; -1 if there is none. encoding/json would put U+FFFD there, so that
// what is kept is not what was said.
func LoneSurrogate(text []byte) int {
	for at := 0; ; {
		next := bytes.IndexByte(text[at:], '\\')
		if next < 0 {
			return -1
		}
		at += next
		first, ok := escaped(text[at:])
		switch second, low := escaped(text[min(at+6, len(text)):]); {
		case !ok:
			at = min(at+2, len(text)) // \\ and \" among them
		case !utf16.IsSurrogate(first):
			at += 6
		case !low || utf16.DecodeRune(first, second) == '\ufffd':
			return at
		default:
			at += 12
		}
	}
}

// escaped reads \uXXXX.
func escaped(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}
