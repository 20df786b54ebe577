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

// decision is what a person says, by a signal.
type decision struct {
	By string `json:"by"`
	OK bool   `json:"ok"`
}

var (
	approval = situ.NewType("approval")
	ask      = situ.NewMethod[situ.None, string](approval, "ask")
	Approve  = flow.NewSignal[decision](approval, "approve", situ.Doc("Decides."), situ.Example(decision{By: "eve", OK: true}))
)

const patience = 48 * time.Hour

// decided waits for a person, but not for ever.
func decided(f *flow.Flow, _ situ.None) (string, error) {
	late := flow.Timer(f, patience)
	answer := flow.Next(f, Approve)
	first, err := flow.First(answer, late)
	if err != nil {
		return "", err
	}
	if first == 1 {
		return "", situ.Errorf("late", "nobody approved %s in %v", f.Key(), patience)
	}
	d, err := answer.Get()
	return d.By, err
}

func TestSignalOrTime(t *testing.T) {
	situtest.Run(t, []situ.Component{flow.Workflow(approval, ask, decided)}, func(t *testing.T, rt *situtest.Runtime) {
		for _, key := range []string{"1", "2"} {
			if _, err := situ.Start(t.Context(), rt, ask.To(key, situ.None{})); err != nil {
				t.Fatal(err)
			}
		}
		situtest.Do(rt, Approve.To("1", decision{By: "eve", OK: true}))
		if got := situtest.Do(rt, ask.To("1", situ.None{})); got != "eve" {
			t.Errorf("approved by %q", got)
		}
		rt.Pass(patience)
		if err := situtest.DoErr(rt, ask.To("2", situ.None{})); situ.CodeOf(err) != "late" {
			t.Errorf("nobody decided: %v", err)
		}
	})
}
