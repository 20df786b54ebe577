package situtest_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

var (
	agingType   = situ.NewType("aging", situ.Retries(situ.Retry{Attempts: 3, Backoff: time.Second, MaxAge: time.Minute}))
	agingAsk    = situ.NewMethod[situ.None, string](agingType, "ask")
	agingTold   = situ.NewMethod[situ.Reply[string, int], string](agingType, "told")
	agingAnswer = situ.NewFunc[situ.None, string]("aging-answer")
)

// A continuation whose first run fails is run again: its age begins with the answer
// that it takes, however little that says of itself.
func TestContinuationHasNoAge(t *testing.T) {
	runs := 0
	components := []situ.Component{
		situ.Function(agingAnswer, func(*situ.Turn, situ.None) (string, error) { return "answered", nil }),
		situ.Object(agingType,
			situ.On(agingAsk, func(_ *struct{}, t *situ.Turn, _ situ.None) (string, error) {
				return situ.Then(t, agingAnswer.With(situ.None{}), agingTold, 1)
			}),
			situ.On(agingTold, func(_ *struct{}, _ *situ.Turn, r situ.Reply[string, int]) (string, error) {
				if runs++; runs == 1 {
					panic("once")
				}
				return r.Value, nil
			})),
	}
	situtest.Run(t, components, func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, agingAsk.To("a", situ.None{})); got != "answered" || runs != 2 {
			t.Errorf("%q after %d runs", got, runs)
		}
	})
}
