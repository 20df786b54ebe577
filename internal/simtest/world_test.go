package simtest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/wire"
)

// world is one run: everything that exists in it, and the only source of
// chance.
type world struct {
	seed    uint64
	rand    *rand.Rand
	steps   int
	wall    wire.Time // what clocks show
	latest  wire.Time // the latest they ever showed
	node    bool      // all shards in one process; otherwise each is a node
	cfg     conf.Config
	disk    disk
	shards  []*shard
	chans   []*channel
	ops     []*op
	clients int
	budget  int      // of operations
	spread  int      // objects of a letter at most
	mix     []string // methods to choose from
	syncs   int      // how soon a commit ends, in thousandths of a turn of its shard
	faults  faults
	edges   int  // chance that a wake-up is lost, in thousandths; not without sweeps
	missed  int  // wake-ups that were lost since the faults ended
	quiet   bool // the faults have ended

	events []event // the last ones, as a ring
	logged int     // events so far
	digest uint64  // of all events
	count  map[string]int
	errs   []string
}

// faults are the chances of what goes wrong, in thousandths.
type faults struct {
	panics, slices, detach, abandon, redo int // of a turn
	repeat                                int // of a turn of the network
	crash, lose, jump, leave              int // of a step
}

type event struct {
	step int
	wall wire.Time
	what string
	args []any
}

// eventsKept is how many of the last events a failure shows.
const eventsKept = 200

func (w *world) chance(n int) bool { return n > 0 && w.rand.IntN(1000) < n }

// seen counts what happened.
func (w *world) seen(what string) { w.count[what]++ }

// log keeps an event. The arguments must be values.
func (w *world) log(what string, args ...any) {
	w.mix64(uint64(w.steps))
	w.mix64(hash(what))
	for _, a := range args {
		switch a := a.(type) {
		case int:
			w.mix64(uint64(a))
		case wire.Seq:
			w.mix64(uint64(a))
		case string:
			w.mix64(hash(a))
		case []byte:
			w.mix64(hash(string(a)))
		}
	}
	e := event{w.steps, w.wall, what, args}
	if len(w.events) < eventsKept {
		w.events = append(w.events, e)
	} else {
		w.events[w.logged%eventsKept] = e
	}
	w.logged++
}

func (w *world) mix64(n uint64) { w.digest = (w.digest ^ n) * 1099511628211 }

// hash gives a number to a string.
func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum64()
}

func (w *world) fail(format string, args ...any) {
	if len(w.errs) < 20 {
		msg := fmt.Sprintf("step %d: ", w.steps) + fmt.Sprintf(format, args...)
		w.errs = append(w.errs, msg)
		w.log("FAILURE", msg)
	}
}

// note adds to what was reported by fail.
func (w *world) note(format string, args ...any) {
	w.errs = append(w.errs, "  "+fmt.Sprintf(format, args...))
}

// stopped is what run panics with when going on makes no sense.
type stopped struct{}

