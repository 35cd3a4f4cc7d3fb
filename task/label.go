package task

import (
	"slices"
	"strings"
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
