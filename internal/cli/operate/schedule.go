package operate

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/platform/schedule"
)

func scheduleCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Call objects and functions by the clock",
		Long: `A schedule calls a method of an object, or a function, by a cron expression in
a time zone, at an interval, or once. It is durable: nothing is lost when the
platform stops, and each of its times is carried out once.`,
		Args: cli.Known,
		RunE: cli.Help,
	}
	cmd.AddCommand(schedulePutCommand(c), scheduleLsCommand(c), scheduleGetCommand(c), scheduleRmCommand(c),
		scheduleSteerCommand(c, "pause", "Begin no more runs until they are resumed"),
		scheduleSteerCommand(c, "resume", "Go on; what came meanwhile is not caught up with"),
		scheduleSteerCommand(c, "run", "Begin a run now, beside those of the clock"),
		scheduleNextCommand(c))
	return cmd
}

// scheduleFlags are the flags that say when, and how.
type scheduleFlags struct {
	spec           api.ScheduleSpec
	at, start, end string
	retry          api.ScheduleRetry
	catchUp        api.ScheduleCatchUp
}

func (o *scheduleFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.spec.Cron, "cron", "", "when: five fields, six with seconds, or a name such as @daily (`EXPR`)")
	f.StringVar(&o.spec.Every, "every", "", "when: an interval, a `DURATION` such as 90s")
	f.StringVar(&o.at, "at", "", "when: once, at `INSTANT` (RFC 3339)")
	f.StringVar(&o.spec.Zone, "zone", "", "time zone of --cron, an IANA `NAME` such as Europe/Berlin (default UTC)")
	f.StringVar(&o.spec.Jitter, "jitter", "", "be late by less than `DURATION`, always by the same")
	f.StringVar(&o.spec.Missed, "missed", "", "missed runs: skip, one or all (default one) (`POLICY`)")
	f.StringVar(&o.spec.Tolerance, "tolerance", "", "how late a run may be and is not missed, a `DURATION` (default 1m)")
	f.IntVar(&o.catchUp.Most, "catch-up-most", 0, "with --missed all: catch up with at most `N` (default 100)")
	f.Float64Var(&o.catchUp.PerSecond, "catch-up-rate", 0, "with --missed all: catch up with `N` a second (default 10)")
	f.StringVar(&o.spec.Overlap, "overlap", "", "while the run before goes on: allow or skip (default allow) (`POLICY`)")
	f.StringVar(&o.start, "start", "", "no runs before `INSTANT`")
	f.StringVar(&o.end, "end", "", "no runs after `INSTANT`")
	f.BoolVar(&o.spec.Paused, "paused", false, "make it paused")
	f.IntVar(&o.retry.Attempts, "attempts", 0, "of the retry policy: run at most `N` times")
	f.StringVar(&o.retry.Backoff, "backoff", "", "of the retry policy: `DURATION` before the second run")
	f.StringVar(&o.retry.MaxBackoff, "max-backoff", "", "of the retry policy: `DURATION` between runs at most")
}

// complete returns the spec that the flags mean.
func (o *scheduleFlags) complete() (*api.ScheduleSpec, error) {
	for _, i := range []struct {
		flag, text string
		at         *time.Time
	}{{"at", o.at, &o.spec.At}, {"start", o.start, &o.spec.Start}, {"end", o.end, &o.spec.End}} {
		if i.text == "" {
			continue
		}
		var err error
		if *i.at, err = time.Parse(time.RFC3339, i.text); err != nil {
			return nil, cli.Usage("--%s %s is not an instant such as 2026-01-02T15:04:05Z", i.flag, i.text)
		}
	}
	if o.retry != (api.ScheduleRetry{}) {
		o.spec.Retry = &o.retry
	}
	if o.catchUp != (api.ScheduleCatchUp{}) {
		o.spec.CatchUp = &o.catchUp
	}
	return &o.spec, nil
}

