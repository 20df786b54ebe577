package killtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/killtest/chained"
	"github.com/situ-dev/situ/internal/killtest/witness"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/wire"
)

// begunChain is a chain that the platform has acknowledged.
type begunChain struct {
	chained.Op
	invocation string
}

// chainRun is the test of chains.
type chainRun struct {
	*server
	seed    uint64
	mu      sync.Mutex
	begun   []begunChain // of this round
	refused []string
	all     int // in all rounds
	retried int
	kills   map[string]int
}

// chainCycles returns how often something is killed.
func chainCycles(t *testing.T) int {
	env := os.Getenv("CHAIN_CYCLES")
	if env == "" {
		return 10
	}
	n, err := strconv.Atoi(env)
	if err != nil || n < 1 {
		t.Fatalf("CHAIN_CYCLES: %q is not a number of cycles", env)
	}
	return n
}

// TestKillChains kills the server again and again while chains are under way: through
// objects and functions, over timers, in workflows and in fan-outs. Each that was
// acknowledged ends, once, with the right answer, and what it called was called once.
func TestKillChains(t *testing.T) {
	dir, err := os.MkdirTemp("", "situ-killchains-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept: the data directory and logs in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r := &chainRun{server: newServer(t, dir), seed: seed.New(t), kills: map[string]int{}}
	began := time.Now()
	r.start()
	round := 0
	for left := chainCycles(t); left > 0 && !t.Failed(); round++ {
		n := min(left, 50)
		r.round(round, n)
		left -= n
	}
	r.stop()
	t.Logf("%d cycles (%v) in %.1f s: %d chains acknowledged, %d of them asked for again after an unknown outcome",
		r.kills[killServer]+r.kills[killBoth]+r.kills[killWorker], r.kills, time.Since(began).Seconds(), r.all, r.retried)
	if r.all < 5*r.kills[killServer] {
		t.Errorf("only %d chains: 5 for each kill are asked for", r.all)
	}
}

// round kills n times while chains begin, and verifies those.
func (r *chainRun) round(round, n int) {
	r.t.Helper()
	r.begun = nil
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for i, kind := range chained.Kinds {
		group.Go(func() { r.begin(ctx, round, kind, rand.New(rand.NewPCG(r.seed, uint64(round)<<8|uint64(i)))) })
	}
	rng := rand.New(rand.NewPCG(r.seed, uint64(round)<<8|0xff))
	for range n {
		<-time.After(time.Duration(5_000+rng.IntN(295_001)) * time.Microsecond)
		what := []string{killServer, killServer, killServer, killBoth, killWorker}[rng.IntN(5)]
		r.kills[what]++
		switch what {
		case killWorker:
			r.renewWorker()
			continue
		case killBoth:
			r.killWorker()
			<-time.After(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		}
		r.kill()
		r.start()
	}
	stop()
	group.Wait()
	r.idle(time.Minute)
	r.verify()
	r.stop()
	r.doctor()
	r.start()
	r.verify()
	r.all += len(r.begun)
}

// begin begins chains of one kind, until it is told to stop and the last is
// acknowledged.
func (r *chainRun) begin(ctx context.Context, round int, kind string, rng *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		op := chained.Op{Kind: kind, ID: fmt.Sprintf("%03d-%s-%d", round, kind, i), N: rng.IntN(1_000_000),
			Delay: time.Duration(rng.IntN(400)) * time.Millisecond}
		id, again, err := r.until(op)
		r.mu.Lock()
		if again > 0 {
			r.retried++
		}
		if err != nil {
			r.refused = append(r.refused, op.ID+": "+err.Error())
		} else {
			r.begun = append(r.begun, begunChain{op, id})
		}
		r.mu.Unlock()
		<-time.After(10 * time.Millisecond) // the server is another process
	}
}

// until asks for a chain until that is acknowledged.
func (r *chainRun) until(op chained.Op) (invocation string, again int, err error) {
	for ; ; again++ {
		ctx, free := context.WithTimeout(context.Background(), 10*time.Second)
		id, err := situ.Start(ctx, r.situ, op.Call().Idempotent(op.ID))
		free()
		if err == nil || !open(err) || again > 3000 {
			return id, again, err
		}
		<-time.After(10 * time.Millisecond)
	}
}

// idle waits until all chains have ended, and then until nothing is queued or on its way
// any more. Workflows that are over keep a timer, for their rows to go.
func (r *chainRun) idle(within time.Duration) {
	r.t.Helper()
	ctx, free := context.WithTimeout(context.Background(), within)
	defer free()
	for _, b := range r.begun {
		for open := true; open; {
			inv, err := r.api.Invocation(ctx, wire.InvocationID(b.invocation), 10*time.Second)
			if err != nil {
				r.t.Fatalf("%s was accepted as %s, and has not ended: %v\n%s", b.ID, b.invocation, err, r.tail())
			}
			open = inv.Status != api.Done && inv.Status != api.Failed
		}
	}
	for last := r.status(); ; {
		<-time.After(5 * time.Millisecond)
		st, busy := r.status(), false
		for i, sh := range st.Shards {
			busy = busy || sh.Queued+sh.Outbox > 0 || sh.Seq != last.Shards[i].Seq
		}
		if !busy {
			return
		}
		if last = st; ctx.Err() != nil {
			r.t.Fatalf("I9: something is still to be done after %v: %+v", within, st.Shards)
		}
	}
}

// verify checks that each chain ended with the right answer, and left its marks
// once, and that there are no others.
func (r *chainRun) verify() {
	r.t.Helper()
	faults := 0
	wrong := func(format string, args ...any) {
		r.t.Helper()
		if faults++; faults <= 20 {
			r.t.Errorf(format, args...)
		}
	}
	for _, why := range r.refused {
		wrong("a chain was refused: %s", why)
	}
	v := &verdict{t: r.t, s: r.server}
	want := map[string]map[string]bool{}
	for _, b := range r.begun {
		ctx, free := context.WithTimeout(context.Background(), 20*time.Second)
		inv, err := r.api.Invocation(ctx, wire.InvocationID(b.invocation), 0)
		free()
		var got int
		switch {
		case err != nil:
			wrong("%s was accepted as %s: %v", b.ID, b.invocation, err)
		case inv.Status != api.Done:
			wrong("%s is %s: %+v", b.ID, inv.Status, inv.Error)
		case json.Unmarshal(inv.Result, &got) != nil || got != b.Answer():
			wrong("%s answered %s, want %d", b.ID, inv.Result, b.Answer())
		}
		if want[b.Ledger()] == nil {
			want[b.Ledger()] = map[string]bool{}
		}
		for _, m := range b.Marks() {
			want[b.Ledger()][m] = true
		}
	}
	for key, marks := range want {
		got := ask(v, witness.Applied.To(key, situ.None{}))
		for m, n := range got.Applied {
			if n != 1 || !marks[m] {
				wrong("the mark %s was left %d times; wanted: %v", m, n, marks[m])
			}
		}
		for m := range marks {
			if got.Applied[m] == 0 {
				wrong("the mark %s was not left", m)
			}
		}
	}
	for _, sh := range r.status().Shards {
		if sh.Dead > 0 {
			wrong("shard %d has %d dead letters: no message deserved it", sh.ID, sh.Dead)
		}
	}
}
