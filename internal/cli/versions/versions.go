// Package versions is the commands for what is deployed: which versions there are,
// and which takes the calls. It asks the platform, and shows what that says.
package versions

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
)

// console is the program that the commands are part of.
type console struct{ cli.Console }

// Commands are all, in the order that help shows.
func Commands(shared cli.Console) []*cobra.Command {
	c := console{shared}
	return []*cobra.Command{versionsCommand(c), promoteCommand(c), weighCommand(c), rollbackCommand(c), offCommand(c), onCommand(c), undeployCommand(c)}
}

func versionsCommand(c console) *cobra.Command {
	return &cobra.Command{
		Use:   "versions [NAME]",
		Short: "Show what is deployed, or the versions of one deployment",
		Long: `Versions shows of each version which part of the calls it has, how its worker is
doing, and what it did in the last seconds; and what was done to the deployment.
Without a name it lists all deployments.`,
		Example: `  situ versions
  situ versions airline`,
		Args: cli.Between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				d, err := c.Client().Deployment(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.show(d)
			}
			all, err := c.Client().Deployments(cmd.Context())
			if err != nil {
				return err
			}
			return c.list(all)
		},
	}
}

func (c console) list(all *api.Deployments) error {
	if c.JSON() {
		return c.Machine(all)
	}
	if len(all.Deployments) == 0 {
		c.Note("nothing is deployed: situ deploy DIR brings a directory here")
		return nil
	}
	rows := make([][]string, len(all.Deployments))
	for i := range all.Deployments {
		d := &all.Deployments[i]
		var live []string
		for _, v := range d.Versions {
			if v.Weight > 0 {
				live = append(live, fmt.Sprintf("%d: %s", v.Number, percent(v.Weight)))
			}
		}
		rows[i] = []string{d.Name, strings.Join(live, ", "), state(d), strings.Join(append(d.Types, d.Functions...), " ")}
	}
	c.Table("NAME LIVE STATE HAS", rows)
	return nil
}

// state tells in a word how a deployment is.
func state(d *api.Deployment) string {
	switch {
	case !d.Ends.IsZero():
		return "ends"
	case d.Off != nil:
		return "off"
	case d.Rollout != nil:
		return "rollout"
	}
	return "on"
}

// show shows a deployment.
func (c console) show(d *api.Deployment) error {
	if c.JSON() {
		return c.Machine(d)
	}
	rows := make([][]string, len(d.Versions))
	for i, v := range d.Versions {
		p95 := ""
		if v.Calls > 0 {
			p95 = strconv.FormatFloat(v.P95MS, 'g', 3, 64) + "ms"
		}
		rows[i] = []string{strconv.Itoa(v.Number), v.Version, percent(v.Weight), v.State, strconv.Itoa(v.Restarts), strconv.Itoa(v.Calls), strconv.Itoa(v.Failed), p95,
			v.Added.Local().Format("2006-01-02 15:04:05")}
	}
	c.Table("NUMBER VERSION CALLS STATE RESTARTS LATELY FAILED P95 ADDED", rows)
	if r := d.Rollout; r != nil {
		c.Note("%s takes over: step %d of %d, each held for %s", r.Version, r.Step, len(r.Steps), r.Hold)
	}
	if d.Off != nil {
		c.Note("off since %s, %s parked; situ on %s lets them go", d.Off.Since.Local().Format(time.DateTime), cli.Count(d.Off.Parked, "message"), d.Name)
	}
	if !d.Ends.IsZero() {
		c.Note("deleted; it ends at %s", d.Ends.Local().Format(time.DateTime))
	}
	for _, e := range d.Events[:min(len(d.Events), 5)] {
		c.Note("%s  %s", e.At.Local().Format(time.DateTime), cli.Plain(e.What))
	}
	return nil
}

func percent(w float64) string { return strconv.FormatFloat(100*w, 'g', 4, 64) + "%" }
