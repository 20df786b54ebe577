package docs_test

import (
	"context"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// What docs/workflows.md shows, beside the code of examples/checkout.

var (
	meterType = situ.NewType("meter")
	read30    = situ.NewMethod[int, int](meterType, "read")
	halt      = flow.NewSignal[situ.None](meterType, "halt")
)

// meter reads once a minute, for ever.
func meter(f *flow.Flow, total int) (int, error) {
	greeting := "hello"
	if flow.Version(f, "be formal", 1) >= 1 {
		greeting = "good morning"
	}
	stop := flow.Next(f, halt)
	for round := 0; ; round++ {
		first, err := flow.First(stop, flow.Timer(f, time.Minute))
		if err != nil || first == 0 {
			return total, err
		}
		n, err := flow.Step(f, "read", func(context.Context) (int, error) { return len(greeting), nil })
		if err != nil {
			return 0, err
		}
		total += n
		if round == 30 {
			return flow.ContinueAsNew[int](f, total)
		}
	}
}

func TestMeter(t *testing.T) {
	situtest.Run(t, []situ.Component{flow.Workflow(meterType, read30, meter)}, func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, read30.To("1", 0)); err != nil {
			t.Fatal(err)
		}
		const rounds = 100
		rt.Pass(rounds*time.Minute + time.Second)
		rt.Crash()
		situtest.Do(rt, halt.To("1", situ.None{}))
		if got, want := situtest.Do(rt, read30.To("1", 0)), rounds*len("good morning"); got != want {
			t.Errorf("total %d, want %d", got, want)
		}
	})
}
