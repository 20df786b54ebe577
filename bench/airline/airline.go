// Package airline is the workload of messages: the flights of examples/airline
// are cancelled, and all their passengers rebook. What is measured lasts from
// the call of cancel-flights until nothing is left to do; then everything is
// read and checked.
//
// The calls whose latency is reported are those of callers beside it: one each
// millisecond, on time however slow the answers are, adds to a counter,
// durably, while the passengers rebook.
package airline

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/airline"
	"github.com/situ-dev/situ/examples/airline/drive"
)

// Components returns the airline, and the counter of the caller beside it.
func Components() []situ.Component {
	return slices.Concat(airline.Components(), counter.Components())
}

// Turns returns how many turns the cancellation takes at least: each flight is
// cancelled; each passenger is told, leaves, and boards.
func Turns(s airgen.Size) uint64 { return uint64(s.Flights) + 3*uint64(s.Flights*s.Passengers) }

// Run loads an airline into p, cancels it and checks it. The result has all
// that can be measured here.
func Run(ctx context.Context, p platform.Platform, s airgen.Size, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	a := drive.Generated(s)
	if err := load(ctx, p, a, show); err != nil {
		return r, err
	}
	probe := newProbe(p)
	if err := m.Begin(ctx, probe); err != nil {
		return r, err
	}
	probe.start()
	err = a.Cancel(ctx, p)
	end := time.Now()
	if err == nil {
		end, err = platform.Quiet(ctx, probe, func(f platform.Figures) {
			show.Show("rebook", int(min(m.Turns(f), Turns(s))), int(Turns(s)))
		})
	}
	took, err2 := probe.stop()
	_, err3 := m.End(ctx, end, &r, took)
	if err := errors.Join(err, err2, err3); err != nil {
		return r, err
	}
	found, err := a.Check(ctx, p, true, show.Show)
	r.Verified = err == nil && found.Faults == 0 && r.Turns >= Turns(s)
	r.Notes = append(r.Notes, found.String())
	return r, err
}

// load makes the airline and waits until it is there.
func load(ctx context.Context, p platform.Platform, a drive.Airline, show *report.Progress) error {
	if err := a.Load(ctx, p, show.Show); err != nil {
		return err
	}
	if _, err := platform.Quiet(ctx, p, nil); err != nil {
		return err
	}
	for i := range probes { // the first calls make the counters
		if _, err := situ.Do(ctx, p, counter.Add.To(probeKey(i), 1)); err != nil {
			return err
		}
	}
	return nil
}
