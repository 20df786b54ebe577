package promise_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard/promise"
	"github.com/situ-dev/situ/internal/shard/timer"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

const keep = 50

// world drives the promises and timers of one shard beside a model of them.
type world struct {
	t     *testing.T
	sh    *store.Shard
	ps    *promise.Promises
	ts    *timer.Timers
	now   wire.Time
	seq   wire.Seq
	runs  int
	drops [][]byte
	sent  []*wire.Envelope
	open  *store.Batch

	model map[wire.InvocationID]*waiting
	all   []wire.InvocationID // there ever were
}

// waiting is what a promise should be.
type waiting struct {
	who         string
	token       bool
	until, beat wire.Time
	every       wire.Time
	over        wire.Over
	ended       wire.Time
}

func (w *world) Set(env *wire.Envelope) wire.Seq {
	w.seq++
	env.Seq = w.seq
	w.ts.Add(env)
	return w.seq
}

func (w *world) Remove(when wire.Time, seq wire.Seq) { w.ts.Remove(when, seq) }

func (w *world) Send(reply *wire.Envelope) { w.sent = append(w.sent, reply) }

// told returns what was sent since it was asked last.
func (w *world) told() (all []*wire.Envelope) {
	all, w.sent = w.sent, nil
	return all
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, sh: st.Shard(0), now: 1, model: map[wire.InvocationID]*waiting{}}
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.runs++
	w.ts = timer.New(8, w.sh)
	w.ps = promise.New(0, fmt.Sprint(w.runs), keep, w.sh, w)
	last, err := w.ts.Open()
	if err != nil {
		w.t.Fatal(err)
	}
	w.seq = max(w.seq, last)
}

// hold makes a promise that an object holds, and that has no end of its own.
func (w *world) hold() {
	id := wire.NewToken(0, [16]byte{byte(len(w.all)), byte(len(w.all) >> 8), 7})
	who := fmt.Sprint("caller", len(w.all))
	env, _ := wire.HoldCall(id, 0, &wire.Callback{Kind: wire.ToMethod, To: wire.Address{Type: "c", Key: who, Method: "heard"}}, wire.ObjectID{Type: "x", Key: "k/2"})
	if env.Holder() != (wire.ObjectID{Type: "x", Key: "k/2"}) {
		w.t.Fatalf("it is held by %v", env.Holder())
	}
	if err := w.ps.Await(env, w.now); err != nil {
		w.t.Fatal(err)
	}
	w.all = append(w.all, id)
	w.model[id] = &waiting{who: who, until: never}
}

// never is when a promise without an end ends.
const never = wire.Time(1 << 60)

// cancel ends a promise whose chain was cancelled.
func (w *world) cancel(id wire.InvocationID) {
	w.t.Helper()
	m, told := w.model[id], 0
	err := w.ps.Cancel(id, w.now, func(back *wire.Callback) {
		if told++; back.To.Key != m.who {
			w.t.Fatalf("cancel of %+v tells %v", m, back.To)
		}
	})
	open := m != nil && m.over == wire.Open
	if err != nil || (told == 1) != open || len(w.told()) > 0 {
		w.t.Fatalf("cancel of %+v told %d, %v", m, told, err)
	}
	if open {
		w.end(id, wire.Canceled)
	}
}

// begin makes a promise that is over after some time.
func (w *world) begin(token bool, after, every wire.Time) {
	who := fmt.Sprint("caller", len(w.all))
	env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: "k", Method: "m"}, Lineage: &wire.Lineage{Deadline: w.now + after, Guard: true},
		Back: &wire.Callback{Kind: wire.ToMethod, To: wire.Address{Type: "c", Key: who, Method: "heard"}}}
	var id wire.InvocationID
	if token {
		id = wire.NewToken(0, [16]byte{byte(len(w.all)), byte(len(w.all) >> 8)})
		env.To, env.Amend().Beat = wire.Address{Type: wire.TokenType, Key: string(id), Method: "wait"}, every
		if err := w.ps.Await(env, w.now); err != nil {
			w.t.Fatal(err)
		}
	} else {
		every = 0
		w.ps.Guard(env, w.now)
		id = env.Back.ID
	}
	w.all = append(w.all, id)
	w.model[id] = &waiting{who: who, token: token, until: w.now + after, beat: w.now, every: every}
}

