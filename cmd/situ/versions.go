package main

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli/versions"
)

// versionCommands are those for what is deployed.
func versionCommands(c *console) []*cobra.Command {
	return versions.Commands(c.shared())
}
