package shop_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/checkout/order"
	"github.com/situ-dev/situ/examples/checkout/shop"
	"github.com/situ-dev/situ/situtest"
)

// outside is a provider that remembers what it was asked for, each key once.
type outside struct {
	done  []string
	token string // that it was asked to approve with
	fail  string // what it cannot do
}

func (o *outside) do(what, key string) error {
	if what == o.fail {
		return errors.New("the other side cannot " + what)
	}
	if line := what + " " + key; len(o.done) == 0 || o.done[len(o.done)-1] != line {
		o.done = append(o.done, line)
	}
	return nil
}

func (o *outside) provider() shop.Provider {
	return shop.Provider{
		Charge: func(_ context.Context, key, _ string, _ int) (string, error) { return "p" + key, o.do("charge", key) },
		Refund: func(_ context.Context, key, _ string) error { return o.do("refund", key) },
		Ask:    func(_ context.Context, _, token string) error { o.token = token; return nil },
		Ship:   func(_ context.Context, key string, _ order.Cart) (string, error) { return "t" + key, o.do("ship", key) },
	}
}

func small() order.Cart { return order.Cart{Customer: "ann", Item: "lamp", Count: 2, Cents: 4000} }

func large() order.Cart { return order.Cart{Customer: "ann", Item: "lamp", Count: 2, Cents: 40_000} }

// An order ends in one of its ends, and the stock and the others fit to it.
func TestCheckout(t *testing.T) {
	yes, no := order.Decision{By: "eve", OK: true}, order.Decision{By: "eve"}
	for name, c := range map[string]struct {
		cart     order.Cart
		decision *order.Decision
		fail     string
		code     string // of the error
		done     string // outside
		left     int    // in stock
	}{
		"small":          {cart: small(), done: "charge 1, ship 1", left: 8},
		"approved":       {cart: large(), decision: &yes, done: "charge 1, ship 1", left: 8},
		"refused":        {cart: large(), decision: &no, code: "refused", left: 10},
		"nobody decides": {cart: large(), code: "late", left: 10},
		"sold out":       {cart: order.Cart{Item: "lamp", Count: 11}, code: "sold-out", left: 10},
		"no money":       {cart: small(), fail: "charge", code: "-", left: 10},
		"no parcel":      {cart: small(), fail: "ship", code: "-", done: "charge 1, refund 1", left: 10},
	} {
		t.Run(name, func(t *testing.T) {
			o := &outside{fail: c.fail}
			situtest.Run(t, shop.Components(o.provider()), func(t *testing.T, rt *situtest.Runtime) {
				situtest.Do(rt, order.Deliver.To("lamp", 10))
				if _, err := situ.Start(t.Context(), rt, order.Checkout.To("1", c.cart)); err != nil {
					t.Fatal(err)
				}
				rt.Pass(time.Hour)
				rt.Crash() // it makes no difference
				if c.decision != nil {
					if got := situtest.Do(rt, order.Stage.To("1", situ.None{})); got != "waiting for approval" {
						t.Errorf("stage %q", got)
					}
					answer, _ := json.Marshal(c.decision) // of plain fields
					if err := rt.Answer(o.token, string(answer)); err != nil {
						t.Error(err)
					}
				}
				_, err := situ.Do(t.Context(), rt, order.Checkout.To("1", c.cart))
				if (err != nil) != (c.code != "") || c.code != "-" && situ.CodeOf(err) != c.code {
					t.Errorf("error %v, want code %q", err, c.code)
				}
				if got := strings.Join(o.done, ", "); got != c.done {
					t.Errorf("outside: %q, want %q", got, c.done)
				}
				if got := situtest.Do(rt, order.Deliver.To("lamp", 1)) - 1; got != c.left {
					t.Errorf("stock: %d, want %d", got, c.left)
				}
			})
		})
	}
}

// Wherever the platform dies, the order is shipped once.
func TestCrashAtEveryCommit(t *testing.T) {
	for n := 1; ; n++ {
		o, crashed := &outside{}, false
		situtest.Run(t, shop.Components(o.provider()), func(t *testing.T, rt *situtest.Runtime) {
			situtest.Do(rt, order.Deliver.To("lamp", 10))
			rt.CrashAt(n)
			call := order.Checkout.To("1", small())
			_, err := situ.Do(t.Context(), rt, call)
			if crashed = rt.Crashed(); crashed {
				rt.Restart()
				rt.Pass(time.Hour)
				_, err = situ.Do(t.Context(), rt, call)
			}
			if got := strings.Join(o.done, ", "); err != nil || got != "charge 1, ship 1" {
				t.Errorf("crash at commit %d: %v, outside %q", n, err, got)
			}
			rt.CrashAt(0)
			if got := situtest.Do(rt, order.Deliver.To("lamp", 1)); got != 9 {
				t.Errorf("crash at commit %d: stock %d, want 9", n, got)
			}
		})
		if !crashed {
			return
		}
	}
}