func schedulePutCommand(c *console) *cobra.Command {
	var o scheduleFlags
	cmd := &cobra.Command{
		Use:   "put NAME TARGET [METHOD] [INPUT]",
		Short: "Make or change a schedule",
		Long: `Put makes a schedule, or changes the one of that name, and shows its next runs.
TARGET, METHOD and INPUT are as those of situ call.`,
		Example: `  situ schedule put nightly report/sales build --cron "30 2 * * *" --zone Europe/Berlin
  situ schedule put sweep cleanUp '{"days":30}' --every 15m --overlap skip`,
		Args: cli.Between(2, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := o.complete()
			if err != nil {
				return err
			}
			to, input, err := cli.ParseCall(args[1:])
			if err != nil {
				return err
			}
			spec.Target = to.String()
			if spec.Input, err = c.Input(input); err != nil {
				return err
			}
			s, err := c.Client().PutSchedule(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			return c.showSchedule(s)
		},
	}
	o.register(cmd)
	return cmd
}

func scheduleGetCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "get NAME",
		Short: "Show a schedule, its next runs and its last",
		Args:  cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.Client().Schedule(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.showSchedule(s)
		},
	}
}

// showSchedule writes all that there is to know of a schedule.
func (c *console) showSchedule(s *api.Schedule) error {
	if c.JSON() {
		return c.Machine(s)
	}
	c.Printf("name     %s\nstatus   %s\nwhen     %s\ntarget   %s\n", s.Name, s.Status, when(&s.Spec), s.Spec.Target)
	if len(s.Spec.Input) > 0 {
		c.Printf("input    %s\n", s.Spec.Input)
	}
	c.Printf("runs     %d begun, %d missed, %d skipped\n", s.Begun, s.Missed, s.Skipped)
	if len(s.Next) > 0 {
		c.Printf("\n")
		c.preview(&s.Spec, s.Next)
	}
	runs := append(append([]api.ScheduleRun{}, s.Running...), s.Runs...)
	if len(runs) > 0 {
		rows := make([][]string, len(runs))
		for i, r := range runs {
			took := ""
			if !r.Ended.IsZero() && !r.Began.IsZero() {
				took = r.Ended.Sub(r.Began).Round(time.Millisecond).String()
			}
			outcome := r.Outcome
			if r.Count > 1 {
				outcome += " (" + strconv.Itoa(r.Count) + ")"
			}
			rows[i] = []string{cli.Instant(r.Slot), outcome, took, cli.FirstLine(r.Reason)}
		}
		c.Printf("\n")
		c.Table("SLOT OUTCOME TOOK REASON", rows)
	}
	return nil
}

// when says in a few words when a schedule runs.
func when(s *api.ScheduleSpec) string {
	switch {
	case s.Cron != "" && s.Zone != "":
		return s.Cron + " in " + s.Zone
	case s.Cron != "":
		return s.Cron + " in UTC"
	case s.Every != "":
		return "every " + s.Every
	}
	return "at " + s.At.Format(time.RFC3339)
}

// preview writes runs to come, in the zone of the schedule.
func (c *console) preview(s *api.ScheduleSpec, times []time.Time) {
	zone := time.UTC
	if z, err := time.LoadLocation(s.Zone); err == nil {
		zone = z
	}
	rows := make([][]string, len(times))
	for i, t := range times {
		rows[i] = []string{t.In(zone).Format("Mon 2006-01-02 15:04:05 -07:00"), t.UTC().Format(time.RFC3339)}
	}
	c.Table("NEXT UTC", rows)
}

