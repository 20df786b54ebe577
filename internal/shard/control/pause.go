package control

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Pauses is what is paused in a shard, and the messages that are parked. Those
// are rows, in the order in which they arrived; memory holds how many there are.
type Pauses struct {
	rows  Rows
	most  int
	all   map[wire.Scope]*gate
	types map[string]*gate // of all, as they are asked for
	ones  map[wire.ObjectID]*gate
	funcs map[string]*gate
	last  uint64 // number of the newest

	fresh map[rowID][]byte // rows that came, or go (nil), since the last seal
	flown map[rowID][]byte // in the commit under way
	news  []*gate          // changed since the last seal
	olds  []*gate          // in the commit under way
	ended []*gate          // their rows go with the next seal
	flows []*gate          // that drain, in the order of their numbers
	size  int              // bytes in fresh
	total int              // messages parked
}

// rowID is the key of a parked message: the pause, and its arrival number.
type rowID [16]byte

func parkedKey(no uint64, seq wire.Seq) (k rowID) {
	binary.BigEndian.PutUint64(k[:8], no)
	binary.BigEndian.PutUint64(k[8:], uint64(seq))
	return k
}

// gate is a pause. While it drains, what arrived up to cursor passes.
type gate struct {
	wire.Pause
	no      uint64   // names its rows, for ever
	letter  wire.Seq // the dead letter that it is for, 0 if somebody asked for it
	bucket  turn.Bucket
	cursor  wire.Seq
	low     [2]wire.Seq // the first in fresh and in flown, 0 for none
	waits   bool        // for a commit
	changed bool
}

func newPauses(most int, committed Rows) *Pauses {
	return &Pauses{rows: committed, most: most, all: map[wire.Scope]*gate{}, types: map[string]*gate{}, ones: map[wire.ObjectID]*gate{},
		funcs: map[string]*gate{}, fresh: map[rowID][]byte{}, flown: map[rowID][]byte{}}
}

func (p *Pauses) open() (last wire.Seq, err error) {
	err = p.rows.Scan(store.Pauses, nil, nil, func(k, v []byte) (bool, error) {
		g, err := decodeGate(string(k), v)
		if err != nil {
			return false, err
		}
		p.add(g)
		p.last = max(p.last, g.no)
		return true, nil
	})
	for _, g := range p.all {
		p.total += g.Parked
		from, to := parkedKey(g.no, 0), parkedKey(g.no+1, 0)
		err = errors.Join(err, p.rows.ScanReverse(store.Parked, from[:], to[:], func(k, _ []byte) (bool, error) {
			if len(k) != len(from) {
				return false, fault.New(fault.Corrupt, "control.open", "", "the table of parked messages has a key of %d bytes", len(k))
			}
			last = max(last, seqOf(k))
			return false, nil
		}))
	}
	return last, err
}

// seqOf returns the arrival number in the key of a parked message.
func seqOf(k []byte) wire.Seq { return wire.Seq(binary.BigEndian.Uint64(k[8:])) }

func (p *Pauses) add(g *gate) {
	p.all[g.Scope] = g
	if g.Draining {
		p.flow(g)
	}
	switch {
	case g.Function != "":
		p.funcs[g.Function] = g
	case g.Key == "":
		p.types[g.Type] = g
	default:
		p.ones[wire.ObjectID{Type: g.Type, Key: g.Key}] = g
	}
}

func (p *Pauses) remove(g *gate) {
	delete(p.all, g.Scope)
	p.stand(g)
	switch {
	case g.Function != "":
		delete(p.funcs, g.Function)
	case g.Key == "":
		delete(p.types, g.Type)
	default:
		delete(p.ones, wire.ObjectID{Type: g.Type, Key: g.Key})
	}
	p.ended = append(p.ended, g)
}