func (w *world) answer(id wire.InvocationID) {
	w.t.Helper()
	m := w.model[id]
	_, err := w.ps.Token(id)
	var kind fault.Kind
	switch {
	case m == nil || !m.token:
		kind = fault.NotFound
	case m.over == wire.Answered:
		kind = fault.Used
	case m.over == wire.Expired, m.over == wire.Canceled:
		kind = fault.Gone
	}
	if fault.KindOf(err) != kind {
		w.t.Fatalf("token %s: %v, want kind %v", id, err, kind)
	}
	late := w.ps.Late()
	err = w.ps.Answer(id, wire.Payload{Format: wire.JSON, Data: []byte("1")}, nil, w.now)
	told, open := w.told(), m != nil && m.over == wire.Open
	if err != nil || (len(told) == 1) != open || (w.ps.Late() == late) != open {
		w.t.Fatalf("answer of %+v: %+v, %v", m, told, err)
	}
	if !open {
		return
	}
	reply := told[0]
	if reply.To.Key != m.who || reply.Fail != nil || string(reply.Body.Data) != "1" {
		w.t.Fatalf("answer of %+v: %+v", m, reply)
	}
	w.end(id, wire.Answered)
}

func (w *world) end(id wire.InvocationID, how wire.Over) {
	m := w.model[id]
	if m.over, m.ended = how, w.now; !m.token {
		delete(w.model, id)
	}
}

func (w *world) beat(id wire.InvocationID) {
	w.t.Helper()
	m := w.model[id]
	err := w.ps.Beat(id, w.now)
	if (err == nil) != (m != nil && m.token && m.over == wire.Open) {
		w.t.Fatalf("beat of %+v: %v", m, err)
	}
	if err == nil {
		m.beat = w.now
	}
}

// fire lets everything happen that is due.
func (w *world) fire() {
	w.t.Helper()
	told := map[string]bool{}
	for {
		env, ok, err := w.ts.Pop(w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		if !ok {
			break
		}
		if env.Note&wire.InTimers != 0 {
			w.drops = append(w.drops, timerKey(env))
		}
		if err := w.ps.Lapse(env, w.now); err != nil {
			w.t.Fatal(err)
		}
		for _, reply := range w.told() {
			if reply.Fail == nil || reply.Fail.Kind != "timeout" || told[reply.To.Key] {
				w.t.Fatalf("%+v is told %+v", reply.To, reply.Fail)
			}
			told[reply.To.Key] = true
		}
	}
	for id, m := range w.model {
		switch {
		case m.over != wire.Open && m.ended+keep <= w.now:
			delete(w.model, id)
		case m.over != wire.Open:
		case m.until <= w.now, m.every != 0 && m.beat+m.every <= w.now:
			if !told[m.who] {
				w.t.Fatalf("at %d %+v was not told", w.now, m)
			}
			delete(told, m.who)
			w.end(id, wire.Expired)
		}
	}
	if len(told) > 0 {
		w.t.Fatalf("at %d too early: %v", w.now, told)
	}
}

func timerKey(env *wire.Envelope) []byte {
	b := make([]byte, 16)
	for i := range 8 {
		b[7-i], b[15-i] = byte(uint64(env.Due)>>(8*i)), byte(uint64(env.Seq)>>(8*i))
	}
	return b
}

func (w *world) seal() {
	if w.open != nil {
		return
	}
	w.open = w.sh.NewBatch(0)
	w.ts.Seal(w.open)
	w.ps.Seal(w.open)
	for _, k := range w.drops {
		w.open.Delete(store.Timers, k)
	}
	w.drops = nil
}

func (w *world) commit() {
	w.t.Helper()
	if w.open == nil {
		return
	}
	if w.open.Count() > 0 {
		if _, err := w.sh.Commit(w.open); err != nil {
			w.t.Fatal(err)
		}
	}
	w.open.Close()
	w.open = nil
	w.ts.Committed()
	w.ps.Committed()
}

func (w *world) count(t store.Table) (n int) {
	w.t.Helper()
	if err := w.sh.Scan(t, nil, nil, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestPromises makes, answers, forgets, commits and restarts at random: who waits
// is told once, in time, and nothing is left.
func TestPromises(t *testing.T) {
	for _, seed := range seed.Several(t, 12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			some := func() wire.InvocationID {
				if len(w.all) == 0 || rnd.IntN(20) == 0 {
					return wire.NewToken(0, [16]byte{255})
				}
				return w.all[len(w.all)-1-rnd.IntN(min(len(w.all), 12))]
			}
			for range 800 {
				switch n := rnd.IntN(100); {
				case n < 4:
					w.hold()
				case n < 8:
					w.cancel(some())
				case n < 25:
					w.begin(rnd.IntN(2) == 0, 1+wire.Time(rnd.IntN(60)), wire.Time(rnd.IntN(3)*8))
				case n < 45:
					w.answer(some())
				case n < 55:
					w.beat(some())
				case n < 70:
					w.now += wire.Time(rnd.IntN(6))
					w.fire()
				case n < 83:
					w.seal()
				case n < 98:
					w.commit()
				default:
					w.commit()
					w.seal()
					w.commit()
					w.start()
				}
			}
			for id := range maps.Clone(w.model) {
				w.cancel(id)
			}
			for range 3 {
				w.now += 1000
				w.fire()
				w.commit()
				w.seal()
				w.commit()
			}
			if p, ti := w.count(store.Promises), w.count(store.Timers); p != 0 || ti != 0 || w.ps.Dirty() {
				t.Errorf("%d promises and %d timers are left, dirty %v", p, ti, w.ps.Dirty())
			}
		})
	}
}

// A promise that is made and answered between two commits is never written.
func TestNeverARow(t *testing.T) {
	w := newWorld(t)
	for _, token := range []bool{false, true} {
		w.begin(token, 10, 0)
	}
	w.answer(w.all[0])
	w.seal()
	if n := w.open.Count(); n != 2 { // the token that is waited for, and its timer
		t.Errorf("%d changes are written", n)
	}
	w.commit()
}

// A token is for one call.
func TestTokenTwice(t *testing.T) {
	w := newWorld(t)
	w.begin(true, 10, 0)
	env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: wire.TokenType, Key: string(w.all[0])}, Lineage: &wire.Lineage{Deadline: 20},
		Back: &wire.Callback{Kind: wire.ToMethod, To: wire.Address{Type: "c", Key: "other", Method: "heard"}}}
	err := w.ps.Await(env, w.now)
	if told := w.told(); err != nil || len(told) != 1 || told[0].Fail == nil || told[0].To.Key != "other" {
		t.Errorf("%+v, %v", told, err)
	}
}

