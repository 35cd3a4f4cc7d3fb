package task

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Bounds of labels, of a task or of a slave.
const (
	MaxLabels          = 16
	MaxLabelNameBytes  = 63
	MaxLabelValueBytes = 255
)

// Label is a name and a value that a client gave to a task, or a slave to itself.
type Label struct {
	Name  string
	Value string
}

// HasLabels reports whether all wanted labels are among those of have. Both are
// sorted by name.
func HasLabels(have, want []Label) bool {
	for _, w := range want {
		i, found := slices.BinarySearchFunc(have, w, func(h, w Label) int { return strings.Compare(h.Name, w.Name) })
		if !found || have[i].Value != w.Value {
			return false
		}
	}
	return true
}

// CheckLabels accepts what can stand in a query: at most MaxLabels of NAME=VALUE,
// with commas between. The error is read behind what the labels are called.
func CheckLabels(labels []Label) error {
	if len(labels) > MaxLabels {
		return fmt.Errorf("has %d entries; at most %d are possible", len(labels), MaxLabels)
	}
	for _, l := range labels {
		if l.Name == "" || len(l.Name) > MaxLabelNameBytes || strings.ContainsFunc(l.Name, func(r rune) bool { return !isLabelRune(r) }) {
			return fmt.Errorf("has a label %q; its name takes 1 to %d letters, digits and any of - _ . /", clip(l.Name), MaxLabelNameBytes)
		}
		if len(l.Value) > MaxLabelValueBytes || strings.ContainsFunc(l.Value, func(r rune) bool { return !unicode.IsPrint(r) || r == ',' }) {
			return fmt.Errorf("has a label %q with the value %q; it takes at most %d bytes, printable and without commas", l.Name, clip(l.Value), MaxLabelValueBytes)
		}
	}
	return nil
}

func isLabelRune(r rune) bool {
	return r < 0x80 && isNameByte(byte(r)) || strings.ContainsRune("-./", r)
}
