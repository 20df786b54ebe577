package main

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli/ship"
)

// shipCommands are those that bring a directory to a platform.
func shipCommands(c *console) []*cobra.Command {
	return ship.Commands(c.shared())
}
