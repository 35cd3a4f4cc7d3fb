//go:build !linux

package cluster

import "testing"

// fullBacklog is known of Linux only.
func fullBacklog(*testing.T) (address string, ok bool) { return "", false }
