// Package chained has chains of each kind whose calls leave marks, so that a test
// can tell what was lost and what was done twice: calls through objects and
// functions, callers who are held, timers, workflows and fan-outs. It checks nothing itself.
package chained

import (
	"fmt"
	"iter"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/fan"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/internal/killtest/witness"
)

// Op is one chain. Its answer is Answer, and its marks are Marks.
type Op struct {
	Kind  string        `json:"kind"`
	ID    string        `json:"id"`
	N     int           `json:"n"`
	Delay time.Duration `json:"delay"` // of a timer in it
}

// Kinds are the kinds of chains.
var Kinds = []string{"links", "flow", "gather", "job"}

// How many calls the fan-outs make.
const (
	gathered = 20
	jobbed   = 60
)

// The contract.
var (
	linkType  = situ.NewType("chained-link")
	links     = situ.NewMethod[Op, int](linkType, "run")
	marked    = situ.NewMethod[situ.Reply[int, Op], int](linkType, "marked")
	doubled   = situ.NewMethod[situ.Reply[int, Op], int](linkType, "doubled")
	hold      = situ.NewMethod[Op, int](linkType, "hold")
	release   = situ.NewMethod[Op, situ.None](linkType, "release")
	double    = situ.NewFunc[int, int]("chained-double")
	flowType  = situ.NewType("chained-flow")
	flows     = situ.NewMethod[Op, int](flowType, "run")
	gather    = situ.NewFunc[Op, int]("chained-gather")
	gatherEnd = situ.NewFunc[situ.Reply[fan.Results[int], Op], int]("chained-gathered")
	jobType   = situ.NewType("chained-job")
	job       = fan.New[Op, int](jobType, "run")
)

// Call returns the call that begins the chain.
func (o Op) Call() situ.Call[int] {
	switch o.Kind {
	case "flow":
		return flows.To(o.ID, o)
	case "gather":
		return gather.With(o)
	case "job":
		return job.To(o.ID, o)
	}
	return links.To(o.ID, o)
}

// Answer returns what the chain answers.
func (o Op) Answer() int {
	switch o.Kind {
	case "flow":
		return 3 * o.N
	case "gather":
		return o.N + gathered
	case "job":
		return o.N + jobbed
	}
	return 2*o.N + 1
}

// Ledger returns the key of the witness.Counter that has the chain's marks.
func (o Op) Ledger() string { return fmt.Sprintf("%.3s-%02d", o.ID, o.N%50) }

// Marks returns the marks that the chain leaves, each once.
func (o Op) Marks() (all []string) {
	n := map[string]int{"links": 2, "flow": 6, "gather": gathered, "job": jobbed}[o.Kind]
	for i := range n {
		all = append(all, o.mark(i))
	}
	return all
}

func (o Op) mark(i int) string { return fmt.Sprint(o.ID, "/", i) }

// leave is the call that leaves mark i.
func (o Op) leave(i int) situ.Call[int] { return witness.Add.To(o.Ledger(), o.mark(i)) }

func (o Op) leaveAll(n int) (all []situ.Call[int]) {
	for i := range n {
		all = append(all, o.leave(i))
	}
	return all
}

type link struct {
	Caller situ.Promise[int] `json:"caller"`
}

// Components returns the chains.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(linkType,
			situ.On(links, func(_ *link, t *situ.Turn, o Op) (int, error) {
				return situ.Then(t, o.leave(0), marked, o)
			}),
			situ.On(marked, func(_ *link, t *situ.Turn, r situ.Reply[int, Op]) (int, error) {
				return situ.Then(t, double.With(r.Carry.N).After(r.Carry.Delay), doubled, r.Carry)
			}),
			situ.On(doubled, func(_ *link, t *situ.Turn, r situ.Reply[int, Op]) (int, error) {
				o := r.Carry
				situ.Send(t, o.leave(1))
				o.N = r.Value
				return situ.Tail(t, hold.To(t.Key()+"-held", o))
			}),
			situ.On(hold, func(l *link, t *situ.Turn, o Op) (int, error) {
				situ.Send(t, release.To(t.Key(), o).After(o.Delay))
				return situ.Hold(t, &l.Caller)
			}),
			situ.On(release, func(l *link, t *situ.Turn, o Op) (none situ.None, err error) {
				situ.Resolve(t, &l.Caller, o.N+1)
				t.Delete()
				return none, nil
			})),
		situ.Function(double, func(_ *situ.Turn, n int) (int, error) { return 2 * n, nil }),
		flow.Workflow(flowType, flows, workflow),
		situ.Function(gather, func(t *situ.Turn, o Op) (int, error) {
			return situ.Then(t, fan.Gather(o.leaveAll(gathered), fan.Limit(7)), gatherEnd, o)
		}),
		situ.Function(gatherEnd, func(_ *situ.Turn, r situ.Reply[fan.Results[int], Op]) (int, error) {
			if _, err := r.Value.Values(); err != nil || r.Err() != nil {
				return 0, fmt.Errorf("%w %w", err, r.Err())
			}
			return r.Carry.N + r.Value.OK, nil
		}),
		fan.Component(),
		fan.Host(job, fan.Plan[Op, int, int, int]{
			Limit: 16,
			Begin: func(sum *int, o Op) error { *sum = o.N; return nil },
			Calls: func(o Op, from int) iter.Seq[situ.Call[int]] {
				return func(yield func(situ.Call[int]) bool) {
					for i := from; i < jobbed && yield(o.leave(i)); i++ {
					}
				}
			},
			Fold: func(sum *int, r fan.Result[int]) error { *sum++; return r.Err },
			Done: func(sum *int, _ fan.Progress) (int, error) { return *sum, nil },
		}),
	}
}

func workflow(f *flow.Flow, o Op) (int, error) {
	if _, err := flow.Await(f, o.leave(0)); err != nil {
		return 0, err
	}
	if err := flow.Sleep(f, o.Delay); err != nil {
		return 0, err
	}
	for _, r := range flow.Each(f, 2, o.leaveAll(6)[1:]...) {
		if r.Err != nil {
			return 0, r.Err
		}
	}
	n, err := flow.Await(f, double.With(o.N))
	return n + o.N, err
}
