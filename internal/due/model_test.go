package due

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/wire"
)

// model is an owner of a queue with its disk: every row that was added and
// neither popped nor removed, sorted.
type model struct {
	t    *testing.T
	r    *rand.Rand
	q    *Queue[wire.Seq]
	disk []Item[wire.Seq]
	seq  wire.Seq
	now  wire.Time
	span int64 // how far ahead timers are set
}

// TestModel runs random operations on queues of many windows against a sorted
// slice.
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.New(t), 0))
	for _, window := range []int{1, 2, 3, 4, 7, 64, 1000, 0} {
		for range 4 {
			m := &model{t: t, r: r, q: NewQueue[wire.Seq](window), now: 1000, span: 1 + r.Int64N(2000)}
			grow := 40 + r.IntN(20) // of 100 steps, how many add
			for range 4000 {
				m.step(grow)
				m.check()
			}
			m.drain()
		}
	}
}

// FuzzModel lets the fuzzer choose the operations: data is what the model's
// random numbers are made of.
func FuzzModel(f *testing.F) {
	f.Add(uint8(1), []byte("any"))
	f.Add(uint8(4), make([]byte, 400))
	f.Fuzz(func(t *testing.T, window uint8, data []byte) {
		src := &tape{data: data, rest: rand.NewPCG(1, 2)}
		m := &model{t: t, r: rand.New(src), q: NewQueue[wire.Seq](int(window)), now: 1000, span: 50}
		for len(src.data) > 0 {
			m.step(50)
			m.check()
		}
		m.drain()
	})
}

// tape is a source of random numbers that are read from data, two bytes each,
// and then come from rest.
type tape struct {
	data []byte
	rest rand.Source
}

// Uint64 returns the next number. The bytes are its top and bottom, which is
// where rand takes small numbers from.
func (s *tape) Uint64() uint64 {
	if len(s.data) < 2 {
		s.data = nil
		return s.rest.Uint64()
	}
	n := uint64(s.data[0])<<56 | uint64(s.data[1])<<24 | 0x00ff_ffff_00ff_ffff
	s.data = s.data[2:]
	return n
}

// step does one random thing.
func (m *model) step(grow int) {
	switch n := m.r.IntN(100); {
	case n < grow:
		m.add()
	case n < 70:
		m.now = max(0, m.now+wire.Time(m.r.Int64N(m.span/8+2)-m.span/32))
		m.pop()
	case n < 85:
		m.remove()
	case n < 98:
		m.refill()
	default: // a restart: all that is known is on disk
		m.q = Resume[wire.Seq](m.q.window)
	}
}

func (m *model) add() {
	m.seq++
	it := Item[wire.Seq]{Due: max(0, m.now+wire.Time(m.r.Int64N(m.span)-m.span/8)), Seq: m.seq, Value: m.seq}
	if len(m.disk) > 0 && m.r.IntN(10) == 0 { // the same row with another value
		old := m.disk[m.r.IntN(len(m.disk))]
		it.Due, it.Seq = old.Due, old.Seq
	}
	i, found := slices.BinarySearchFunc(m.disk, it, byKey)
	if found {
		m.disk[i] = it
	} else {
		m.disk = slices.Insert(m.disk, i, it)
	}
	kept := m.q.Add(it)
	if due, seq, ok := m.q.Horizon(); kept != (!ok || it.key().before(key{due, seq})) {
		m.t.Fatalf("Add(%v) returned %v with the horizon at %d/%d", it, kept, due, seq)
	}
}

func (m *model) remove() {
	k := key{m.now, wire.Seq(m.r.Uint64N(uint64(m.seq) + 1))}
	if len(m.disk) > 0 && m.r.IntN(8) > 0 {
		k = m.disk[m.r.IntN(len(m.disk))].key()
	}
	i, found := slices.BinarySearchFunc(m.disk, Item[wire.Seq]{Due: k.due, Seq: k.seq}, byKey)
	due, seq, beyond := m.q.Horizon()
	want := found && (!beyond || k.before(key{due, seq}))
	if got := m.q.Remove(k.due, k.seq); got != want {
		m.t.Fatalf("Remove(%v) returned %v, want %v", k, got, want)
	}
	if found {
		m.disk = slices.Delete(m.disk, i, i+1)
	}
}

