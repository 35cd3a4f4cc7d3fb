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
// a URL, in a table, in a log line, in a list with commas. Names are compared by their
// bytes: é as one character and e with an accent are two names. It is the grammar of
// masters' ids, slaves' names and kinds, for whatever is new: what was recorded
// under a wider one stays as it is. The error is read behind what is named.
func CheckName(name string) error {
	ok := name != "" && len(name) <= MaxNameBytes
	letter := false // the rune before is one, perhaps with marks
	for i, r := range name {
		first := isNameRune(r) || r == '_'
		mark := letter && isNameMark(r)
		ok = ok && (first || mark || i > 0 && strings.ContainsRune(nameMarks, r))
		letter = mark || unicode.IsLetter(r)
	}
	if !ok {
		return fmt.Errorf("%q is not a name; it takes 1 to %d bytes of letters (also with marks), digits and %s, and begins with a letter, a digit or _",
			clip(name), MaxNameBytes, spaced(nameMarks))
	}
	return nil
}

// isNameRune accepts letters and digits of any script, but none that can't be seen.
func isNameRune(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && r != unicode.ReplacementChar && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// isNameMark accepts what a letter may have: an accent that is written apart, a vowel of
// a script that has them so. Where there is no letter before it, a mark would join with
// what stands around the name; one that can't be seen makes two names look the same.
func isNameMark(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Mc) && !unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
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
