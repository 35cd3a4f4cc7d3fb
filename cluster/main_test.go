package cluster

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a test leaves goroutines behind: those of a node that was
// stopped, its transport's and Raft's.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
