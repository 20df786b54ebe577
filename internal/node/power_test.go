package node_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store/crashfs"
	"github.com/situ-dev/situ/internal/wire"
)

// A ledger numbers what it sends to others and keeps what it gets: enough to
// see what is lost, done twice or out of order.
var (
	ledgerType = situ.NewType("ledger")
	giveAway   = situ.NewMethod[giveIn, int](ledgerType, "give")
	takeIn     = situ.NewMethod[gift, situ.None](ledgerType, "take")
	ledgerView = situ.NewMethod[situ.None, ledger](ledgerType, "view", situ.ReadOnly)
)

type giveIn struct {
	To string `json:"to"`
}

type gift struct {
	From string `json:"from"`
	N    int    `json:"n"`
}

// ledger is what one has given to whom, and taken from whom.
type ledger struct {
	Gave map[string]int   `json:"gave"`
	Took map[string][]int `json:"took"`
}

func ledgers() []situ.Component {
	return []situ.Component{situ.Object(ledgerType,
		situ.On(giveAway, func(l *ledger, t *situ.Turn, in giveIn) (int, error) {
			if l.Gave == nil {
				l.Gave = map[string]int{}
			}
			l.Gave[in.To]++
			situ.Send(t, takeIn.To(in.To, gift{t.Key(), l.Gave[in.To]}))
			return l.Gave[in.To], nil
		}),
		situ.On(takeIn, func(l *ledger, _ *situ.Turn, g gift) (none situ.None, err error) {
			if l.Took == nil {
				l.Took = map[string][]int{}
			}
			l.Took[g.From] = append(l.Took[g.From], g.N)
			return none, nil
		}),
		situ.On(ledgerView, func(l *ledger, _ *situ.Turn, _ situ.None) (ledger, error) { return *l, nil }),
	)}
}

// TestPowerLoss runs a whole node on a disk that loses power, again and again:
// half of the times at the very moment before a commit, half at some sync.
// Each time the disk keeps a random share of what was not synced. What was
// answered is there, and each message that a ledger sent to another, mostly
// over a border of shards, arrives once and in order. A sender that is told
// that its message has arrived before the receiver's commit forgets it too
// early; then one is missing here.
func TestPowerLoss(t *testing.T) {
	seed, cycles := seed.New(t), 300
	if env := os.Getenv("POWER_CYCLES"); env != "" {
		var err error
		if cycles, err = strconv.Atoi(env); err != nil {
			t.Fatalf("POWER_CYCLES: %v", err)
		}
	}
	set, err := situ.Assemble(ledgers()...)
	if err != nil {
		t.Fatal(err)
	}
	acked, inCommit := 0, 0
	for dir := 0; dir*10 < cycles && !t.Failed(); dir++ {
		synctest.Test(t, func(t *testing.T) {
			p := &outage{t: t, set: set, rng: rand.New(rand.NewPCG(seed, uint64(dir))), fs: crashfs.New(), acked: map[[2]string]int{}}
			defer func() {
				if t.Failed() { // a fatal one left it open
					p.close()
				}
			}()
			for range 10 {
				p.cycle()
			}
			p.at = 0
			p.open()
			p.verify()
			p.close()
			for _, n := range p.acked {
				acked += n
			}
			inCommit += p.inCommit
		})
	}
	t.Logf("%d calls acknowledged over %d power losses (%d right before a commit), none lost, no message lost, doubled or out of order", acked, cycles, inCommit)
	if inCommit == 0 || acked < cycles {
		t.Error("the test does not see what it is for")
	}
}

// outage is a node that loses power.
type outage struct {
	t        *testing.T
	set      *host.Set
	rng      *rand.Rand
	acked    map[[2]string]int // from and to: how many gifts, by the answers
	inCommit int

	node    *node.Node
	runners []*host.Runner
	stop    context.CancelFunc
	done    chan error
	dead    atomic.Bool

	mu       sync.Mutex
	fs       *crashfs.FS
	clone    *crashfs.FS // what the loss left; nil: not yet
	at       int         // the commit, or the sync, at which power is lost; 0: none
	atCommit bool
	live     map[[2]string]int // acked by now
	keep     vfs.CrashCloneCfg
}

const ledgerCount = 6

func ledgerKey(i int) string { return fmt.Sprint("l", i) }

