package situtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

// A function that fails and pauses for long is a row meanwhile: it goes on after a
// crash, knows how often it has failed, and has the same random numbers.
func TestLongPause(t *testing.T) {
	var runs []string
	flaky := situ.NewFunc[situ.None, int]("flaky", situ.Retries(situ.RetryPolicy(4, time.Hour, 3*time.Hour)))
	code := situ.Function(flaky, func(t *situ.Turn, _ situ.None) (int, error) {
		runs = append(runs, fmt.Sprint(t.Attempt(), " ", t.Rand().IntN(1000)))
		if t.Attempt() < 3 {
			panic("not yet")
		}
		return t.Attempt(), nil
	})
	situtest.Run(t, []situ.Component{code}, func(t *testing.T, rt *situtest.Runtime) {
		call := flaky.With(situ.None{}).Idempotent("k")
		if _, err := situ.Start(t.Context(), rt, call); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			rt.Pass(30*time.Minute + time.Second)
			rt.Crash()
		}
		if got := situtest.Do(rt, call); got != 3 || len(runs) != 4 {
			t.Errorf("the answer is %d after %d runs: %q", got, len(runs), runs)
		}
		for i, r := range runs {
			if want := fmt.Sprint(i, runs[0][1:]); r != want {
				t.Errorf("run %d: %s, want %s", i, r, want)
			}
		}
	})
}
