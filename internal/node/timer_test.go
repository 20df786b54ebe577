package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/node"
)

// TestFailedTimerFiresOnce crashes while a delayed call waits to be run again:
// it is mail by then, and a timer no more.
func TestFailedTimerFiresOnce(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		if _, err := situ.Start(context.Background(), r, flaky.With(2).After(time.Minute)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute + time.Second/2) // the first run has failed
		attempts.Store(0)
		r.crash()
		pass(time.Hour)
		if n := attempts.Load(); n != 2 {
			t.Errorf("%d runs after the crash, want one that fails and one that counts", n)
		}
		if st := r.stats(); st.Timers+st.Queued+st.Dead != 0 {
			t.Errorf("%+v", st)
		}
	})
}
