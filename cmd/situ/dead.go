package main

import (
	"context"
	"strconv"
	"strings"
	"time"

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
		deadSettleCommand(c, "drop", "Forget dead letters", "dropped", (*client.Client).DropDead),
		deadJobsCommand(c), deadStopCommand(c))
	return cmd
}

// deadFilter is the flags that choose dead letters.
type deadFilter struct {
	api.DeadFilter
	target, since, until string
}

func (f *deadFilter) flags(cmd *cobra.Command) {
	s := cmd.Flags()
	s.StringVar(&f.target, "target", "", "only those to `TARGET`: TYPE, TYPE/KEY, TYPE/PREFIX*, either with .METHOD, or FUNCTION()")
	s.StringVar(&f.Kind, "kind", "", "only those whose reason is of this `KIND`, such as crashed or timeout")
	s.StringVar(&f.Text, "text", "", "only those with `TEXT` in their reason")
	s.StringVar(&f.since, "since", "", "only those given up since `TIME`, or as long ago: 1h, or 2026-01-02T15:04:05Z")
	s.StringVar(&f.until, "until", "", "only those given up before `TIME`, or longer ago")
	s.StringVar(&f.Chain, "chain", "", "only those that are work for the invocation `ID`")
}

// read makes a filter of the flags, and reports whether any was given.
func (f *deadFilter) read() (given bool, err error) {
	target := f.target
	switch name, isFunc := strings.CutSuffix(target, "()"); {
	case isFunc:
		f.Function = name
	case target != "":
		typ, rest, keyed := strings.Cut(target, "/")
		if !keyed {
			f.Type, f.Method, _ = strings.Cut(typ, ".")
			break
		}
		f.Type, f.Key = typ, rest
		if i := strings.LastIndexByte(rest, '.'); i >= 0 {
			f.Key, f.Method = rest[:i], rest[i+1:]
		}
	}
	if f.Since, err = moment("since", f.since); err != nil {
		return false, err
	}
	f.Until, err = moment("until", f.until)
	return f.DeadFilter != api.DeadFilter{}, err
}

// moment reads an instant, or how long ago it was.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usage("--%s %s is neither how long ago, such as 1h, nor an instant such as 2026-01-02T15:04:05Z", flag, text)
	}
	return at, nil
}

func deadLsCommand(c *console) *cobra.Command {
	var limit int
	var f deadFilter
	cmd := &cobra.Command{
		Use:     "ls [TYPE]",
		Short:   "List dead letters",
		Example: `  situ dead ls --target flight/BA.cancel --since 1h --kind timeout`,
		Args:    between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && f.target != "" {
				return usage("give a TYPE or --target, not both")
			}
			if len(args) > 0 {
				f.target = args[0]
			}
			if _, err := f.read(); err != nil {
				return err
			}
			return c.listDead(cmd.Context(), &f.DeadFilter, limit)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N` letters; 0 is all")
	f.flags(cmd)
	return cmd
}

func (c *console) listDead(ctx context.Context, f *api.DeadFilter, limit int) error {
	cl := c.client()
	var all api.DeadLetters
	var err error
	all.Letters, all.Next, err = gather("", limit, func(cursor string, size int) ([]api.DeadLetter, string, error) {
		page, err := cl.Letters(ctx, f, cursor, size)
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
			if l.Paused {
				c.printf("paused   its object, for this letter: situ dead retry %s goes on with it, situ resume without it\n", l.ID)
			}
			if l.Chain != "" {
				c.printf("chain    %s\n", l.Chain)
			}
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
	var f deadFilter
	var r api.RedriveRequest
	var rate string
	cmd := &cobra.Command{
		Use:   name + " [ID...]",
		Short: short,
		Long: short + `: those that are named, or those that flags choose. The latter goes on in the
platform, also after a restart; "situ dead jobs" shows how far it is.`,
		Example: "  situ dead " + name + " --target flight --since 1h --rate 100/s",
		Args:    between(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given, err := f.read()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if given || r.All || r.DryRun || rate != "" {
					return usage("name dead letters, or choose them by flags, not both")
				}
				return c.settleDead(cmd.Context(), args, done, settle)
			}
			if !given && !r.All && !r.DryRun {
				return usage("which dead letters? Name them, choose them by flags, or say --all; --dry-run counts")
			}
			if rate != "" {
				if r.Rate, err = rateOf(rate); err != nil {
					return err
				}
			}
			r.Filter = f.DeadFilter
			j, err := c.client().Redrive(cmd.Context(), &r, name == "drop")
			if err != nil {
				return err
			}
			return c.showJob(j)
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&rate, "rate", "", "at most `N/s` messages; also N/m and N/h; default as fast as possible")
	cmd.Flags().BoolVar(&r.All, "all", false, "all dead letters")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only count")
	return cmd
}

func (c *console) settleDead(ctx context.Context, ids []string, done string, settle func(*client.Client, context.Context, string) error) error {
	cl := c.client()
	for _, id := range ids {
		if err := settle(cl, ctx, id); err != nil {
			return err
		}
		if !c.json {
			c.printf("%s %s\n", done, id)
		}
	}
	if c.json {
		return c.machine(map[string][]string{done: ids})
	}
	return nil
}

// showJob tells what a filter has begun.
func (c *console) showJob(j *api.Redrive) error {
	if c.json {
		return c.machine(j)
	}
	if j.Status == "counted" {
		c.printf("%s\n", count(j.Total, "dead letter"))
		return nil
	}
	c.printf("%s %s of %s; see \"situ dead jobs\"\n", j.ID, j.Action, count(j.Total, "dead letter"))
	return nil
}

func deadJobsCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "jobs [ID]",
		Short: "Show how far retries and drops by a filter are",
		Args:  between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list := &api.Redrives{}
			if len(args) > 0 {
				j, err := c.client().ShowRedrive(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if c.json {
					return c.machine(j)
				}
				list.Redrives = append(list.Redrives, *j)
			} else {
				var err error
				if list, err = c.client().Redrives(cmd.Context()); err != nil {
					return err
				}
				if c.json {
					return c.machine(list)
				}
			}
			rows := make([][]string, len(list.Redrives))
			for i, j := range list.Redrives {
				rate := "-"
				if j.Rate > 0 {
					rate = rateText(j.Rate)
				}
				rows[i] = []string{j.ID, j.Action, j.Status, strconv.Itoa(j.Done) + "/" + strconv.Itoa(j.Total), rate, timeText(j.Started), timeText(j.Finished)}
			}
			c.table("ID ACTION STATUS DONE RATE STARTED FINISHED", rows)
			return nil
		},
	}
}

func deadStopCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "stop JOB",
		Short: "Stop a retry or drop by a filter where it is",
		Args:  between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.client().StopRedrive(cmd.Context(), args[0]); err != nil {
				return err
			}
			if c.json {
				return c.machine(map[string]string{"stopped": args[0]})
			}
			c.printf("stopped %s\n", args[0])
			return nil
		},
	}
}
