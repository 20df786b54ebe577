package docs_test

import (
	"context"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/fan"
	"github.com/situ-dev/situ/situtest"
)

// What docs/fan.md shows, beside the code of examples/pipeline.

var (
	shopType = situ.NewType("tea-shop")
	price    = situ.NewMethod[string, int](shopType, "price")
)

// twoPrices returns the first two prices that there are.
func twoPrices(ctx context.Context, p situ.Caller) (prices []int, err error) {
	quotes := []situ.Call[int]{price.To("north", "tea"), price.To("south", "tea"), price.To("west", "tea")}
	r, err := situ.Do(ctx, p, fan.Gather(quotes, fan.Need(2)))
	for _, cents := range r.Good() {
		prices = append(prices, cents)
	}
	return prices, err
}

func TestTwoPrices(t *testing.T) {
	shops := []situ.Component{fan.Component(), situ.Object(shopType,
		situ.On(price, func(_ *struct{}, t *situ.Turn, _ string) (int, error) {
			if t.Key() == "north" {
				return 0, situ.Errorf("closed", "no tea today")
			}
			return 100 + len(t.Key()), nil
		}))}
	situtest.Run(t, shops, func(t *testing.T, rt *situtest.Runtime) {
		if got, err := twoPrices(t.Context(), rt); err != nil || len(got) != 2 || got[0] != 105 || got[1] != 104 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
