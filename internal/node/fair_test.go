package node_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/store"
)

// TestBusyObjectsShareTheirShard has two objects with mail for a second each,
// of handlers that take a millisecond. Calls to others in their shard come in
// between: each waits for a slice of both, and not for all of their mail. And
// neither of the two waits for the other.
func TestBusyObjectsShareTheirShard(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		const calls = 1000
		var busy sync.WaitGroup
		var ends [2]time.Duration
		began := time.Now()
		for i := range ends {
			var group sync.WaitGroup
			for range calls {
				group.Go(func() { do(r, nap.To(fmt.Sprint("busy", i), time.Millisecond)) })
			}
			busy.Go(func() { group.Wait(); ends[i] = time.Since(began) })
		}
		synctest.Wait()
		var others sync.WaitGroup
		for i := range 20 {
			key := fmt.Sprint("other", i)
			others.Go(func() {
				for range 5 {
					asked := time.Now()
					do(r, push.To(key, 1))
					if d := time.Since(asked); d > 25*time.Millisecond {
						t.Errorf("%s was answered after %v", key, d)
						return
					}
				}
			})
		}
		others.Wait()
		busy.Wait()
		if d := ends[0] - ends[1]; max(d, -d) > 50*time.Millisecond {
			t.Errorf("one was done after %v, the other after %v", ends[0], ends[1])
		}
	})
}
