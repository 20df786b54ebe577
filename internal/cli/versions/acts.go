package versions

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
)

// told shows a deployment after something was done to it.
func (c console) told(d *api.Deployment, err error) error {
	if err != nil {
		return err
	}
	return c.show(d)
}

func promoteCommand(c console) *cobra.Command {
	var p api.Promotion
	var steps, errors string
	cmd := &cobra.Command{
		Use:   "promote NAME [VERSION]",
		Short: "Have a version take over, at once or in steps",
		Long: `Promote has a version, by default the newest, take over the calls of a deployment.
With --steps it has one part after another, each for --hold. With --errors or
--latency it is watched meanwhile, and for --hold after the last step: if too many
of its calls fail, or are too slow, the version before is back by itself. VERSION is
a number, or the beginning of an ID.`,
		Example: `  situ promote airline 7
  situ promote airline --steps 5%,25% --hold 5m --errors 5%`,
		Args: cli.Between(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				p.Version = args[1]
			}
			var err error
			if steps != "" {
				for word := range strings.SplitSeq(steps, ",") {
					w, err := part("--steps", word)
					if err != nil {
						return err
					}
					p.Steps = append(p.Steps, w)
				}
			}
			if errors != "" {
				if p.Errors, err = part("--errors", errors); err != nil {
					return err
				}
			}
			return c.told(c.Client().Steer(cmd.Context(), args[0], "promote", &p))
		},
	}
	f := cmd.Flags()
	f.StringVar(&steps, "steps", "", "`parts` of the calls that it has one after another, as 5%,25%")
	f.StringVar(&p.Hold, "hold", "", "`how long` each step is held, and the last is watched")
	f.StringVar(&errors, "errors", "", "`part` of its calls; it is taken back when more fail")
	f.StringVar(&p.Latency, "latency", "", "`duration`; it is taken back when 5 calls in a hundred take so long")
	f.IntVar(&p.Calls, "calls", 0, "so many of its calls are looked at, at least (default 20)")
	return cmd
}

// part reads a part of the whole, as 5% or 0.05.
func part(flag, s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	w, err := strconv.ParseFloat(number, 64)
	if percent {
		w /= 100
	}
	if err != nil || w < 0 || w > 1 {
		return 0, cli.Usage("%s: %q is no part of the calls: write 5%% or 0.05", flag, s)
	}
	return w, nil
}

func weighCommand(c console) *cobra.Command {
	return &cobra.Command{
		Use:   "weigh NAME VERSION=WEIGHT...",
		Short: "Give versions parts of the calls",
		Long: `Weigh gives each version that is named a part of the calls in proportion to its
weight, and none to the others. Objects stick to their version; only as many move
as must.`,
		Example: `  situ weigh airline 6=70 7=30`,
		Args:    cli.Between(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc := api.Weights{Weights: map[string]float64{}}
			for _, word := range args[1:] {
				v, weight, ok := strings.Cut(word, "=")
				w, err := strconv.ParseFloat(weight, 64)
				if !ok || err != nil || w < 0 {
					return cli.Usage("%q is no version with a weight: write it like 7=30", word)
				}
				doc.Weights[v] = w
			}
			return c.told(c.Client().Steer(cmd.Context(), args[0], "weights", &doc))
		},
	}
}

func rollbackCommand(c console) *cobra.Command {
	var doc api.DeploymentReason
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Go back to the version before",
		Long: `Rollback has what took the calls of a deployment before take them again, at once.
State of objects stays as it is. Once more goes forward again.`,
		Example: `  situ rollback airline --reason "the seat map is wrong"`,
		Args:    cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.told(c.Client().Steer(cmd.Context(), args[0], "rollback", &doc))
		},
	}
	cmd.Flags().StringVar(&doc.Reason, "reason", "", "`why`, for people")
	return cmd
}

func offCommand(c console) *cobra.Command {
	var doc api.DeploymentReason
	cmd := &cobra.Command{
		Use:   "off NAME",
		Short: "Park what arrives for a deployment",
		Long: `Off has asynchronous calls, calls with an idempotency key and messages parked on
disk until on lets them go. Callers who wait for an answer are told to come back.`,
		Example: `  situ off airline --reason "the payment provider is down"`,
		Args:    cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.told(c.Client().Steer(cmd.Context(), args[0], "off", &doc))
		},
	}
	cmd.Flags().StringVar(&doc.Reason, "reason", "", "`why`, for people")
	return cmd
}

func onCommand(c console) *cobra.Command {
	var rate string
	cmd := &cobra.Command{
		Use:     "on NAME",
		Short:   "Take calls again, and let go what was parked",
		Long:    `On lets go what was parked, in the order in which it came. What comes meanwhile comes after.`,
		Example: `  situ on airline --rate 100/s`,
		Args:    cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var doc api.DeploymentOn
			if rate != "" {
				var err error
				if doc.Rate, err = strconv.ParseFloat(strings.TrimSuffix(rate, "/s"), 64); err != nil || doc.Rate <= 0 {
					return cli.Usage("--rate %s is no number of messages a second, such as 100/s", rate)
				}
			}
			return c.told(c.Client().Steer(cmd.Context(), args[0], "on", &doc))
		},
	}
	cmd.Flags().StringVar(&rate, "rate", "", "`messages` a second; default: as fast as possible")
	return cmd
}

func undeployCommand(c console) *cobra.Command {
	var grace string
	cmd := &cobra.Command{
		Use:   "undeploy NAME",
		Short: "Delete a deployment, at once or after a time of grace",
		Long: `Undeploy ends a deployment with all its versions. In its time of grace it goes on,
and a deploy keeps it. State of its objects stays on disk, and is there again when
a program with these types is.`,
		Example: `  situ undeploy airline --grace 24h`,
		Args:    cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.told(c.Client().Undeploy(cmd.Context(), args[0], grace))
		},
	}
	cmd.Flags().StringVar(&grace, "grace", "", "`how long` it goes on; default: it ends at once")
	return cmd
}