// moment is called before each commit and each sync.
func (p *outage) moment(commit bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at > 0 && commit == p.atCommit {
		if p.at--; p.at == 0 {
			for k, n := range p.live {
				p.acked[k] = max(p.acked[k], n)
			}
			p.clone = p.fs.CrashClone(p.keep)
			p.dead.Store(true)
			if commit {
				p.inCommit++
			}
		}
	}
	if commit && p.dead.Load() {
		return errCrash
	}
	return nil
}

func (p *outage) open() {
	p.t.Helper()
	p.dead.Store(false)
	cfg := node.Config{Dir: "data", Shard: shard.Config{BeforeCommit: func(wire.Seq) error { return p.moment(true) }}}
	cfg.Store.FS, cfg.Store.MemTable, cfg.Store.Cache, cfg.Store.Shards = syncMoments{p.fs, p}, 32<<10, 1<<20, 3
	cfg.Store.Fatal = func(err error) { p.t.Error(err) }
	n, err := node.Open(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.node = n
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.done = stop, make(chan error, 1)
	go func() { p.done <- n.Run(ctx) }()
	p.runners = nil
	for range n.Shards() {
		p.runners = append(p.runners, host.NewRunner(p.set, host.Config{}))
	}
	m := p.set.Manifest()
	if err := n.Program(node.Main).SetHosts(func(id wire.ShardID) shard.Host { return p.runners[id] }, &m); err != nil {
		p.t.Error(err)
	}
}

func (p *outage) close() {
	p.stop()
	if err := <-p.done; err != nil && !errors.Is(err, errCrash) {
		p.t.Error(err)
	}
	for _, r := range p.runners {
		r.Close()
	}
}

// cycle opens the node, has callers make calls until power is lost, and takes
// what that left.
func (p *outage) cycle() {
	p.keep = vfs.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: rand.New(rand.NewPCG(p.rng.Uint64(), 1))}
	p.at, p.clone, p.live = 0, nil, map[[2]string]int{}
	p.open()
	p.verify()
	p.mu.Lock()
	p.at, p.atCommit = 1+p.rng.IntN(60), p.rng.IntN(2) == 0
	p.mu.Unlock()
	var group sync.WaitGroup
	for i := range ledgerCount {
		r := rand.New(rand.NewPCG(p.rng.Uint64(), 0))
		group.Go(func() {
			for !p.dead.Load() {
				to := ledgerKey((i + 1 + r.IntN(ledgerCount-1)) % ledgerCount)
				n, err := situ.Do(context.Background(), p.node, giveAway.To(ledgerKey(i), giveIn{to}))
				if err != nil {
					return
				}
				p.mu.Lock()
				p.live[[2]string{ledgerKey(i), to}] = n
				p.mu.Unlock()
			}
		})
	}
	group.Wait()
	p.close()
	p.fs = p.clone
}

// verify waits until all messages have arrived, and looks at every ledger.
func (p *outage) verify() {
	p.t.Helper()
	time.Sleep(time.Minute)
	synctest.Wait()
	all := map[string]ledger{}
	for i := range ledgerCount {
		l, err := situ.Do(context.Background(), p.node, ledgerView.To(ledgerKey(i), situ.None{}))
		if err != nil && situ.CodeOf(err) != "unknown" {
			p.t.Fatal(err)
		}
		all[ledgerKey(i)] = l
	}
	for from, l := range all {
		for to := range all {
			if l.Gave[to] < p.acked[[2]string{from, to}] {
				p.t.Errorf("%s gave %s %d times; %d were acknowledged", from, to, l.Gave[to], p.acked[[2]string{from, to}])
			}
			got := all[to].Took[from]
			for i, n := range got {
				if n != i+1 {
					p.t.Fatalf("gift %d that %s took from %s is number %d", i+1, to, from, n)
				}
			}
			if len(got) != l.Gave[to] {
				p.t.Errorf("%s gave %s %d times, and that took %d", from, to, l.Gave[to], len(got))
			}
		}
	}
	if p.t.Failed() {
		p.t.FailNow()
	}
}

// syncMoments tells an outage of syncs.
type syncMoments struct {
	vfs.FS
	p *outage
}

func (fs syncMoments) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return syncMoment{f, fs.p}, err
}

// OpenReadWrite is for the log, which is made by Create and then opened.
func (fs syncMoments) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return syncMoment{f, fs.p}, err
}

type syncMoment struct {
	vfs.File
	p *outage
}

func (f syncMoment) Sync() error     { _ = f.p.moment(false); return f.File.Sync() }
func (f syncMoment) SyncData() error { _ = f.p.moment(false); return f.File.SyncData() }
