package task

import (
	"fmt"
	"strings"
	"unicode"
)

// nameMarks are what a name may have beside letters and digits. None of them has a
// meaning in a path, in a query, or in the lists of the command line.
const nameMarks = "-_.:@+~"

// CheckName accepts a name that can stand wherever one is written: in the path of
// a URL, in a table, in a log line, in a list with commas. It is the grammar of
// masters' ids, slaves' names and kinds, for whatever is new: what was recorded
// under a wider one stays as it is. The error is read behind what is named.
func CheckName(name string) error {
	ok := name != "" && len(name) <= MaxNameBytes
	for i, r := range name {
		first := isNameRune(r) || r == '_'
		ok = ok && (first || i > 0 && strings.ContainsRune(nameMarks, r))
	}
	if !ok {
		return fmt.Errorf("%q is not a name; it takes 1 to %d bytes of letters, digits and %s, and begins with a letter, a digit or _",
			clip(name), MaxNameBytes, spaced(nameMarks))
	}
	return nil
}

// isNameRune accepts letters and digits of any script, but none that can't be seen.
func isNameRune(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && r != unicode.ReplacementChar && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

func spaced(marks string) string { return strings.Join(strings.Split(marks, ""), " ") }

// CleanKey returns an Idempotency-Key as it counts: without the blanks around it,
// which HTTP drops from a header on its way. The error is read behind what the key
// is called.
func CleanKey(key string) (string, error) {
	clean := strings.Trim(key, " \t")
	if clean == "" || len(clean) > MaxKeyBytes || strings.ContainsFunc(clean, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("%q is not a key; it takes 1 to %d printable ASCII characters, and blanks around them don't count", clip(key), MaxKeyBytes)
	}
	return clean, nil
}
