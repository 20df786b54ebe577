// Package drive uses an airline from outside: it loads one into a running
// platform, cancels its flights, watches, and checks at the end that nobody
// was lost. It works with any situ.Caller: the HTTP client, or a platform in
// this process.
package drive

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// Airline is what to load and what to cancel.
type Airline struct {
	// Flights yields the flights with their passengers, the same each time.
	Flights iter.Seq[*control.Flight]
	// Groups says which of them to cancel, and what is offered instead.
	Groups []control.Group
	// Passengers is the number of passengers on all flights.
	Passengers int
	// Cancels is the number of flights to cancel.
	Cancels int
}

// Generated returns the airline of the given size.
func Generated(size airgen.Size) Airline {
	return Airline{
		Flights: func(yield func(*control.Flight) bool) {
			for r := range size.Routes() {
				flights := size.Route(r)
				for i := range flights {
					if !yield(&flights[i]) {
						return
					}
				}
			}
		},
		Groups:     size.Groups(),
		Passengers: size.Flights * size.Passengers,
		Cancels:    size.Flights,
	}
}

// Listed returns the airline with the given flights, of which those in cancel
// are to be cancelled. Their passengers are offered the other flights on the
// same route.
func Listed(flights []control.Flight, cancel flight.Span) (Airline, error) {
	a := Airline{Flights: func(yield func(*control.Flight) bool) {
		for i := range flights {
			if !yield(&flights[i]) {
				return
			}
		}
	}}
	for _, f := range flights {
		a.Passengers += len(f.Passengers)
	}
	var err error
	a.Groups, err = airgen.GroupsOf(flights, cancel)
	for _, g := range a.Groups {
		a.Cancels += g.Flights.Len()
	}
	return a, err
}

// Progress is told how far a stage is. It may be called from any goroutine.
type Progress func(stage string, done, total int)

func (p Progress) tell(stage string, done, total int) {
	if p != nil {
		p(stage, done, total)
	}
}

// batchSize is the number of passengers in a batch that is loaded at once,
// which keeps it far from the limit of a call's input.
const batchSize = 1000

// callers is the number of calls in flight while loading and checking.
const callers = 64

// Load makes the flights and passengers. When it returns, all messages that
// make them are durable, but some may still be on their way: see Settle.
func (a Airline) Load(ctx context.Context, p situ.Caller, progress Progress) error {
	var done atomic.Int64
	progress.tell("load", 0, a.Passengers)
	return each(ctx, 8, a.batches(), func(ctx context.Context, b control.Batch) error {
		got, err := retry(ctx, func() (control.Accepted, error) { return situ.Do(ctx, p, control.Load.With(b)) })
		if err != nil {
			return fmt.Errorf("load flight %s and %d others: %w", b.Flights[0].Number, len(b.Flights)-1, err)
		}
		progress.tell("load", int(done.Add(int64(got.Passengers))), a.Passengers)
		return nil
	})
}

func (a Airline) batches() iter.Seq[control.Batch] {
	return func(yield func(control.Batch) bool) {
		var b control.Batch
		n := 0
		for f := range a.Flights {
			if n > 0 && n+len(f.Passengers) > batchSize || len(b.Flights) == 100 {
				if !yield(b) {
					return
				}
				b, n = control.Batch{}, 0
			}
			b.Flights = append(b.Flights, *f)
			n += len(f.Passengers)
		}
		if len(b.Flights) > 0 {
			yield(b)
		}
	}
}

// Cancel cancels the flights. When it returns, the cancellations are durable
// and on their way.
func (a Airline) Cancel(ctx context.Context, p situ.Caller) error {
	got, err := situ.Do(ctx, p, control.CancelFlights.With(control.Event{Groups: a.Groups}))
	if err != nil {
		return fmt.Errorf("cancel %d flights: %w", a.Cancels, err)
	}
	if got.Flights != a.Cancels {
		return fmt.Errorf("cancel %d flights: only %d were told", a.Cancels, got.Flights)
	}
	return nil
}

// Watch returns when the cancelled flights are empty. Some passengers may
// still be looking for a seat: see Settle. It asks a sample of the flights.
func (a Airline) Watch(ctx context.Context, p situ.Caller, every time.Duration, progress Progress) error {
	const most = 100
	var numbers []string
	for _, g := range a.Groups {
		numbers = append(numbers, g.Flights.All()...)
	}
	step := (len(numbers) + most - 1) / most
	tick := time.NewTicker(every)
	defer tick.Stop()
	first := int64(-1)
	for {
		var left atomic.Int64
		sample := func(yield func(string) bool) {
			for i := 0; i < len(numbers) && yield(numbers[i]); i += step {
			}
		}
		err := each(ctx, callers, sample, func(ctx context.Context, number string) error {
			d, err := retry(ctx, func() (flight.Details, error) { return situ.Do(ctx, p, flight.Info.To(number, situ.None{})) })
			left.Add(int64(d.Booked))
			if !d.Cancelled {
				left.Add(1) // not even begun
			}
			return err
		})
		if err != nil {
			return err
		}
		first = max(first, left.Load())
		progress.tell("rebook", a.Passengers-int(float64(a.Passengers)*float64(left.Load())/float64(max(first, 1))), a.Passengers)
		if left.Load() == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Settle checks until nothing is wrong, or ctx is done: what is on its way
// looks wrong until it has arrived. It returns the last report.
func (a Airline) Settle(ctx context.Context, p situ.Caller, cancelled bool, every time.Duration, progress Progress) (Report, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last Report
	for {
		r, err := a.Check(ctx, p, cancelled, progress)
		switch {
		case err == nil && r.Faults == 0:
			return r, nil
		case ctx.Err() != nil && last.Faults > 0:
			return last, nil
		case err != nil:
			return r, err
		}
		last = r
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last, nil
		}
	}
}

// Begun reports whether the flights to cancel are being cancelled.
func (a Airline) Begun(ctx context.Context, p situ.Caller) (bool, error) {
	for _, g := range a.Groups {
		d, err := situ.Do(ctx, p, flight.Info.To(g.Flights.At(0), situ.None{}))
		return d.Cancelled, err
	}
	return false, nil
}

// each calls do for each item, n at a time, until one fails.
func each[T any](ctx context.Context, n int, items iter.Seq[T], do func(context.Context, T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ch := make(chan T, n)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for item := range ch {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, item); err != nil {
					stop(err)
				}
			}
		})
	}
	for item := range items {
		if ctx.Err() != nil {
			break
		}
		ch <- item
	}
	close(ch)
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// retry makes a call again while the platform is too busy to take it.
func retry[O any](ctx context.Context, call func() (O, error)) (out O, err error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if out, err = call(); err == nil || !busy(err) {
			return out, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return out, context.Cause(ctx)
		}
	}
}
