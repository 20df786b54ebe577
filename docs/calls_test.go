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
