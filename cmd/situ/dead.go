package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
)

func deadCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Show and settle messages that were given up",
		Long: `A message whose handler panicked, timed out or lost its worker too often is
given up: it becomes a dead letter, and its object goes on with the next one.`,
		Args: known,
		RunE: help,
	}
	cmd.AddCommand(deadLsCommand(c), deadShowCommand(c),
		deadSettleCommand(c, "retry", "Deliver dead letters again", "retried", (*client.Client).RetryDead),
		deadSettleCommand(c, "drop", "Forget dead letters", "dropped", (*client.Client).DropDead))
	return cmd
}

func deadLsCommand(c *console) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "ls [TYPE]",
		Short: "List dead letters",
		Args:  between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			typ := ""
			if len(args) > 0 {
				typ = args[0]
			}
			return c.listDead(cmd.Context(), typ, limit)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N` letters; 0 is all")
	return cmd
}

func (c *console) listDead(ctx context.Context, typ string, limit int) error {
	cl := c.client()
	var all api.DeadLetters
	var err error
	all.Letters, all.Next, err = gather("", limit, func(cursor string, size int) ([]api.DeadLetter, string, error) {
		page, err := cl.Dead(ctx, typ, cursor, size)
		if err != nil {
			return nil, "", err
		}
		return page.Letters, page.Next, nil
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.machine(all)
	}
	rows := make([][]string, len(all.Letters))
	for i, l := range all.Letters {
		rows[i] = []string{l.ID, l.Target, strconv.Itoa(l.Attempts), timeText(l.At), l.Reason.Kind + ": " + firstLine(l.Reason.Message)}
	}
	c.table("ID TARGET ATTEMPTS AT REASON", rows)
	if all.Next != "" {
		c.note("there is more: --limit 0 shows all")
	}
	return nil
}

func deadShowCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a dead letter, its input and why it was given up",
		Args:  between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.client().DeadLetter(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				return c.machine(l)
			}
			c.printf("id       %s\ntarget   %s (%s)\nattempts %d\nat       %s\nreason   %s: %s\n", l.ID, l.Target, l.Kind, l.Attempts,
				timeText(l.At), l.Reason.Kind, l.Reason.Message)
			if l.Trace != "" {
				c.printf("trace    %s\n", l.Trace)
			}
			if l.Input != nil {
				c.printf("input    %s\n", l.Input)
			}
			if l.Reason.Detail != "" {
				c.printf("\n%s\n", l.Reason.Detail)
			}
			return nil
		},
	}
}

func deadSettleCommand(c *console, name, short, done string, settle func(*client.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " ID...",
		Short: short,
		Args:  between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl := c.client()
			for _, id := range args {
				if err := settle(cl, cmd.Context(), id); err != nil {
					return err
				}
				if !c.json {
					c.printf("%s %s\n", done, id)
				}
			}
			if c.json {
				return c.machine(map[string][]string{done: args})
			}
			return nil
		},
	}
}
