package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// waitStep is how long one request waits; the server allows a minute.
const waitStep = 50 * time.Second

func waitCommand(c *console) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "wait ID",
		Short:   "Wait for the answer of an asynchronous call",
		Long:    `Wait waits until a call is answered, and prints its answer as call does.`,
		Example: `  situ wait $(situ call --async flight/BA123 cancel)`,
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.wait(cmd.Context(), wire.InvocationID(args[0]), timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after `DURATION`; 0 is never")
	return cmd
}

func (c *console) wait(ctx context.Context, id wire.InvocationID, timeout time.Duration) error {
	cl := c.client()
	inv, err := answered(ctx, cl, id, timeout)
	if err != nil {
		return err
	}
	if c.json {
		if err := c.machine(inv); err != nil {
			return err
		}
	}
	switch {
	case inv.Status == api.Pending:
		return fault.New(fault.Timeout, "", string(id), "there is no answer yet, after %s", timeout)
	case inv.Error != nil:
		return &fault.Error{Kind: fault.ParseKind(inv.Error.Kind), On: inv.Target, Msg: inv.Error.Message, Code: inv.Error.Code}
	case c.json || inv.Result == nil:
		return nil
	}
	return c.value(inv.Result)
}

// answered returns the record of a call when it is answered, or when the
// timeout is over.
func answered(ctx context.Context, cl *client.Client, id wire.InvocationID, timeout time.Duration) (*api.Invocation, error) {
	end := time.Now().Add(timeout)
	for {
		step := waitStep
		if timeout > 0 {
			step = min(step, max(time.Until(end), 0))
		}
		inv, err := cl.Invocation(ctx, id, step)
		if err != nil || inv.Status != api.Pending || timeout > 0 && !time.Now().Before(end) {
			return inv, err
		}
	}
}
