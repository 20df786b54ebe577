package operate

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/wire"
)

func pauseCommand(c *console) *cobra.Command {
	var reason string
	var function bool
	cmd := &cobra.Command{
		Use:   "pause [FUNCTION | TYPE | TYPE/KEY]",
		Short: "Park what arrives for a function, a type or an object",
		Long: `Pause has calls and messages parked on disk until resume lets them go, in their
order. Callers who wait for an answer are told to come back. Without a name it
lists what is paused.`,
		Example: `  situ pause flight --reason "the seat map is wrong"
  situ pause flight/BA123
  situ pause`,
		Args: cli.Between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listPauses(cmd.Context())
			}
			s, err := c.scope(cmd.Context(), args[0], function)
			if err != nil {
				return err
			}
			p, err := c.Client().Pause(cmd.Context(), s, reason)
			if err != nil {
				return err
			}
			if c.JSON() {
				return c.Machine(p)
			}
			c.Printf("paused %s\n", s.Words())
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`WHY`: callers are told")
	cmd.Flags().BoolVar(&function, "function", false, "the name is a function's, not a type's")
	return cmd
}

// scope finds out what a name names: a type or a function of the program.
func (c *console) scope(ctx context.Context, name string, function bool) (wire.Scope, error) {
	if typ, key, ok := strings.Cut(name, "/"); ok && !function {
		return wire.Scope{Type: typ, Key: key}, nil
	}
	m, err := c.Client().Describe(ctx, false)
	if err != nil {
		return wire.Scope{}, err
	}
	var types, functions []string
	for _, t := range m.Types {
		types = append(types, t.Name)
	}
	for _, f := range m.Functions {
		functions = append(functions, f.Name)
	}
	switch typ, fn := slices.Contains(types, name), slices.Contains(functions, name); {
	case typ && fn && !function:
		return wire.Scope{}, cli.Usage("%s is a type and a function: say --function for the function, or %s/KEY for one object", name, name)
	case fn:
		return wire.Scope{Function: name}, nil
	case typ && !function:
		return wire.Scope{Type: name}, nil
	}
	all := slices.Concat(types, functions)
	if hint := near.Name(name, all); hint != "" {
		return wire.Scope{}, cli.Usage("there is no type or function %q; did you mean %q?", name, hint)
	}
	return wire.Scope{}, cli.Usage("there is no type or function %q; there is %s", name, strings.Join(all, ", "))
}

func (c *console) listPauses(ctx context.Context) error {
	list, err := c.Client().Pauses(ctx)
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.Machine(list)
	}
	if len(list.Pauses) == 0 {
		c.Note("nothing is paused")
		return nil
	}
	rows := make([][]string, len(list.Pauses))
	for i, p := range list.Pauses {
		rows[i] = []string{pauseName(&p), pauseState(&p), strconv.Itoa(p.Parked), cli.Bytes(uint64(p.Bytes)), cli.Instant(p.Since), p.Reason}
	}
	c.Table("WHAT STATE PARKED BYTES SINCE REASON", rows)
	return nil
}

func pauseName(p *api.Pause) string {
	switch {
	case p.Function != "":
		return p.Function + " (function)"
	case p.Key == "":
		return p.Type + " (type)"
	}
	return p.Type + "/" + p.Key
}

func pauseState(p *api.Pause) string {
	switch {
	case !p.Draining:
		return "paused"
	case p.Rate == 0:
		return "draining"
	}
	return "draining " + rateText(p.Rate)
}

// rateText shows a rate, and rateOf reads one: "100/s", "90/m", or a number a
// second.
func rateText(rate float64) string { return strconv.FormatFloat(rate, 'g', 6, 64) + "/s" }

func rateOf(text string) (float64, error) {
	num, unit, _ := strings.Cut(text, "/")
	per := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	rate, err := strconv.ParseFloat(num, 64)
	if err != nil || per == 0 || rate <= 0 {
		return 0, cli.Usage("--rate %s is not a rate: write 100/s, 90/m or 500/h", text)
	}
	return rate / per, nil
}

func resumeCommand(c *console) *cobra.Command {
	var rate string
	var function bool
	cmd := &cobra.Command{
		Use:   "resume FUNCTION | TYPE | TYPE/KEY",
		Short: "Let go what is parked, in its order",
		Long: `Resume lets go what a pause has parked. What arrives meanwhile comes after. The
pause ends when nothing is left.`,
		Example: `  situ resume flight --rate 100/s`,
		Args:    cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.scope(cmd.Context(), args[0], function)
			if err != nil {
				return err
			}
			each := 0.0
			if rate != "" {
				if each, err = rateOf(rate); err != nil {
					return err
				}
			}
			if err := c.Client().Resume(cmd.Context(), s, each); err != nil {
				return err
			}
			if c.JSON() {
				return c.Machine(map[string]string{"resumed": s.String()})
			}
			c.Printf("resumed %s\n", s.Words())
			return nil
		},
	}
	cmd.Flags().StringVar(&rate, "rate", "", "at most `N/s` messages; also N/m and N/h; default as fast as possible")
	cmd.Flags().BoolVar(&function, "function", false, "the name is a function's, not a type's")
	return cmd
}

func cancelCommand(c *console) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "cancel ID...",
		Short: "Cancel asynchronous calls and what is work for them",
		Long: `Cancel answers a recorded call with an error, once. Calls that it led to and that
have not run are not run any more; who waits for them is told, and may clean up.`,
		Example: `  situ cancel $(situ call --async flight/BA123 cancel) --reason "wrong flight"`,
		Args:    cli.Between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl := c.Client()
			for _, id := range args {
				if err := cl.Cancel(cmd.Context(), id, reason); err != nil {
					return err
				}
				if !c.JSON() {
					c.Printf("cancelled %s\n", id)
				}
			}
			if c.JSON() {
				return c.Machine(map[string][]string{"cancelled": args})
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`WHY`: callers are told")
	return cmd
}