// pop pops at most a few, and what is popped is the first of all.
func (m *model) pop() {
	for range 1 + m.r.IntN(8) {
		it, ok := m.q.Pop(m.now)
		if !ok {
			if len(m.disk) > 0 && m.disk[0].Due <= m.now && !m.q.NeedRefill() {
				m.t.Fatalf("at %d nothing is popped, but %v is due", m.now, m.disk[0])
			}
			return
		}
		if len(m.disk) == 0 || it != m.disk[0] || it.Due > m.now {
			m.t.Fatalf("at %d popped %v, want the first of %v", m.now, it, m.disk[:min(3, len(m.disk))])
		}
		m.disk = m.disk[1:]
	}
}

// refill reads some rows from the horizon on, or, as a careless owner would,
// from before it.
func (m *model) refill() {
	due, seq, ok := m.q.Horizon()
	if !ok {
		return
	}
	from, _ := slices.BinarySearchFunc(m.disk, Item[wire.Seq]{Due: due, Seq: seq}, byKey)
	if m.r.IntN(4) == 0 {
		from = max(0, from-m.r.IntN(3))
	}
	rows := m.disk[from:]
	if limit := m.r.IntN(2*max(1, m.q.Room()) + 1); limit < len(rows) {
		m.q.Refill(rows[:limit], true)
	} else {
		m.q.Refill(rows, m.r.IntN(4) == 0)
	}
}

// check compares memory with the disk: it holds exactly the rows before the
// horizon, within the window.
func (m *model) check() {
	m.t.Helper()
	n := len(m.disk)
	if due, seq, ok := m.q.Horizon(); ok {
		n, _ = slices.BinarySearchFunc(m.disk, Item[wire.Seq]{Due: due, Seq: seq}, byKey)
	}
	if m.q.Len() != n || n > m.q.window || m.q.Room() != m.q.window-n {
		m.t.Fatalf("%d rows in memory with room for %d, want %d within %d", m.q.Len(), m.q.Room(), n, m.q.window)
	}
	i := 0
	for _, b := range m.q.mem.blocks {
		if len(b) == 0 || len(b) > blockSize {
			m.t.Fatalf("a block has %d items", len(b))
		}
		for _, it := range b {
			if it != m.disk[i] {
				m.t.Fatalf("row %d in memory is %v, want %v", i, it, m.disk[i])
			}
			i++
		}
	}
	if next, ok := m.q.Next(); len(m.disk) > 0 && (!ok || next > m.disk[0].Due) {
		m.t.Fatalf("Next is %d, %v, later than the first row %v", next, ok, m.disk[0])
	}
}

// drain pops all that is left: nothing is lost, nothing comes twice.
func (m *model) drain() {
	m.now = 1 << 62
	for range 10 * (len(m.disk) + 1) {
		if len(m.disk) == 0 && !m.q.beyond {
			break
		}
		if m.q.NeedRefill() {
			m.refill()
		}
		m.pop()
		m.check()
	}
	if len(m.disk) > 0 || m.q.Len() > 0 {
		m.t.Fatalf("%d rows and %d in memory are left after draining", len(m.disk), m.q.Len())
	}
}

// byKey orders items as a queue does.
func byKey(a, b Item[wire.Seq]) int { return a.key().compare(b.key()) }

// BenchmarkQueue adds and pops with a hundred thousand timers asleep, half of
// them on disk only.
func BenchmarkQueue(b *testing.B) {
	q := NewQueue[uint64](50_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		q.Add(Item[uint64]{Due: wire.Time(r.Int64N(1 << 40)), Seq: wire.Seq(i)})
	}
	horizon, _, _ := q.Horizon()
	b.ReportAllocs()
	seq := wire.Seq(1 << 20)
	for b.Loop() {
		seq++
		q.Add(Item[uint64]{Due: wire.Time(r.Int64N(int64(horizon))), Seq: seq})
		q.Pop(horizon)
	}
}
