package main

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/wire"
)

func rmCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "rm TYPE/KEY...",
		Short: "Delete the state of objects",
		Long: `Rm deletes the state of objects. Messages that wait for them are still
delivered, and may create them anew. It stops at the first that cannot be
deleted.`,
		Example: `  situ rm flight/BA123 flight/BA124`,
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids := make([]wire.ObjectID, len(args))
			for i, arg := range args {
				var err error
				if ids[i], err = parseObject(arg); err != nil {
					return err
				}
			}
			cl := c.client()
			for _, id := range ids {
				if err := cl.Delete(cmd.Context(), id); err != nil {
					return err
				}
				if !c.json {
					c.printf("deleted %s\n", id)
				}
			}
			if c.json {
				return c.machine(map[string][]string{"deleted": args})
			}
			return nil
		},
	}
}
