//go:build !manpages

package main

import "github.com/spf13/cobra"

// buildCommands are none: see manpages.go.
func (*program) buildCommands() []*cobra.Command { return nil }