// A timer that was set for a promise before does not end it (C12).
func TestOldTimer(t *testing.T) {
	w := newWorld(t)
	w.begin(true, 10, 0)
	old := &wire.Envelope{Kind: wire.Reply, Seq: w.seq + 100, Back: &wire.Callback{Kind: wire.ToPromise, ID: w.all[0]}}
	if err := w.ps.Lapse(old, w.now+100); err != nil {
		t.Fatal(err)
	}
	if told := w.told(); len(told) != 0 {
		t.Errorf("%+v", told[0])
	}
}

// Deadlines that cannot be are refused; of two the sooner counts.
func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		r    wire.Request
		want wire.Time // 0: none, -1: refused
	}{
		{wire.Request{}, 0},
		{wire.Request{Due: 500}, 0},
		{wire.Request{Within: 5}, 105},
		{wire.Request{Within: 5, Until: 103}, 103},
		{wire.Request{Within: 5, Until: 110}, 105},
		{wire.Request{Until: 101, Due: 99}, 101},
		{wire.Request{Within: 1<<63 - 1, Until: 300}, 300},
		{wire.Request{Within: 1<<63 - 1}, 1<<63 - 1},
		{wire.Request{Until: 100}, -1},
		{wire.Request{Within: -1}, -1},
		{wire.Request{Until: 200, Due: 200}, -1},
	} {
		got, err := promise.Deadline(&c.r, 100)
		if err != nil && fault.Is(err, fault.Invalid) {
			got = -1
		}
		if got != c.want {
			t.Errorf("%+v: %d, %v, want %d", c.r, got, err, c.want)
		}
	}
}

// What cannot be read is not what is not there.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	b := w.sh.NewBatch(0)
	token := wire.NewToken(0, [16]byte{1})
	b.Set(store.Promises, []byte(token), []byte{1})
	if _, err := w.sh.Commit(b); err != nil {
		t.Fatal(err)
	}
	b.Close()
	_, found := w.ps.Token(token)
	answered := w.ps.Answer(token, wire.Payload{}, nil, 1)
	if errs := []error{found, answered, w.ps.Beat(token, 1)}; slices.ContainsFunc(errs, func(err error) bool { return !fault.Is(err, fault.Corrupt) }) {
		t.Errorf("%v", errs)
	}
}
