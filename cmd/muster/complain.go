package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// complain tells people what went wrong and what to do about it.
func (p *program) complain(cmd *cobra.Command, err error) {
	fmt.Fprintf(p.stderr, "muster: %s\n", words(err))
	for _, line := range p.advice(cmd, err) {
		fmt.Fprintf(p.stderr, "  %s\n", line)
	}
}

// words are an error's, one line for each of several joined ones.
func words(err error) string {
	var refusal *client.Error
	if errors.As(err, &refusal) && refusal.Message != "" {
		return plain(refusal.Message)
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\nmuster: ")
}

// advice is what to do next.
func (p *program) advice(cmd *cobra.Command, err error) []string {
	switch code := exitCode(err); {
	case code == exitUsage && cmd != nil:
		return []string{fmt.Sprintf("see: %s --help", cmd.CommandPath())}
	case errors.Is(err, client.ErrUnreachable):
		return []string{
			"asked: " + plain(strings.Join(p.address, ", ")),
			"is a master running there? --address (MUSTER_ADDRESS) says where to ask, several addresses separated by commas",
		}
	case code == exitUnreachable:
		return []string{
			"asked: " + plain(strings.Join(p.address, ", ")),
			"an election takes about a second; if it lasts, more than half of the masters must run" + otherwise(cmd, "muster status"),
		}
	case client.CodeOf(err) == client.CodeOutcomeUnknown:
		if p.key != "" {
			return []string{fmt.Sprintf("the same command with --key %q finds out, and never makes a second task", p.key)}
		}
		return []string{"look before you repeat it: muster status, muster masters list"}
	default:
		return nil
	}
}

// otherwise points to a command, unless it is the one that was just run.
func otherwise(cmd *cobra.Command, command string) string {
	if cmd != nil && cmd.CommandPath() == command {
		return ""
	}
	return ": see " + command
}
