package airline

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
)

// probe is the callers beside the airline: every millisecond one of them adds
// to a counter, however long the others wait for their answers. It is the
// platform without itself, too: its figures leave its calls out.
type probe struct {
	platform.Platform
	stopped chan struct{}
	ended   chan struct{}

	mu      sync.Mutex // held while a call is begun, or to prevent that
	flying  sync.WaitGroup
	answers sync.Mutex // guards what follows
	took    report.Latencies
	err     error
}

// probeEvery is the time between two calls, and probes the number of counters
// they go to, on all shards.
const (
	probeEvery = time.Millisecond
	probes     = 64
)

func probeKey(i int) string { return "probe" + strconv.Itoa(i%probes) }

func newProbe(p platform.Platform) *probe {
	return &probe{Platform: p, stopped: make(chan struct{}), ended: make(chan struct{})}
}

func (pr *probe) start() {
	go func() {
		defer close(pr.ended)
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				pr.begin(i)
			case <-pr.stopped:
				return
			}
		}
	}()
}

func (pr *probe) begin(i int) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	begin := time.Now()
	pr.flying.Go(func() {
		// It is not cut short by stop: a call must be counted.
		_, err := situ.Do(context.Background(), pr.Platform, counter.Add.To(probeKey(i), 1))
		took := time.Since(begin)
		pr.answers.Lock()
		defer pr.answers.Unlock()
		pr.took = append(pr.took, took)
		if pr.err == nil {
			pr.err = err
		}
	})
}

// Figures implements platform.Platform, as if there were no probe. While there
// is much to do, they are off by the calls in flight. Else no call is begun
// while they are read, so that they are exact.
func (pr *probe) Figures(ctx context.Context) (platform.Figures, error) {
	const much = 1000
	f, err := pr.Platform.Figures(ctx)
	if err == nil && f.Pending < much {
		pr.mu.Lock()
		defer pr.mu.Unlock()
		pr.flying.Wait()
		f, err = pr.Platform.Figures(ctx)
	}
	pr.answers.Lock()
	defer pr.answers.Unlock()
	f.Turns -= min(f.Turns, uint64(len(pr.took)))
	return f, err
}

// stop ends the calls and returns how long they took.
func (pr *probe) stop() (report.Latencies, error) {
	close(pr.stopped)
	<-pr.ended
	pr.flying.Wait()
	return pr.took, pr.err
}