// report says what went wrong, how to run it again, and what came before.
func (w *world) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SITU_SEED=%d go test -run 'TestSim$' ./internal/simtest\n", w.seed)
	for _, e := range w.errs {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	fmt.Fprintf(&b, "%d shards (one node: %v), disk %T, %d operations, %d steps, faults %+v\nconfig: frames of %d, run ahead %v, %d queued, %d in a mailbox, window %d, timers %d, resident %d, sweep every %v, wake-ups lost %d\n",
		len(w.shards), w.node, w.disk, len(w.ops), w.steps, w.faults,
		w.cfg.FrameTasks, w.cfg.RunAhead, w.cfg.MaxQueued, w.cfg.MaxMailbox, w.cfg.ChannelWindow, w.cfg.TimerWindow, w.cfg.MaxResident, w.cfg.Sweep, w.edges)
	for _, k := range sortedKeys(w.count) {
		fmt.Fprintf(&b, "%s: %d; ", k, w.count[k])
	}
	fmt.Fprintf(&b, "\nthe last %d events:\n", len(w.events))
	for i := range w.events {
		e := w.events[(w.logged+i)%len(w.events)]
		fmt.Fprintf(&b, "%6d %+14v %s", e.step, time.Duration(e.wall-start), e.what)
		for _, a := range e.args {
			if s, ok := a.([]byte); ok {
				a = string(s)
			}
			fmt.Fprint(&b, " ", a)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// start is when each run begins.
const start wire.Time = 1_800_000_000_000_000_000

// mixes are the methods that make sense together.
var mixes = [][]string{
	{"pay", "payw"}, {"add"}, {"emit"}, {"remind"}, {"hold", "free"}, {"relay", "pair"}, {"no", "poison", "loose"}, {"await", "add"}, {"add", "peek", "peek"},
	{"write", "cas", "read", "read"}, {"write", "cas", "read", "view", "clear"}, {"write", "view", "clear", "remove"},
}

// newWorld makes the world of a seed: how many shards, what bounds, which
// faults, and what the clients do.
func newWorld(seed uint64, power bool) *world {
	r := rand.New(rand.NewPCG(seed, 0x5174))
	w := &world{seed: seed, rand: r, wall: start, latest: start, count: map[string]int{}}
	w.node = power || r.IntN(2) == 0
	pick := func(n ...int) int { return n[r.IntN(len(n))] }
	w.cfg = conf.Config{
		FrameTasks:     pick(1, 2, 3, 8, 512),
		MaxCommit:      pick(500, 4000, 1<<20),
		RunAhead:       time.Duration(pick(1, 1e5, 1e6, 1e7)),
		MaxQueued:      pick(4, 10, 100_000),
		MaxQueuedBytes: pick(1500, 64<<20),
		MaxMailbox:     pick(2, 5, 10_000),
		MaxOutbox:      pick(2000, 64<<20),
		MaxFunctions:   pick(1, 2, 256),
		ChannelWindow:  pick(100, 600, 4<<20),
		TimerWindow:    pick(1, 2, 5, 1<<16),
		MaxResident:    pick(1, 3, 250_000),
		IdleAfter:      time.Duration(pick(1e6, 1e9, 600e9)),
		Sweep:          time.Duration(pick(-1, -1, 1e8, 2e9)), // without a net no wake-up may be missing
		Trials:         &conf.Trials{},
	}
	w.syncs = pick(1000, 1000, 200, 50)
	f := func(n ...int) int { return n[r.IntN(len(n))] }
	w.faults = faults{panics: f(0, 20, 100), slices: f(0, 30), detach: f(0, 20, 150), abandon: f(0, 200), redo: f(0, 20),
		repeat: f(0, 50, 200), crash: f(0, 3, 10, 25), lose: f(0, 3, 10), jump: f(0, 2), leave: f(0, 5)}
	if w.edges = f(0, 20, 200); w.cfg.Sweep < 0 {
		w.edges = 0
	}
	w.cfg.Lose = w.loses
	for i := range 1 + r.IntN(4) {
		w.shards = append(w.shards, &shard{w: w, id: i})
	}
	for i := range w.shards {
		for j := range w.shards {
			w.chans = append(w.chans, &channel{w: w, from: i, to: j})
		}
	}
	w.clients, w.budget, w.spread = 1+r.IntN(40), 20+r.IntN(100), pick(1, 2, 5, 5)
	for _, m := range mixes {
		for range f(0, 1, 1, 3) {
			w.mix = append(w.mix, m...)
		}
	}
	if r.IntN(3) == 0 { // one thing, and often
		w.mix = mixes[r.IntN(len(mixes))]
	}
	if len(w.mix) == 0 {
		w.mix = []string{"add"}
	}
	return w
}

// missedMost bounds the wake-ups that are lost while all is to come to rest.
const missedMost = 100

// loses decides whether a wake-up is lost. That goes on when the faults have
// ended: a lost wake-up is a bug, not a fault, and the sweep makes it good.
func (w *world) loses(sig conf.Signal) bool {
	if !w.chance(w.edges) || w.missed == missedMost {
		return false
	}
	if w.quiet {
		w.missed++
	}
	w.seen("wake-up lost: " + sig.String())
	return true
}

func (w *world) channel(from, to int) *channel { return w.chans[from*len(w.shards)+to] }

// run runs the world on d: trouble, rest, and the checks. What is wrong is in
// errs afterwards.
func (w *world) run(d disk) {
	defer func() {
		switch v := recover().(type) {
		case nil, stopped:
		default:
			w.fail("panic: %v\n%s", v, debug.Stack())
		}
		for _, s := range w.shards {
			if s.pending != nil {
				s.pending.Close()
			}
		}
		w.disk.close()
	}()
	w.disk = d
	for w.steps < 4000 {
		w.step()
		if len(w.ops) >= w.budget && w.chance(10) {
			break
		}
	}
	w.settle()
	w.verify()
}

// step does one thing of the troubled part.
func (w *world) step() {
	w.steps++
	r := w.rand
	switch n := r.IntN(100); {
	case n < 12:
		w.client()
	case n < 30:
		w.chans[r.IntN(len(w.chans))].poke()
	case n < 36:
		w.pass(wire.Time(r.Int64N(1 << (8 + r.IntN(20)))))
	default:
		w.shards[r.IntN(len(w.shards))].poke()
	}
	w.trouble()
	if len(w.errs) > 0 {
		panic(stopped{})
	}
}

func (w *world) pass(d wire.Time) {
	w.wall += d
	w.latest = max(w.latest, w.wall)
}

// trouble makes something go wrong, or not.
func (w *world) trouble() {
	r, f := w.rand, w.faults
	if w.chance(f.crash) {
		w.crashAt(w.shards[r.IntN(len(w.shards))])
	}
	if w.chance(f.lose) {
		how := lostDied + r.IntN(2)
		if r.IntN(3) == 0 {
			for _, s := range w.shards {
				s.lose(how)
			}
		} else {
			w.shards[r.IntN(len(w.shards))].lose(how)
		}
	}
	if w.chance(f.leave) {
		w.leave()
	}
	if w.chance(f.jump) {
		w.seen("clock jumped")
		jumps := []time.Duration{time.Hour, -time.Hour, -10 * time.Minute, time.Second}
		w.pass(wire.Time(jumps[r.IntN(len(jumps))]))
		w.log("clock jumps")
	}
}

// crashAt stops the node of a shard, whatever it was doing.
func (w *world) crashAt(s *shard) {
	hit := []*shard{s}
	if w.node {
		hit = w.shards
		w.cfg.Trials = &conf.Trials{}
	}
	var pending []commit
	for _, s := range hit {
		if s.pending != nil {
			pending = append(pending, commit{s.id, s.pending})
		}
	}
	w.log("crash", s.id, "commits under way", len(pending))
	w.seen("crash")
	for _, s := range hit {
		if s.core != nil && s.core.Flying() {
			w.seen("crash with a frame in flight")
		}
		s.down()
	}
	n := len(pending)
	kept := w.disk.crash(w.rand, pending)
	w.count["commit under way, there after the crash"] += kept
	w.count["commit under way, lost in the crash"] += n - kept
	for _, c := range w.chans {
		switch {
		case w.node:
			c.segs, c.acks, c.next = nil, nil, 0
		case c.to == s.id: // the sender finds that the connection is broken
			c.next = 0
		case c.from == s.id && w.chance(500): // so does the receiver
			c.segs, c.next = nil, 0
		}
	}
}

// settle ends the faults and lets everything come to rest. From here on a
// shard is only woken as its goroutine would be: by what is posted to it, by a
// report, by the end of a commit, and at the time for which it asked.
func (w *world) settle() {
	w.quiet, w.faults = true, faults{}
	w.log("the faults end")
	w.pass(w.latest - w.wall) // a clock that was set back catches up
	for _, s := range w.shards {
		if s.core == nil {
			s.open()
		}
		if !s.resent {
			s.resend()
		}
		for s.lost != 0 {
			s.apply()
		}
		if s.host == nil {
			s.attach()
		}
		s.woken = true
	}
	for _, c := range w.chans {
		c.again()
	}
	for range 6000 {
		w.steps++
		busy := w.carry()
		for _, i := range w.rand.Perm(len(w.shards)) {
			busy = w.shards[i].turn() || busy
		}
		if len(w.errs) > 0 {
			panic(stopped{})
		}
		if busy || w.askAll() {
			continue
		}
		if w.rest() {
			w.log("rest")
			return
		}
		w.wait()
	}
	w.fail(noRest+": %s", w.unrest())
	panic(stopped{})
}

// noRest is how the failure of a run begins in which work is left undone.
const noRest = "does not come to rest"

// carry delivers all that is on its way.
func (w *world) carry() (busy bool) {
	for _, i := range w.rand.Perm(len(w.chans)) {
		c := w.chans[i]
		for c.deliver() {
			busy = true
		}
		for c.deliverAck() {
			busy = true
		}
	}
	return busy
}

// turn lets the shard's goroutine have a turn, if it would wake up.
func (s *shard) turn() bool {
	busy := false
	switch {
	case s.frame != nil:
		s.runFrame()
		busy = true
	case s.host != nil && len(s.host.late) > 0:
		s.endLate()
		busy = true
	}
	busy = s.apply() || busy
	if s.w.chance(500) {
		busy = s.commit() || busy
	}
	if s.woken || s.w.wall >= s.wakeAt {
		s.woken = false
		s.step()
		s.check()
		busy = true
	}
	return busy || s.pending != nil || s.synced
}

// askAll lets all clients ask again.
func (w *world) askAll() (busy bool) {
	for _, o := range w.ops {
		if o.status == planned && o.again <= w.steps {
			o.again = w.steps + 200
			busy = w.ask(o) || busy
		}
	}
	return busy
}

// wait goes on to the next time at which something may happen.
func (w *world) wait() {
	next := never
	for _, s := range w.shards {
		next = min(next, s.wakeAt)
	}
	for _, o := range w.ops {
		if o.status == planned {
			o.again = w.steps
		}
		if o.method == "hold" && !o.ended() && w.chance(300) {
			w.newOp("free", o.to.Key)
		}
	}
	if next > w.wall && next < never {
		w.pass(next - w.wall)
		return
	}
	for _, c := range w.chans {
		c.again()
	}
	w.pass(1e6)
}

// unrest says what is still to be done, "" if there is nothing.
func (w *world) unrest() string {
	var b strings.Builder
	for _, o := range w.ops {
		if !o.ended() {
			fmt.Fprintf(&b, "%v; ", o)
		}
	}
	for _, s := range w.shards {
		st := s.core.Count()
		if st.Queued > 0 || st.Timers > 0 || st.Outbox > 0 || s.core.Running() || s.core.Committing() || s.core.Wanted() {
			fmt.Fprintf(&b, "shard %d has %d queued, %d timers, %d bytes in the outbox, running %v, committing %v, wanted %v; ",
				s.id, st.Queued, st.Timers, st.Outbox, s.core.Running(), s.core.Committing(), s.core.Wanted())
		}
	}
	return b.String()
}

func (w *world) rest() bool { return w.unrest() == "" && len(w.timers()) == 0 }

// covered returns what never happened of all that must happen in many seeds.
func covered(count map[string]int) (missing []string) {
	for _, what := range []string{
		"crash", "crash with a frame in flight", "crash between the effects of a commit",
		"crash after an answer, with more to commit", "awaited",
		"commit under way, there after the crash", "commit under way, lost in the crash",
		"host lost", "host lost with a frame in flight", "report of a host that is gone",
		"clock jumped", "caller left", "outcome unknown", "the same answer again",
		"told: busy", "told: in-progress",
		"turn panicked by chance", "turn detached", "detached turn given up", "turns undone", "turn alone in its frame",
		"read beside a detached turn", "frame was cut short", "dead letter", "object evicted", "timer fired",
		"segments sent again", "acknowledgement lost", "acknowledgement twice", "asked again after the rest",
		"wake-up lost: posted", "wake-up lost: segment", "wake-up lost: ack", "wake-up lost: alarm", "wake-up lost: ready",
		"found by a sweep",
	} {
		if count[what] == 0 {
			missing = append(missing, what)
		}
	}
	return missing
}
