// Package look is the commands that follow chains of calls: their trees, what they
// cost, and flows, which are chains that come as a value.
package look

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"
)

type console struct{ cli.Console }

// Flow is situ flow.
func Flow(c cli.Console) *cobra.Command { return flowCommand(&console{c}) }

// Trace is situ trace.
func Trace(c cli.Console) *cobra.Command { return traceCommand(&console{c}) }

// Usage is situ usage.
func Usage(c cli.Console) *cobra.Command { return usageCommand(&console{c}) }
