package worker

import (
	"strings"
	"testing"

	"muster/task"
)

// The memory of acknowledged attempts is bounded by count and by bytes, and
// what is forgotten leaves nothing behind.
func TestMemoryIsBounded(t *testing.T) {
	for name, text := range map[string]string{"small": "1", "large": strings.Repeat("x", task.MaxResultBytes)} {
		tab := newTable()
		for i := range task.ID(20_000) {
			a := &attempt{key: key{i/2 + 1, uint32(i%2) + 1}, state: finished, result: task.Result{Value: task.Value{Text: text}}}
			tab.add(a)
			tab.acknowledge(a)
		}
		if n := len(tab.attempts); n > maxRecent || n != len(tab.recent) || n < maxRecentBytes/task.MaxResultBytes {
			t.Errorf("%s: %d known, %d recent", name, n, len(tab.recent))
		}
		if n := len(tab.tasks); n > len(tab.attempts)/2+1 {
			t.Errorf("%s: %d tasks for %d attempts", name, n, len(tab.attempts))
		}
		if tab.recentBytes > maxRecentBytes || tab.recentBytes != len(tab.recent)*len(text) {
			t.Errorf("%s: %d bytes", name, tab.recentBytes)
		}
		if tab.highest(10_000) != 2 || tab.highest(1) != 0 {
			t.Errorf("%s: highest %d and %d", name, tab.highest(10_000), tab.highest(1))
		}
	}
}
