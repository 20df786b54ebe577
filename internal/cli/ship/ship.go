// Package ship is the commands that bring a directory to a platform: situ new,
// deploy, plan, diff, apply and import; and situ isolation, which shows what walls it
// would have. It reads and builds here; what becomes of a bundle is the platform's
// business.
package ship

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"
)

// Commands are all, in the order that help shows.
func Commands(c cli.Console) []*cobra.Command {
	return []*cobra.Command{newCommand(c), deployCommand(c), planCommand(c), diffCommand(c), applyCommand(c), importCommand(c), isolationCommand(c)}
}
