package flow_test

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// What a workflow says to itself cannot be said from outside: a forged answer, timer or
// wake.
func TestInnerMethods(t *testing.T) {
	code := func(f *flow.Flow, _ string) (string, error) {
		_, err := flow.Wait(f, approve)
		return "", err
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "")); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"flow-reply", "flow-fired", "flow-wake", "flow-expire"} {
			err := situtest.DoErr(rt, situ.Untyped[situ.None]("order/1."+name, map[string]int{"gen": 1}))
			if err == nil || !strings.Contains(err.Error(), "for the program itself") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
