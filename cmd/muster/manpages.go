//go:build manpages

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// buildCommands are commands for who builds packages. They are in no muster that
// is shipped: cobra's generator brings two libraries that render Markdown.
func (p *program) buildCommands() []*cobra.Command {
	return []*cobra.Command{{
		Use:    "manpages DIR",
		Short:  "write a manual page for each command",
		Hidden: true,
		Args:   takes("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
			if err != nil {
				return usagef("SOURCE_DATE_EPOCH is the date of the pages, in seconds: %v", err)
			}
			date := time.Unix(seconds, 0).UTC()
			header := &doc.GenManHeader{Section: "1", Date: &date, Source: "muster " + version(), Manual: "muster"}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write manual pages into %s: %w", args[0], err)
			}
			return nil
		},
	}}
}
