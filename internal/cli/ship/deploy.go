package ship

import (
	"bytes"
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/build"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/project"
)

// rollout says how a version takes over.
type rollout struct {
	none     bool
	steps    string
	hold     time.Duration
	errors   string
	latency  time.Duration
	os, arch string
}

func (o *rollout) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.none, "no-promote", false, "store the version, and let the one before go on")
	f.StringVar(&o.steps, "steps", "", "`shares` of the calls that it takes one after another, as 5%,25%; default: all at once")
	f.DurationVar(&o.hold, "hold", 0, "how long each step lasts")
	f.StringVar(&o.errors, "errors", "", "`share` of its calls that may fail before it is taken back, as 5%")
	f.DurationVar(&o.latency, "latency", 0, "take it back when 5 in a hundred of its calls take longer")
	o.target(cmd)
}

// target adds what says which machine the platform is.
func (o *rollout) target(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.os, "os", "", "`system` that a program is built for, as GOOS; default: linux")
	f.StringVar(&o.arch, "arch", "", "`architecture` that it is built for, as GOARCH; default: this one's")
}

// query is what the platform is asked for.
func (o *rollout) query() (url.Values, error) {
	q := url.Values{}
	if o.none {
		q.Set("promote", "false")
	}
	var steps []string
	if o.steps != "" {
		for s := range strings.SplitSeq(o.steps, ",") {
			v, err := share(s)
			if err != nil {
				return nil, cli.Usage("--steps: %v", err)
			}
			steps = append(steps, v)
		}
		q.Set("steps", strings.Join(steps, ","))
	}
	if o.errors != "" {
		v, err := share(o.errors)
		if err != nil {
			return nil, cli.Usage("--errors: %v", err)
		}
		q.Set("errors", v)
	}
	for name, d := range map[string]time.Duration{"hold": o.hold, "latency": o.latency} {
		if d < 0 {
			return nil, cli.Usage("--%s is %v: it is to be more than 0", name, d)
		} else if d > 0 {
			q.Set(name, d.String())
		}
	}
	if o.none && (len(q) > 1) {
		return nil, cli.Usage("--no-promote leaves nothing to do for --steps, --hold, --errors and --latency: leave them out")
	}
	return q, nil
}

// share reads a part of all, as 5% or 0.05.
func share(s string) (string, error) {
	num, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(num, 64)
	if percent {
		v /= 100
	}
	if err != nil || v <= 0 || v > 1 {
		return "", cli.Usage("%q is no share: write it like 5%% or 0.05", s)
	}
	return strconv.FormatFloat(v, 'g', 6, 64), nil
}

// built is a project that was built.
type built struct {
	project *project.Project
	result  *build.Result
	id      string
}

// prepare loads and builds all directories, before anything is sent.
func prepare(ctx context.Context, dirs []string, o *rollout) (all []built, done func(), err error) {
	done = func() {
		for _, b := range all {
			b.result.Close()
		}
	}
	seen := map[string]string{}
	for _, dir := range dirs {
		p, err := project.Load(dir)
		if err != nil {
			return nil, done, err
		}
		if other := seen[p.Name]; other != "" {
			return nil, done, fault.New(fault.Invalid, "", "", "%s and %s are both named %s: each needs a name of its own", other, dir, p.Name)
		}
		seen[p.Name] = dir
		r, err := build.Build(ctx, p, build.Target{OS: cmp.Or(o.os, "linux"), Arch: o.arch})
		if err != nil {
			return nil, done, err
		}
		b := built{project: p, result: r}
		all = append(all, b)
		if all[len(all)-1].id, err = bundle.ID(r.Manifest, r.Files); err != nil {
			return nil, done, err
		}
	}
	return all, done, nil
}

// or returns the directories that are meant.
func or(args []string) []string {
	if len(args) == 0 {
		return []string{"."}
	}
	return args
}

func deployCommand(c cli.Console) *cobra.Command {
	o := &rollout{}
	cmd := &cobra.Command{
		Use:   "deploy [DIR...]",
		Short: "Build what is in a directory, and make it a version on the platform",
		Long: `Build what is in a directory, send it, and let it answer calls when it is ready.

The directory has a program in Go, a program that was built elsewhere, or a
function for AWS Lambda, Node or Python. Its situ.yaml says more; without one,
what it is can be seen by its files. The same content is the same version: to
deploy it again changes nothing. All directories are built before any is sent.`,
		Example: `  situ deploy
  situ deploy ./shop --steps 5%,25% --hold 10m --errors 2%`,
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
			return send(cmd.Context(), c, all, q)
		},
	}
	o.add(cmd)
	return cmd
}

// send sends what was built, one after another, and tells what became of it.
func send(ctx context.Context, c cli.Console, all []built, q url.Values) error {
	cl := c.Client()
	defer cl.Close()
	for _, b := range all {
		var archive bytes.Buffer
		if err := bundle.Pack(&archive, b.result.Manifest, b.result.Files); err != nil {
			return err
		}
		began := time.Now()
		out, err := cl.PutArchive(ctx, b.project.Name, bundle.TypeTar, archive.Bytes(), q)
		if err != nil {
			return err
		}
		if err := told(c, out, archive.Len(), time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}

// told tells what became of an archive.
func told(c cli.Console, out *api.Deployed, size int, took time.Duration) error {
	if c.JSON() {
		return c.Machine(out)
	}
	what := "is version " + strconv.Itoa(out.Number)
	if !out.New {
		what = "is there already, as version " + strconv.Itoa(out.Number)
	}
	c.Note("%s %s and has %s of the calls (%s sent, ready after %v)", out.Version, what, percent(out.Weight), bytesText(size), took.Round(time.Millisecond))
	return nil
}

func percent(v float64) string { return strconv.FormatFloat(v*100, 'g', 4, 64) + "%" }

func bytesText(n int) string {
	switch {
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	case n >= 1<<10:
		return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KiB"
	}
	return strconv.Itoa(n) + " bytes"
}
