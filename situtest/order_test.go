package situtest_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

var (
	nodeType = situ.NewType("node", situ.Retries(situ.RetryPolicy(2, time.Second, time.Second)))
	step     = situ.NewMethod[string, int](nodeType, "step")
	count    = situ.NewMethod[situ.None, int](nodeType, "count", situ.ReadOnly)
	spread   = situ.NewFunc[[]string, situ.None]("spread")

	// A caller's contract may be newer than the code.
	newer  = situ.NewType("node")
	nosuch = situ.NewMethod[situ.None, situ.None](newer, "nosuch")
)

type counted struct {
	N    int
	Seen []string // not flat: a failed turn gives the instance up
}

// components host a node that counts steps, and a function that sends each of
// its words as a step, "?" as a call of a method that there is not.
func components() []situ.Component {
	return []situ.Component{
		situ.Object(nodeType,
			situ.On(step, func(c *counted, t *situ.Turn, what string) (int, error) {
				c.N++
				c.Seen = append(c.Seen, what)
				switch what {
				case "panic":
					panic("oh")
				case "error":
					return 0, situ.Errorf("no", "no")
				case "slow":
					time.Sleep(time.Second)
				case "stuck":
					time.Sleep(2 * time.Minute)
				}
				return c.N, nil
			}),
			situ.On(count, func(c *counted, _ *situ.Turn, _ situ.None) (int, error) { return c.N, nil })),
		situ.Function(spread, func(t *situ.Turn, words []string) (situ.None, error) {
			for _, w := range words {
				if w == "?" {
					situ.Send(t, nosuch.To("a", situ.None{}))
				} else {
					situ.Send(t, step.To("a", w))
				}
			}
			return situ.None{}, nil
		}),
	}
}

// Messages that come in one frame have their effects once each, whatever
// becomes of those between them.
func TestFailuresInOneFrame(t *testing.T) {
	for name, c := range map[string]struct {
		words []string
		want  int
	}{
		"panics, then a method there is not":  {[]string{"panic", "?", "a", "?", "b"}, 2},
		"good ones before and after failures": {[]string{"a", "error", "b", "panic", "c", "?", "error", "d"}, 4},
		"slow, then failures":                 {[]string{"a", "slow", "?", "panic", "b"}, 3},
		"given up after good ones":            {[]string{"a", "b", "stuck", "?", "c"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			situtest.Run(t, components(), func(t *testing.T, rt *situtest.Runtime) {
				situtest.Do(rt, spread.With(c.words))
				rt.Pass(time.Hour)
				if got := situtest.Do(rt, count.To("a", situ.None{})); got != c.want {
					t.Errorf("counted %d, want %d", got, c.want)
				}
				rt.Crash()
				if got := situtest.Do(rt, count.To("a", situ.None{})); got != c.want {
					t.Errorf("after a crash: %d, want %d", got, c.want)
				}
			})
		})
	}
}
