// Package rollout reads what people ask of deployments: documents and queries of the
// API become acts. The door calls it. It does nothing itself.
package rollout

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
)

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "deployment", "", format, args...)
}

// Plan reads how a version takes over. Errors are of kind fault.Invalid.
func Plan(p *api.Promotion) (deploy.Plan, error) {
	plan := deploy.Plan{Steps: p.Steps, Rule: deploy.Rule{Errors: p.Errors, Calls: p.Calls}}
	var err error
	if plan.Hold, err = duration("hold", p.Hold); err != nil {
		return plan, err
	}
	plan.Rule.Latency, err = duration("latency", p.Latency)
	return plan, err
}

func duration(name, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, invalid("%s is %q: it is to be a duration, such as 30s or 5m", name, s)
	}
	return d, nil
}

// Query are the parameters that Deploy reads.
var Query = []string{"promote", "steps", "hold", "errors", "latency", "calls"}

// Deploy reads the query of an archive: whether its version takes over, and how.
func Deploy(q url.Values) (promote bool, plan deploy.Plan, err error) {
	promote = true
	if s := q.Get("promote"); s != "" {
		if promote, err = strconv.ParseBool(s); err != nil {
			return false, plan, invalid("promote=%s is neither true nor false", s)
		}
	}
	p := api.Promotion{Hold: q.Get("hold"), Latency: q.Get("latency")}
	if s := q.Get("steps"); s != "" {
		if p.Steps, err = Steps(s); err != nil {
			return false, plan, err
		}
	}
	if s := q.Get("errors"); s != "" {
		if p.Errors, err = Part(s); err != nil {
			return false, plan, err
		}
	}
	if s := q.Get("calls"); s != "" {
		if p.Calls, err = strconv.Atoi(s); err != nil {
			return false, plan, invalid("calls=%s is no number", s)
		}
	}
	plan, err = Plan(&p)
	return promote, plan, err
}

// Steps reads parts that are separated by commas.
func Steps(s string) (steps []float64, err error) {
	for word := range strings.SplitSeq(s, ",") {
		w, err := Part(word)
		if err != nil {
			return nil, err
		}
		steps = append(steps, w)
	}
	return steps, nil
}

// Part reads a part of the whole: 0.05, or 5%.
func Part(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	w, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		w /= 100
	}
	if err != nil || !(w >= 0 && w <= 1) {
		return 0, invalid("%q is no part of the calls: write 0.05, or 5%%", s)
	}
	return w, nil
}

// Promote makes an act of a document. Without a version it is the newest.
func Promote(s *deploy.State, p *api.Promotion) (deploy.Act, error) {
	plan, err := Plan(p)
	if err != nil {
		return deploy.Act{}, err
	}
	n := s.Last
	if p.Version != "" {
		v, err := s.Find(p.Version)
		if err != nil {
			return deploy.Act{}, err
		}
		n = v.Number
	}
	return deploy.Act{Promote: &deploy.Promote{Version: n, Plan: plan}}, nil
}

// Weigh makes an act of a document.
func Weigh(s *deploy.State, w *api.Weights) (deploy.Act, error) {
	shares := []deploy.Share{} // none is an error, too, that tells of weights
	for word, weight := range w.Weights {
		v, err := s.Find(word)
		if err != nil {
			return deploy.Act{}, err
		}
		shares = append(shares, deploy.Share{Version: v.Number, Weight: weight})
	}
	return deploy.Act{Weights: shares}, nil
}
