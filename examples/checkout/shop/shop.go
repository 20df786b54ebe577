// Package shop is the code of the checkout: a saga. What was done is undone, last
// first, if the order comes to nothing.
package shop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/checkout/order"
	"github.com/situ-dev/situ/flow"
)

// Large is from how many cents on a person has to approve, and Patience how long
// that may take.
const (
	Large    = 10_000
	Patience = 48 * time.Hour
)

// Provider is what the shop needs of others. Calls of it are made at least once,
// so each has a key by which the other side knows one that it had before.
type Provider struct {
	Charge func(ctx context.Context, key, customer string, cents int) (payment string, err error)
	Refund func(ctx context.Context, key, payment string) error
	Ask    func(ctx context.Context, order, token string) error // a person, who answers with the token
	Ship   func(ctx context.Context, key string, c order.Cart) (tracking string, err error)
}

// Components returns what the shop hosts.
func Components(p Provider) []situ.Component {
	return []situ.Component{
		flow.Workflow(order.Type, order.Checkout, p.checkout),
		situ.Object(order.Stock,
			situ.On(order.Deliver, (*Stock).Deliver),
			situ.On(order.Reserve, (*Stock).Reserve),
			situ.On(order.Release, (*Stock).Release)),
	}
}

// checkout reads like a function that waits for days. While it does, it is a few
// rows on disk.
func (p Provider) checkout(f *flow.Flow, c order.Cart) (receipt order.Receipt, err error) {
	stage := "reserving"
	flow.OnQuery(f, order.Stage, func(situ.None) (string, error) { return stage, nil })

	quantity := order.Quantity{Order: f.Key(), Count: c.Count}
	if _, err := flow.Await(f, order.Reserve.To(c.Item, quantity)); err != nil {
		return receipt, err
	}
	f.Undo(func(f *flow.Flow) error {
		_, err := flow.Await(f, order.Release.To(c.Item, quantity))
		return err
	})

	if c.Cents >= Large {
		stage = "waiting for approval"
		if err := p.approved(f); err != nil {
			return receipt, err
		}
	}

	stage = "charging"
	receipt.Payment, err = flow.Step(f, "charge", func(ctx context.Context) (string, error) {
		return p.Charge(ctx, f.Key(), c.Customer, c.Cents)
	})
	if err != nil {
		return receipt, err
	}
	f.Undo(func(f *flow.Flow) error {
		_, err := flow.Step(f, "refund", func(ctx context.Context) (situ.None, error) {
			return situ.None{}, p.Refund(ctx, f.Key(), receipt.Payment)
		})
		return err
	})

	stage = "shipping"
	receipt.Tracking, err = flow.Step(f, "ship", func(ctx context.Context) (string, error) {
		return p.Ship(ctx, f.Key(), c)
	})
	return receipt, err
}

// approved asks a person, and waits for the answer, but not for ever.
func (p Provider) approved(f *flow.Flow) error {
	call, token := flow.Token[order.Decision](f, Patience)
	answer := flow.Start(f, call) // before the token is told: it may come at once
	_, err := flow.Step(f, "ask for approval", func(ctx context.Context) (situ.None, error) {
		return situ.None{}, p.Ask(ctx, f.Key(), token)
	})
	if err != nil {
		return err
	}
	d, err := answer.Get()
	if e, ok := errors.AsType[*situ.Error](err); ok && e.Kind == "timeout" {
		return situ.Errorf("late", "nobody approved order %s in %v", f.Key(), Patience)
	}
	if err == nil && !d.OK {
		err = situ.Errorf("refused", "%s refused order %s", d.By, f.Key())
	}
	return err
}

// Stock is the state of an item: one writer, so nothing is sold twice.
type Stock struct {
	Left     int            `json:"left"`
	Reserved map[string]int `json:"reserved,omitempty"` // by order
}

// Deliver adds to what there is.
func (s *Stock) Deliver(_ *situ.Turn, n int) (int, error) {
	if n <= 0 {
		return 0, situ.Errorf("count", "a delivery of %d is none", n)
	}
	s.Left += n
	return s.Left, nil
}

// Reserve takes from what there is.
func (s *Stock) Reserve(t *situ.Turn, q order.Quantity) (int, error) {
	if q.Count <= 0 {
		return 0, situ.Errorf("count", "an order of %d is none", q.Count)
	}
	if q.Count > s.Left {
		return 0, situ.Errorf("sold-out", "there are %d of %s, not %d", s.Left, t.Key(), q.Count)
	}
	if s.Reserved == nil {
		s.Reserved = map[string]int{}
	}
	s.Left -= q.Count
	s.Reserved[q.Order] += q.Count
	return s.Left, nil
}

// Release gives back what an order had reserved.
func (s *Stock) Release(_ *situ.Turn, q order.Quantity) (int, error) {
	s.Left += s.Reserved[q.Order]
	delete(s.Reserved, q.Order)
	return s.Left, nil
}

// Pretend is a provider that only says what it would do.
func Pretend() Provider {
	return Provider{
		Charge: func(_ context.Context, key, customer string, cents int) (string, error) {
			return fmt.Sprintf("pay-%s-%s-%d", customer, key, cents), nil
		},
		Refund: func(context.Context, string, string) error { return nil },
		Ask: func(_ context.Context, order, token string) error {
			_, err := fmt.Printf("approve order %s: situ callback %s --result '{\"by\":\"eve\",\"ok\":true}'\n", order, token)
			return err
		},
		Ship: func(_ context.Context, key string, _ order.Cart) (string, error) { return "parcel-" + key, nil },
	}
}
