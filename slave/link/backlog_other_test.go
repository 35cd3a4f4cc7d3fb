//go:build !linux

package link_test

import "testing"

func fullBacklog(*testing.T) string { return "" }
