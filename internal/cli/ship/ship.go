// Package ship is the commands that bring a directory to a platform: situ new,
// deploy, plan, diff, apply and import; and situ isolation, which shows what walls it would have. It reads and builds here; what becomes of a
// bundle is the platform's business.
package ship

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/client"
)

// Console is what the commands need of the program that they are part of.
type Console struct {
	Out    io.Writer
	Note   func(format string, args ...any)      // a line beside the output
	Table  func(heading string, rows [][]string) // to Out
	JSON   func() bool                           // the output is for machines
	Print  func(v any) error                     // JSON to Out
	Client func() *client.Client                 // of the server that is meant
}

// Commands are all, in the order that help shows.
func Commands(c Console) []*cobra.Command {
	return []*cobra.Command{newCommand(c), deployCommand(c), planCommand(c), diffCommand(c), applyCommand(c), importCommand(c), isolationCommand(c)}
}