func scheduleLsCommand(c *console) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List schedules",
		Args:  cli.Between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.listSchedules(cmd.Context(), strings.Join(args, ""), limit)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N` schedules; 0 is all")
	return cmd
}

func (c *console) listSchedules(ctx context.Context, prefix string, limit int) error {
	cl := c.Client()
	var all api.Schedules
	var err error
	all.Schedules, all.Next, err = cli.Gather("", limit, func(cursor string, size int) ([]api.Schedule, string, error) {
		page, err := cl.Schedules(ctx, prefix, cursor, size)
		if err != nil {
			return nil, "", err
		}
		return page.Schedules, page.Next, nil
	})
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.Machine(all)
	}
	rows := make([][]string, len(all.Schedules))
	for i, s := range all.Schedules {
		next, last := "-", "-"
		if len(s.Next) > 0 {
			next = cli.Instant(s.Next[0])
		}
		if len(s.Runs) > 0 {
			last = s.Runs[0].Outcome
		}
		rows[i] = []string{s.Name, s.Status, when(&s.Spec), s.Spec.Target, next, last}
	}
	c.Table("NAME STATUS WHEN TARGET NEXT LAST", rows)
	if all.Next != "" {
		c.Note("there is more: --limit 0 shows all")
	}
	return nil
}

func scheduleRmCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Forget schedules; runs that go on go on",
		Args:  cli.Between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.steerSchedules(cmd.Context(), "removed", args, (*client.Client).DeleteSchedule)
		},
	}
}

func scheduleSteerCommand(c *console, verb, short string) *cobra.Command {
	done := map[string]string{"pause": "paused", "resume": "resumed", "run": "begun"}[verb]
	return &cobra.Command{
		Use:   verb + " NAME...",
		Short: short,
		Args:  cli.Between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.steerSchedules(cmd.Context(), done, args, func(cl *client.Client, ctx context.Context, name string) error {
				_, err := cl.SteerSchedule(ctx, name, verb)
				return err
			})
		},
	}
}

func (c *console) steerSchedules(ctx context.Context, done string, names []string, steer func(*client.Client, context.Context, string) error) error {
	cl := c.Client()
	for _, name := range names {
		if err := steer(cl, ctx, name); err != nil {
			return err
		}
		if !c.JSON() {
			c.Printf("%s %s\n", done, name)
		}
	}
	if c.JSON() {
		return c.Machine(map[string][]string{done: names})
	}
	return nil
}

func scheduleNextCommand(c *console) *cobra.Command {
	var o scheduleFlags
	var from, name string
	var n int
	cmd := &cobra.Command{
		Use:   "next [EXPR]",
		Short: "Show when a schedule would run, without a server",
		Long: `Next shows the next runs of a schedule that is not there yet. EXPR is a cron
expression; or give --every or --at. No server is asked.`,
		Example: `  situ schedule next "30 2 * * *" --zone Europe/Berlin
  situ schedule next "0 9 * * mon-fri" --from 2026-12-24T00:00:00Z -n 10`,
		Args: cli.Between(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.spec.Cron != "" {
					return cli.Usage("the expression is given twice, as %q and with --cron", args[0])
				}
				o.spec.Cron = args[0]
			}
			spec, err := o.complete()
			if err != nil {
				return err
			}
			at := time.Now()
			if from != "" {
				if at, err = time.Parse(time.RFC3339, from); err != nil {
					return cli.Usage("--from %s is not an instant such as 2026-01-02T15:04:05Z", from)
				}
			}
			return c.previewSpec(name, spec, at, n)
		},
	}
	o.register(cmd)
	cmd.Flags().IntVarP(&n, "count", "n", 5, "show `N` runs")
	cmd.Flags().StringVar(&from, "from", "", "begin at `INSTANT` (default now)")
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the schedule, which says what --jitter does")
	return cmd
}

func (c *console) previewSpec(name string, spec *api.ScheduleSpec, from time.Time, n int) error {
	if n < 1 || n > 1000 {
		return cli.Usage("--count %d is not 1 to 1000", n)
	}
	spec.Target = "any" // which is of no matter here
	plan, err := schedule.Compile(name, spec, from)
	if err != nil {
		return err
	}
	times := plan.Preview(from, n)
	if len(times) == 0 {
		return cli.Usage("it never runs after %s", from.Format(time.RFC3339))
	}
	if c.JSON() {
		return c.Machine(map[string][]time.Time{"next": times})
	}
	c.preview(spec, times)
	return nil
}
