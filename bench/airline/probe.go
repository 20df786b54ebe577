package airline

import (
	"context"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
)

// probe is the caller beside the airline: it makes one call after another. It
// is the platform without itself, too: its figures leave its calls out.
type probe struct {
	platform.Platform
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex // held while a call is made
	took report.Latencies
	err  error
}

func newProbe(ctx context.Context, p platform.Platform) *probe {
	ctx, cancel := context.WithCancel(ctx)
	pr := &probe{Platform: p, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(pr.done)
		for ctx.Err() == nil && pr.err == nil {
			pr.call()
			select { // one call in flight leaves the processors to the airline, mostly
			case <-time.After(500 * time.Microsecond):
			case <-ctx.Done():
			}
		}
	}()
	return pr
}

func (pr *probe) call() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	begin := time.Now()
	// It is not cut short by stop: a call must be counted.
	_, pr.err = situ.Do(context.Background(), pr.Platform, counter.Add.To("probe", 1))
	pr.took = append(pr.took, time.Since(begin))
}

// Figures implements platform.Platform, as if there were no probe.
func (pr *probe) Figures(ctx context.Context) (platform.Figures, error) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	f, err := pr.Platform.Figures(ctx)
	f.Turns -= uint64(len(pr.took))
	return f, err
}

// stop ends the calls and returns how long they took.
func (pr *probe) stop() (report.Latencies, error) {
	pr.cancel()
	<-pr.done
	return pr.took, pr.err
}
