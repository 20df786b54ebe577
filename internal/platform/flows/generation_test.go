package flows_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/platform/flows"
	"github.com/situ-dev/situ/situtest"
)

// What a flow waited for that is forgotten does not end the one that has its key
// since (C12).
func TestGenerations(t *testing.T) {
	situtest.Run(t, program(), func(t *testing.T, rt *situtest.Runtime) {
		began := time.Now()
		ended := make(chan string, 2)
		begin := func(wait string) {
			go func() { ended <- runDoc(t, rt, "f", `{"do":{"wait":"`+wait+`"}}`, nil) }()
			rt.Settle()
		}
		begin("26h")
		situtest.Do(rt, flows.Cancel.To("f", situ.None{}))
		if got := <-ended; got != "!  the flow f was cancelled" {
			t.Errorf("cancelled: %s", got)
		}
		rt.Pass(flows.Keep + time.Hour)
		if left := rt.State(flows.Type, "f"); left != "" {
			t.Errorf("kept: %s", left)
		}
		begin("2h")
		if got := <-ended; got != "null" {
			t.Errorf("the second: %s", got)
		}
		if took := time.Since(began); took != 27*time.Hour {
			t.Errorf("the second ended after %v in all: the timer of the first did it", took)
		}
	})
}
