package ship

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/project"
)

// The steps that a plan has. They are words of the JSON output.
const (
	create = "create" // there is no such deployment
	update = "update" // its content is another
	move   = "move"   // the version is there, and does not have all calls
	keep   = "keep"   // nothing is to be done
)

// step is what a deploy of one project would do.
type step struct {
	Name    string           `json:"name"`
	Does    string           `json:"does"`
	Was     string           `json:"was,omitempty"` // version that has most of the calls now
	Becomes string           `json:"becomes"`
	Code    bool             `json:"code"`    // the files are others
	Changes []project.Change `json:"changes"` // of the manifest
}

// plan compares what was built with what is deployed.
func plan(ctx context.Context, c cli.Console, all []built) ([]step, error) {
	cl := c.Client()
	defer cl.Close()
	steps := make([]step, len(all))
	for i, b := range all {
		s := &steps[i]
		*s = step{Name: b.project.Name, Does: create, Becomes: b.project.Name + "@" + b.id[:bundle.ShortID], Code: true, Changes: []project.Change{}}
		dep, err := cl.Deployment(ctx, b.project.Name)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		was := live(dep)
		if was == nil {
			if s.Changes, err = project.Diff(nil, &b.result.Manifest); err != nil {
				return nil, err
			}
			continue
		}
		s.Was, s.Does = was.Version, update
		if was.Bundle == b.id {
			s.Does, s.Code = keep, false
			if was.Weight < 1 {
				s.Does = move
			}
			continue
		}
		if was.Manifest != nil {
			if s.Changes, err = project.Diff(was.Manifest, &b.result.Manifest); err != nil {
				return nil, err
			}
			// The files are the same if they had that name with what was said of them.
			before, err := bundle.ID(*was.Manifest, b.result.Files)
			if err != nil {
				return nil, err
			}
			s.Code = before != was.Bundle
		}
	}
	return steps, nil
}

// live returns the version that has most of the calls, nil if there is none.
func live(d *api.Deployment) (most *api.DeployedVersion) {
	if d == nil {
		return nil
	}
	for i := range d.Versions {
		if v := &d.Versions[i]; most == nil || v.Weight > most.Weight {
			most = v
		}
	}
	return most
}

func planCommand(c cli.Console) *cobra.Command {
	o := &rollout{}
	cmd := &cobra.Command{
		Use:   "plan [DIR...]",
		Short: "Show what a deploy would change",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := planned(cmd.Context(), c, args, o, false)
			return err
		},
	}
	o.target(cmd)
	return cmd
}

func diffCommand(c cli.Console) *cobra.Command {
	o := &rollout{}
	cmd := &cobra.Command{
		Use:   "diff [DIR...]",
		Short: "Show how what is in a directory differs from what is deployed",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := planned(cmd.Context(), c, args, o, true)
			return err
		},
	}
	o.target(cmd)
	return cmd
}

func applyCommand(c cli.Console) *cobra.Command {
	o := &rollout{}
	cmd := &cobra.Command{
		Use:   "apply [DIR...]",
		Short: "Deploy what differs from what is deployed, and nothing else",
		Long: `Deploy what differs from what is deployed, and nothing else. All directories are
built and compared before any is sent, so that it is safe to run from a pipeline at
each change of a repository.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := o.query()
			if err != nil {
				return err
			}
			all, done, err := prepare(cmd.Context(), or(args), o)
			defer done()
			if err != nil {
				return err
			}
			steps, err := plan(cmd.Context(), c, all)
			if err != nil {
				return err
			}
			var changed []built
			for i, s := range steps {
				if s.Does != keep {
					changed = append(changed, all[i])
				}
			}
			if !c.JSON() {
				show(c, steps, false)
			}
			return send(cmd.Context(), c, changed, q)
		},
	}
	o.add(cmd)
	return cmd
}

// planned builds, compares and shows.
func planned(ctx context.Context, c cli.Console, args []string, o *rollout, all bool) ([]step, error) {
	b, done, err := prepare(ctx, or(args), o)
	defer done()
	if err != nil {
		return nil, err
	}
	steps, err := plan(ctx, c, b)
	if err != nil {
		return nil, err
	}
	if c.JSON() {
		return steps, c.Machine(steps)
	}
	show(c, steps, all)
	return steps, nil
}

// show writes a plan: a row for each deployment, or for each difference.
func show(c cli.Console, steps []step, all bool) {
	var rows [][]string
	for _, s := range steps {
		if !all {
			rows = append(rows, []string{s.Name, s.Does, dash(s.Was), s.Becomes, code(s.Code), count(len(s.Changes))})
			continue
		}
		if s.Code {
			rows = append(rows, []string{s.Name, "code", dash(s.Was), s.Becomes})
		}
		for _, ch := range s.Changes {
			rows = append(rows, []string{s.Name, ch.Path, dash(ch.Old), dash(ch.New)})
		}
	}
	switch {
	case !all:
		c.Table("NAME DOES WAS BECOMES CODE SETTINGS", rows)
	case len(rows) == 0:
		c.Note("what is deployed is the same")
	default:
		c.Table("NAME WHAT DEPLOYED HERE", rows)
	}
}

func code(changed bool) string {
	if changed {
		return "changed"
	}
	return "same"
}

func count(n int) string {
	if n == 0 {
		return "same"
	}
	return strconv.Itoa(n) + " changed"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