// flow puts a gate among those that drain, and stand takes it out.
func (p *Pauses) flow(g *gate) {
	p.stand(g)
	i, _ := slices.BinarySearchFunc(p.flows, g, byNumber)
	p.flows = slices.Insert(p.flows, i, g)
}

func (p *Pauses) stand(g *gate) {
	if i := slices.Index(p.flows, g); i >= 0 {
		p.flows = slices.Delete(p.flows, i, i+1)
	}
}

func byNumber(a, b *gate) int { return cmp.Compare(a.no, b.no) }

// touch notes that a gate is other than its row.
func (p *Pauses) touch(g *gate) {
	if !g.changed {
		g.changed = true
		p.news = append(p.news, g)
	}
}

// List returns what is paused, in the order of names.
func (p *Pauses) List() []wire.Pause {
	var list []wire.Pause
	for _, g := range p.all {
		list = append(list, g.Pause)
	}
	slices.SortFunc(list, func(a, b wire.Pause) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// Parked returns how many messages are parked.
func (p *Pauses) Parked() int { return p.total }

// Functions returns how many functions are paused.
func (p *Pauses) Functions() int { return len(p.funcs) }

// Pause has what arrives for a scope parked from now on. One that is draining
// stops. What is paused already stays as it was.
func (p *Pauses) Pause(s wire.Scope, reason string, now wire.Time) {
	g := p.all[s]
	switch {
	case g == nil:
		p.last++
		g = &gate{no: p.last, Pause: wire.Pause{Scope: s, Reason: reason, Since: now}}
		p.add(g)
	case !g.Draining:
		return
	}
	g.Draining, g.Rate, g.cursor, g.letter = false, 0, 0, 0
	p.stand(g)
	p.touch(g)
	if reason != "" {
		g.Reason = reason
	}
}

// Resume lets go what is parked for a scope, in order, rate a second; 0 is any.
// The pause ends when nothing is parked. The error is of kind fault.NotFound if
// it is not paused.
func (p *Pauses) Resume(s wire.Scope, rate float64) error {
	g := p.all[s]
	if g == nil {
		return fault.New(fault.NotFound, "resume", "", "%s is not paused", s.Words())
	}
	g.Draining, g.Rate, g.bucket = true, rate, turn.Bucket{Rate: rate}
	p.flow(g)
	p.touch(g)
	p.finish(g)
	return nil
}

// finish ends a pause that has nothing left.
func (p *Pauses) finish(g *gate) {
	if g.Draining && g.Parked == 0 {
		p.remove(g)
	}
}

// Stops returns the gate before which a message must wait, nil if there is none.
// All pass that of the type first, so none overtakes another.
func (p *Pauses) stops(to wire.Address, seq wire.Seq) *gate {
	if to.Type == "" {
		if g := p.funcs[to.Method]; g != nil && g.stops(seq) {
			return g
		}
		return nil
	}
	if g := p.types[to.Type]; g != nil && g.stops(seq) {
		return g
	}
	if g := p.ones[to.Object()]; g != nil && g.stops(seq) {
		return g
	}
	return nil
}

func (g *gate) stops(seq wire.Seq) bool { return !g.Draining || seq > g.cursor }

// Stops reports whether a message that is to be run must be parked.
func (p *Pauses) Stops(env *wire.Envelope) bool { return p.stops(env.To, env.Seq) != nil }

// Refuse returns the refusal of a call from outside, nil if it is to be taken. One
// whose caller waits for the answer is not parked: fault.Unavailable. The others
// are, up to a bound: fault.Busy.
func (p *Pauses) Refuse(r *wire.Request, now wire.Time) error {
	if len(p.all) == 0 {
		return nil
	}
	g := p.stops(r.To, noSeq)
	if g == nil || r.Due > now {
		return nil
	}
	if r.Key == "" && !r.Async {
		return g.refusal(r.To)
	}
	if n := p.Parked(); n >= p.most {
		e := fault.New(fault.Busy, "call", r.To.String(), "%s is paused, and its shard has parked %d messages, which is all that it may: resume it, or try again later", g.Words(), n)
		e.Retry = time.Minute
		return e
	}
	return nil
}

// noSeq is an arrival number that does not come.
const noSeq = wire.Seq(1<<64 - 1)

// refusal is what is said to who waits for the answer of what is paused.
func (g *gate) refusal(to wire.Address) error {
	how, retry := "is paused", 10*time.Second
	if g.Draining {
		how, retry = "is being resumed, and older messages come first", time.Second
	}
	why := ""
	if g.Reason != "" {
		why = " (" + g.Reason + ")"
	}
	e := fault.New(fault.Unavailable, "call", to.String(), "%s %s%s: make the call with respond-async or an idempotency key, and it is kept until then", g.Words(), how, why)
	e.Code, e.Retry = "paused", retry
	return e
}

// Refusal is what is said to who waits for the answer of a message that Stops.
func (p *Pauses) Refusal(env *wire.Envelope) error { return p.stops(env.To, env.Seq).refusal(env.To) }

// Park keeps a message that Stops, as a row from the next seal on.
func (p *Pauses) Park(env *wire.Envelope) { p.park(p.stops(env.To, env.Seq), env) }

// First keeps a message before those that arrived later, if what it is for is
// paused, and reports whether that is so.
func (p *Pauses) First(env *wire.Envelope) bool {
	g := p.stops(env.To, env.Seq)
	if g != nil {
		p.park(g, env)
	}
	return g != nil
}

func (p *Pauses) park(g *gate, env *wire.Envelope) {
	e := *env
	e.Next, e.Local = nil, nil
	b := wire.AppendEnvelope(nil, &e)
	p.fresh[parkedKey(g.no, env.Seq)] = b
	p.size += len(b)
	g.Parked++
	g.Bytes += len(b)
	p.total++
	p.touch(g)
	if g.low[0] == 0 || env.Seq < g.low[0] {
		g.low[0] = env.Seq
	}
}

// Size returns about how many bytes seal will write.
func (p *Pauses) Size() int { return p.size }

// unpark forgets a row.
func (p *Pauses) unpark(g *gate, key rowID, size int) {
	p.fresh[key] = nil
	g.Parked--
	g.Bytes -= size
	p.total--
	p.touch(g)
}

// parked reports whether a committed row is still there.
func (p *Pauses) parked(key rowID) bool {
	if _, changed := p.fresh[key]; changed {
		return false
	}
	_, changed := p.flown[key]
	return !changed
}

// pump lets go what may go, at most room messages.
func (p *Pauses) pump(tick wire.Time, room int, arrive func(*wire.Envelope)) (passed int, err error) {
	for _, g := range slices.Clone(p.flows) {
		n := g.bucket.Take(tick, room-passed)
		if n == 0 {
			continue
		}
		did, err := p.let(g, n, arrive)
		if err != nil {
			return passed, err
		}
		passed += did
		g.waits = did < n && g.Parked > 0
		p.finish(g)
	}
	return passed, nil
}

// let lets go up to n messages of a gate, in order. Those that are not committed
// wait until they are: one that comes later may belong before them.
func (p *Pauses) let(g *gate, n int, arrive func(*wire.Envelope)) (did int, err error) {
	to := parkedKey(g.no+1, 0)
	for _, low := range g.low {
		if low != 0 {
			if k := parkedKey(g.no, low); bytes.Compare(k[:], to[:]) < 0 {
				to = k
			}
		}
	}
	from := parkedKey(g.no, g.cursor+1)
	var envs []*wire.Envelope
	err = p.rows.Scan(store.Parked, from[:], to[:], func(k, v []byte) (bool, error) {
		key := rowID(k)
		if !p.parked(key) {
			return true, nil
		}
		env, err := wire.DecodeEnvelope(bytes.Clone(v))
		if err != nil {
			return false, err
		}
		env.Seq, env.Note = seqOf(k), 0
		envs = append(envs, env)
		p.unpark(g, key, len(v))
		return len(envs) < n, nil
	})
	for _, env := range envs {
		g.cursor = env.Seq
		arrive(env)
	}
	return len(envs), err
}

// next returns the tick at which pump has something to do.
func (p *Pauses) next() wire.Time {
	next := Never
	for _, g := range p.flows {
		if !g.waits {
			next = min(next, g.bucket.Next())
		}
	}
	return next
}

func (p *Pauses) dirty() bool { return len(p.fresh)+len(p.ended)+len(p.news) > 0 }

func (p *Pauses) seal(w *store.Batch) {
	for _, g := range p.ended {
		w.Delete(store.Pauses, []byte(g.Scope.String()))
	}
	p.ended = p.ended[:0]
	for _, g := range p.news {
		if p.all[g.Scope] == g {
			w.Set(store.Pauses, []byte(g.Scope.String()), encodeGate(g))
		}
		g.changed = false
		g.low[0], g.low[1] = 0, g.low[0]
	}
	p.news, p.olds = p.olds[:0], p.news
	for key, row := range p.fresh {
		if row == nil {
			w.Delete(store.Parked, key[:])
		} else {
			w.Set(store.Parked, key[:], row)
		}
	}
	p.fresh, p.flown, p.size = p.flown, p.fresh, 0
}

func (p *Pauses) committed() {
	clear(p.flown)
	for _, g := range p.olds {
		g.low[1], g.waits = 0, false
	}
	p.olds = p.olds[:0]
}

// sweep calls f for the parked messages, from a key on, and forgets those for
// which it returns true. It looks at most at so many rows, and returns where to go
// on, nil at the end.
func (p *Pauses) sweep(from []byte, most int, f func(*wire.Envelope) bool) (next []byte, err error) {
	gates := map[uint64]*gate{}
	for _, g := range p.all {
		gates[g.no] = g
	}
	seen := 0
	err = p.rows.Scan(store.Parked, from, nil, func(k, v []byte) (bool, error) {
		if seen++; seen > most {
			next = bytes.Clone(k)
			return false, nil
		}
		key := rowID(k)
		g := gates[binary.BigEndian.Uint64(k)]
		if g == nil || !p.parked(key) {
			return true, nil
		}
		env, err := wire.DecodeEnvelope(bytes.Clone(v))
		if err != nil {
			return false, err
		}
		env.Seq = seqOf(k)
		if f(env) {
			p.unpark(g, key, len(v))
		}
		return true, nil
	})
	for _, g := range gates {
		p.finish(g)
	}
	return next, err
}

func encodeGate(g *gate) []byte {
	var e wire.Encoder
	e.Int(1, g.no)
	e.String(2, g.Reason)
	e.Int(3, uint64(g.Since))
	if g.Draining {
		e.Int(4, 1)
	}
	e.Int(5, uint64(g.Rate*1e3))
	e.Int(6, uint64(g.Parked))
	e.Int(7, uint64(g.Bytes))
	e.Int(8, uint64(g.letter))
	return e.Buf
}

func decodeGate(name string, b []byte) (*gate, error) {
	s, err := wire.ParseScope(name)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, "control.open", name, err)
	}
	g := &gate{Pause: wire.Pause{Scope: s}}
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			g.no = d.Int()
		case 2:
			g.Reason = d.Text()
		case 3:
			g.Since = wire.Time(d.Int())
		case 4:
			g.Draining = d.Int() != 0
		case 5:
			g.Rate = float64(d.Int()) / 1e3
		case 6:
			g.Parked = int(d.Int())
		case 7:
			g.Bytes = int(d.Int())
		case 8:
			g.letter = wire.Seq(d.Int())
		}
	}
	g.bucket = turn.Bucket{Rate: g.Rate}
	return g, d.Err()
}
