package ship

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/sandbox"
)

func isolationCommand(c cli.Console) *cobra.Command {
	return &cobra.Command{
		Use:   "isolation",
		Short: "Show which walls this machine can put around deployed code",
		Long: `Show which walls this machine can put around deployed code. Each is tried, and the
strongest level that there is is used: namespaces, landlock, or process.`,
		Args: cli.Between(0, 0),
		RunE: func(*cobra.Command, []string) error {
			r := sandbox.Probe()
			if c.JSON() {
				return c.Machine(r)
			}
			var rows [][]string
			for _, f := range r.Features {
				has := "yes"
				if !f.Has {
					has = "no"
				}
				rows = append(rows, []string{f.Name, has, f.Note})
			}
			c.Note("level: %s", r.Level)
			c.Table("WALL HERE NOTE", rows)
			return nil
		},
	}
}
