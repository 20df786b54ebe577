package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/wire"
)

func getCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "get TYPE/KEY",
		Short: "Show the state of an object",
		Long: `Get prints the committed state of an object as JSON. With --json it prints
size and time of the last change too.`,
		Example: `  situ get flight/BA123`,
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseObject(args[0])
			if err != nil {
				return err
			}
			o, err := c.client().Object(cmd.Context(), id)
			if err != nil {
				return err
			}
			if c.json {
				return c.machine(o)
			}
			return c.value(o.State)
		},
	}
}

// parseObject understands type/key.
func parseObject(s string) (id wire.ObjectID, err error) {
	typ, key, ok := strings.Cut(s, "/")
	if !ok {
		return id, usage("%q does not name an object; objects are named type/key, such as flight/BA123", s)
	}
	if err := wire.CheckName("type", typ); err != nil {
		return id, err
	}
	return wire.ObjectID{Type: typ, Key: key}, wire.CheckKey(key)
}
