// Package cli is what the commands of situ have in common, wherever they live:
// errors of a command line, checks of its arguments, and text that is safe on a
// terminal.
package cli

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
)

// IsTerminal reports whether f is a terminal, or much like one.
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Usage is the error of a command line that cannot be understood.
func Usage(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "", format, args...)
}

// Known refuses what is no command below cmd. It is the Args of a command that
// has others, and does nothing itself but help.
func Known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if hint := near.Name(args[0], names); hint != "" {
		return Usage("there is no command \"%s %s\"; did you mean \"%[1]s %[3]s\"?", cmd.CommandPath(), args[0], hint)
	}
	return Usage("there is no command \"%s %s\"; there is %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
}

// Between makes cobra refuse another number of arguments than least to most.
func Between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return Usage("%s needs more arguments: %s", cmd.CommandPath(), cmd.UseLine())
		case most == 0 && len(args) > 0:
			return Usage("%s takes no arguments: %s", cmd.CommandPath(), cmd.UseLine())
		case most >= 0 && len(args) > most:
			return Usage("%s takes at most %s, not %d: %s", cmd.CommandPath(), Count(most, "argument"), len(args), cmd.UseLine())
		}
		return nil
	}
}

// Count writes a number of things.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Plain removes from s what would move a terminal's cursor or colour it.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Help is the RunE of a command that does nothing itself.
func Help(cmd *cobra.Command, _ []string) error { return cmd.Help() }
