package flow_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// The components of these tests: a saga whose second step is a workflow that
// sleeps, and a stock that counts.
var (
	sagaType  = situ.NewType("saga")
	sagaRun   = situ.NewMethod[string, string](sagaType, "run")
	sleepType = situ.NewType("sleeper")
	sleepRun  = situ.NewMethod[string, string](sleepType, "run")
	stockType = situ.NewType("stock")
	take      = situ.NewMethod[int, int](stockType, "take")
	left      = situ.NewMethod[situ.None, int](stockType, "left", situ.ReadOnly)
)

type stock struct{ Taken int }

func sagas() []situ.Component {
	return []situ.Component{
		flow.Workflow(sagaType, sagaRun, func(f *flow.Flow, how string) (string, error) {
			if _, err := flow.Await(f, take.To("s", 1)); err != nil {
				return "", err
			}
			f.Undo(func(f *flow.Flow) error { _, err := flow.Await(f, take.To("s", -1)); return err })
			if how == "self" {
				return "late", flow.Sleep(f, 24*365*time.Hour)
			}
			return flow.Await(f, sleepRun.To("z", how))
		}),
		flow.Workflow(sleepType, sleepRun, func(f *flow.Flow, _ string) (string, error) {
			if _, err := flow.Await(f, take.To("s", 10)); err != nil {
				return "", err
			}
			f.Undo(func(f *flow.Flow) error { _, err := flow.Await(f, take.To("s", -10)); return err })
			return "late", flow.Sleep(f, 24*365*time.Hour)
		}),
		situ.Object(stockType,
			situ.On(take, func(s *stock, _ *situ.Turn, n int) (int, error) { s.Taken += n; return s.Taken, nil }),
			situ.On(left, func(s *stock, _ *situ.Turn, _ situ.None) (int, error) { return s.Taken, nil }))}
}

// TestCancelChain cancels the call that a workflow is: it undoes what it did, and
// so does a workflow that it waits for.
func TestCancelChain(t *testing.T) {
	for how, taken := range map[string]int{"self": 1, "other": 11} {
		t.Run(how, func(t *testing.T) {
			situtest.Options{Shards: 3}.Run(t, sagas(), func(t *testing.T, rt *situtest.Runtime) {
				id, err := situ.Start(t.Context(), rt, sagaRun.To("a", how))
				if err != nil {
					t.Fatal(err)
				}
				rt.Pass(time.Minute)
				if got := situtest.Do(rt, left.To("s", situ.None{})); got != taken {
					t.Fatalf("%d are taken", got)
				}
				if err := rt.Cancel(id, "no need"); err != nil {
					t.Fatal(err)
				}
				rt.Pass(time.Minute)
				if got := situtest.Do(rt, left.To("s", situ.None{})); got != 0 {
					t.Errorf("%d are still taken", got)
				}
				if err := rt.Cancel(id, ""); err == nil {
					t.Error("it was cancelled twice")
				}
			})
		})
	}
}
