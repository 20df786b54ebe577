package docs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/examples/bank/account"
	"github.com/situ-dev/situ/examples/bank/bank"
	"github.com/situ-dev/situ/situtest"
)

// What docs/calls.md shows, beside the code of examples/bank: reminders, and a
// function that looks something up outside.

var (
	reminderType = situ.NewType("reminder", situ.Retries(situ.RetryPolicy(3, time.Second, time.Minute)))
	remind       = situ.NewMethod[time.Duration, situ.None](reminderType, "remind")
	ring         = situ.NewMethod[time.Time, situ.None](reminderType, "ring")
	rung         = situ.NewMethod[situ.None, int](reminderType, "rung", situ.ReadOnly)

	rate = situ.NewFunc[string, float64]("rate", situ.Doc("what a currency is worth"), situ.Timeout(5*time.Second))
)

// Reminder is the state of a reminder.
type Reminder struct {
	Set  time.Time `json:"set"` // of the reminder that counts
	Rung int       `json:"rung"`
}

// Remind sets the reminder, in place of an earlier one.
func (r *Reminder) Remind(t *situ.Turn, after time.Duration) (none situ.None, err error) {
	r.Set = t.Now()
	situ.Send(t, ring.To(t.Key(), r.Set).After(after))
	return none, nil
}

// Ring is for the reminder that was set at that time.
func (r *Reminder) Ring(t *situ.Turn, set time.Time) (none situ.None, err error) {
	if !set.Equal(r.Set) {
		return none, nil // another was set since
	}
	r.Rung++
	return none, nil
}

var failures int // of lookUp: so many times it fails

func lookUp(ctx context.Context, currency string) (float64, error) {
	if failures > 0 {
		failures--
		return 0, errors.New("connection refused")
	}
	return 1.25, ctx.Err()
}

// Rate asks elsewhere; if that fails, it is run again after a pause.
func Rate(t *situ.Turn, currency string) (float64, error) {
	if currency == "" {
		return 0, situ.Errorf("currency", "which currency?") // an answer: final
	}
	v, err := lookUp(t, currency)
	if err != nil {
		panic(err) // not an answer: try again
	}
	return v, nil
}

// Bill is what is to be paid.
type Bill struct {
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

var (
	desk     = situ.NewType("desk")
	note     = situ.NewMethod[string, situ.None](desk, "note")
	pay      = situ.NewFunc[Bill, situ.None]("pay")
	complain = situ.NewFunc[situ.Failure[Bill], situ.None]("complain")
)

// Complain is told of each bill that could not be paid.
func Complain(t *situ.Turn, f situ.Failure[Bill]) (situ.None, error) {
	situ.Send(t, note.To(f.Input.Customer, f.Code))
	return situ.None{}, nil
}

type deskState struct {
	Notes []string `json:"notes"`
}

func TestPolicies(t *testing.T) {
	runs := 0
	components := []situ.Component{situ.Function(complain, Complain),
		situ.Function(pay, func(_ *situ.Turn, b Bill) (none situ.None, err error) {
			if runs++; runs < 4 {
				return none, situ.Errorf("busy", "the bank is busy")
			}
			return none, situ.Errorf("declined", "%s has too little", b.Customer)
		}),
		situ.Object(desk, situ.On(note, func(d *deskState, _ *situ.Turn, s string) (none situ.None, err error) {
			d.Notes = append(d.Notes, s)
			return none, nil
		}))}
	situtest.Run(t, components, func(t *testing.T, rt *situtest.Runtime) {
		order := Bill{"ann", 100}
		charge := pay.With(order).
			Retry(situ.Retry{Attempts: 10, Backoff: time.Second, MaxAge: time.Hour, On: []string{"busy"}, Final: []string{"timeout"}}).
			Priority(situ.High).
			OnFailure(complain.With(situ.Failure[Bill]{}))
		began := time.Now()
		if err := situtest.DoErr(rt, charge); situ.CodeOf(err) != "declined" || runs != 4 || time.Since(began) != 7*time.Second {
			t.Errorf("%v after %d runs and %v", err, runs, time.Since(began))
		}
		rt.Settle()
		rt.Crash()
		if got := rt.State(desk, "ann"); got != `{"notes":["declined"]}` {
			t.Errorf("desk: %s", got)
		}
	})
}

func reminders() []situ.Component {
	return []situ.Component{
		situ.Object(reminderType,
			situ.On(remind, (*Reminder).Remind),
			situ.On(ring, (*Reminder).Ring),
			situ.On(rung, func(r *Reminder, _ *situ.Turn, _ situ.None) (int, error) { return r.Rung, nil })),
		situ.Function(rate, Rate),
	}
}

func TestCalls(t *testing.T) {
	situtest.Run(t, reminders(), func(t *testing.T, rt *situtest.Runtime) {
		situtest.Do(rt, remind.To("tea", 5*time.Minute))
		rt.Pass(4 * time.Minute)
		situtest.Do(rt, remind.To("tea", 5*time.Minute))
		rt.Pass(4 * time.Minute)
		if n := situtest.Do(rt, rung.To("tea", situ.None{})); n != 0 {
			t.Errorf("the reminder that was replaced rang %d times", n)
		}
		rt.Crash()
		rt.Pass(2 * time.Minute)
		if n := situtest.Do(rt, rung.To("tea", situ.None{})); n != 1 {
			t.Errorf("rang %d times", n)
		}
		failures = 2
		began := time.Now()
		if v := situtest.Do(rt, rate.With("EUR")); v != 1.25 || time.Since(began) != 300*time.Millisecond {
			t.Errorf("rate %v after %v", v, time.Since(began))
		}
		if err := situtest.DoErr(rt, rate.With("")); situ.CodeOf(err) != "currency" {
			t.Errorf("err = %v", err)
		}
		failures = 1000
		err := situtest.DoErr(rt, rate.With("EUR"))
		if e, ok := errors.AsType[*situ.Error](err); !ok || e.Kind != "crashed" {
			t.Errorf("err = %v", err)
		}
		if got := rt.DeadLetters(); got != "rate ! panic: connection refused" {
			t.Errorf("dead letters: %s", got)
		}
	})
}

// transferByHand is what docs/calls.md shows of calls from outside.
func transferByHand(ctx context.Context, p situ.Caller) (int64, error) {
	call := account.Debit.To("ann", account.Amount{Cents: 30}).Idempotent("order-17")
	got, err := situ.Do(ctx, p, call)
	switch {
	case situ.CodeOf(err) == "short":
		return 0, nil // ann's account answered so
	case err != nil:
		return 0, err
	}
	return got.Cents, nil
}

func TestCallsFromOutside(t *testing.T) {
	p, err := embedded.Open(t.TempDir(), embedded.Options{}, bank.Components()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	if n, err := transferByHand(ctx, p); n != 0 || err != nil {
		t.Errorf("with no money: %d, %v", n, err)
	}
	if _, err := situ.Do(ctx, p, account.Deposit.To("ann", account.Amount{Cents: 100})); err != nil {
		t.Fatal(err)
	}
	// The key keeps the first answer.
	if n, err := transferByHand(ctx, p); n != 0 || err != nil {
		t.Errorf("the same key again: %d, %v", n, err)
	}
	id, err := situ.Start(ctx, p, account.Deposit.To("bob", account.Amount{Cents: 1}))
	if err != nil || id == "" {
		t.Errorf("%q, %v", id, err)
	}
}
