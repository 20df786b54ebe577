package embedded_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
)

var (
	counterType = situ.NewType("counter")
	add         = situ.NewMethod[int64, int64](counterType, "add")
	get         = situ.NewMethod[situ.None, int64](counterType, "get", situ.ReadOnly)
)

type counter struct{ N int64 }

func components() []situ.Component {
	return []situ.Component{situ.Object(counterType,
		situ.On(add, func(c *counter, _ *situ.Turn, n int64) (int64, error) {
			if n < 0 {
				c.N = -1
				return 0, situ.Errorf("negative", "cannot add %d", n)
			}
			c.N += n
			return c.N, nil
		}),
		situ.On(get, func(c *counter, _ *situ.Turn, _ situ.None) (int64, error) { return c.N, nil }))}
}

func TestCounterSurvivesClose(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	for round := range 3 {
		p, err := embedded.Open(dir, embedded.Options{}, components()...)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				for range 20 {
					if _, err := situ.Do(ctx, p, add.To(fmt.Sprint(i%7), 1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if _, err := situ.Do(ctx, p, add.To("0", -5)); situ.CodeOf(err) != "negative" {
			t.Errorf("err = %v", err)
		}
		total := int64(0)
		for i := range 7 {
			n, err := situ.Do(ctx, p, get.To(fmt.Sprint(i), situ.None{}))
			if err != nil {
				t.Fatal(err)
			}
			total += n
		}
		if want := int64((round + 1) * 1000); total != want {
			t.Errorf("round %d: total %d, want %d", round, total, want)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
