package look

import (
	"context"
	"encoding/csv"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/client"
)

func usageCommand(c *console) *cobra.Command {
	var q client.UsageQuery
	var asCSV bool
	var limit int
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show what was run, and what waiting would have cost",
		Long: `Usage shows what was counted of each function and method, or of each chain that
has a record. ACTIVE is the time of all runs. The other columns are of calls in
chains with a record: CHAIN is what ran for them, WAITED how long they waited
from when they were made to their answer, and IF WAITED for how long they would
be billed, in all, if callers waited for each other: each from its first run to
its answer. The costs are those of CHAIN and IF WAITED, without requests.`,
		Example: `  situ usage --since 24h
  situ usage --by chain --memory 512 --price 0.0000166667
  situ usage --csv > usage.csv`,
		Args: cli.Between(0, 0),
		RunE: func(cmd *cobra.Command, args []string) error { return c.usage(cmd.Context(), q, limit, asCSV) },
	}
	cmd.Flags().StringVar(&q.By, "by", "function", "lines are of each `THING`: function or chain")
	cmd.Flags().StringVar(&q.Since, "since", "", "from `TIME`, such as 24h ago or 2026-01-02T15:04:05Z; counts are kept by the hour")
	cmd.Flags().StringVar(&q.Memory, "memory", "", "bill as if each instance had `MB` of memory (default 128)")
	cmd.Flags().StringVar(&q.Price, "price", "", "`PRICE` of a GB-second (default 0.0000166667: AWS Lambda, x86, us-east-1)")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N` chains; 0 is all")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values")
	return cmd
}

func (c *console) usage(ctx context.Context, q client.UsageQuery, limit int, asCSV bool) error {
	cl := c.Client()
	var u *api.Usage
	lines, next, err := cli.Gather("", limit, func(cursor string, size int) ([]api.UsageLine, string, error) {
		q.Cursor, q.Limit = cursor, size
		page, err := cl.Usage(ctx, q)
		if err != nil {
			return nil, "", err
		}
		if u == nil {
			u = page
		} else {
			u.Total = addUsage(u.Total, page.Total)
		}
		return page.Lines, page.Next, nil
	})
	if err != nil {
		return err
	}
	u.Lines, u.Next = lines, next
	switch {
	case c.JSON():
		return c.Machine(u)
	case asCSV:
		return c.usageCSV(u)
	}
	heads := "FUNCTION TURNS ERRORS RETRIES DEAD ACTIVE CALLS CHAIN WAITED IF-WAITED COST COST-IF-WAITED"
	if u.By == "chain" {
		heads = "INVOCATION TARGET TURNS ERRORS RETRIES DEAD ACTIVE CALLS CHAIN WAITED IF-WAITED COST COST-IF-WAITED"
	}
	var rows [][]string
	for _, l := range append(u.Lines, u.Total) {
		row := []string{l.Name}
		if u.By == "chain" {
			row = append(row, l.Target)
		}
		rows = append(rows, append(row, num(l.Turns), num(l.Errors), num(l.Retries), num(l.Dead), millisText(l.ActiveMS), num(l.Calls),
			millisText(l.OwnMS), millisText(l.WaitingMS), millisText(l.SyncMS), costText(l.ActiveCost), costText(l.SyncCost)))
	}
	c.Table(heads, rows)
	c.Printf("\ncosts: %d MB at %s a GB-second, without requests\n", u.MemoryMB, strconv.FormatFloat(u.GBSecond, 'f', -1, 64))
	if u.Next != "" {
		c.Note("there is more: --limit 0 shows all")
	}
	return nil
}

func num(n uint64) string { return strconv.FormatUint(n, 10) }

// costText writes a price with three digits that count.
func costText(f float64) string {
	if f == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3g", f)
}

func addUsage(a, b api.UsageLine) api.UsageLine {
	a.Turns += b.Turns
	a.Errors += b.Errors
	a.Retries += b.Retries
	a.Dead += b.Dead
	a.Calls += b.Calls
	a.ActiveMS += b.ActiveMS
	a.WallMS += b.WallMS
	a.WaitingMS += b.WaitingMS
	a.OwnMS += b.OwnMS
	a.SyncMS += b.SyncMS
	a.ActiveCost += b.ActiveCost
	a.SyncCost += b.SyncCost
	return a
}

func (c *console) usageCSV(u *api.Usage) error {
	w := csv.NewWriter(c.Out)
	_ = w.Write([]string{"name", "target", "turns", "errors", "retries", "dead", "active_ms", "chain_calls", "wall_ms", "waiting_ms", "chain_active_ms", "sync_ms", "active_cost", "sync_cost"}) // kept by w
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for _, l := range u.Lines {
		_ = w.Write([]string{l.Name, l.Target, num(l.Turns), num(l.Errors), num(l.Retries), num(l.Dead), f(l.ActiveMS), num(l.Calls), f(l.WallMS),
			f(l.WaitingMS), f(l.OwnMS), f(l.SyncMS), f(l.ActiveCost), f(l.SyncCost)}) // kept by w
	}
	w.Flush()
	return w.Error()
}
