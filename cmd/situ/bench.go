package main

import (
	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/bench/command"
)

func benchCommand(c *console) *cobra.Command {
	return command.New(command.Console{Out: c.out, Err: c.err, JSON: func() bool { return c.json }, Args: func() []string { return c.args }})
}
