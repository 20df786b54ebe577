// Package mail keeps the mail of one shard as rows: messages that were taken and
// not consumed by the commit that took them. They are written in sheets, many
// in a row, with a row of marks beside a sheet that says which of them
// are consumed; so a message costs a few bytes of a row when it comes, and a bit
// of another when it goes. What changed since, and what comes out of order, has a row of its own.
//
// Package core drives it from its goroutine.
package mail

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

const (
	// sheetLen is how many messages a sheet has at most.
	sheetLen = 256
	// sheetSpan is how far apart the arrival numbers of a sheet are at most.
	sheetSpan = 1024
	// sheetBytes is from how many bytes on a sheet takes no more.
	sheetBytes = 64 << 10
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Mail is the mail of one shard.
type Mail struct {
	rows    Rows
	fresh   []*wire.Envelope // taken or changed since the last Seal; some are consumed by now
	sheets  []*sheet         // ascending; some have nothing left
	empty   int              // of sheets
	last    *sheet           // where a message was found last
	top     wire.Seq         // the highest arrival number in a sheet
	touched []*sheet         // with a message consumed since the last Seal
	single  []wire.Seq       // rows of their own that go with the next Seal
	pick    []*wire.Envelope // of the sheet that is being made
	size    int              // bytes of their inputs
	buf     []byte
}

// sheet is a row with messages of which some are left.
type sheet struct {
	first, last wire.Seq
	left        int
	gone        []byte // a bit for each arrival number from first on
	touched     bool
	marked      bool // there is a row of marks
}

// New returns the mail of a shard with these rows.
func New(committed Rows) *Mail { return &Mail{rows: committed} }

// Open reads what is not consumed, and calls fn for each message in the order
// in which they arrived.
func (m *Mail) Open(fn func(*wire.Envelope)) error {
	var all []*wire.Envelope
	err := m.rows.Scan(store.Mail, nil, nil, func(k, v []byte) (bool, error) {
		seq, err := rows.SplitSeq(store.Mail, k)
		if err != nil {
			return false, err
		}
		env, err := wire.DecodeEnvelope(bytes.Clone(v))
		if err != nil {
			return false, err
		}
		env.Seq, env.Note = seq, wire.InMail
		all = append(all, env)
		return true, nil
	})
	if err != nil {
		return err
	}
	sheets, err := m.openSheets()
	if err != nil {
		return err
	}
	all = append(all, sheets...)
	slices.SortFunc(all, func(a, b *wire.Envelope) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, env := range all {
		fn(env)
	}
	return nil
}

func (m *Mail) openSheets() (all []*wire.Envelope, err error) {
	marks := map[wire.Seq][]byte{}
	err = m.rows.Scan(store.Marks, nil, nil, func(k, v []byte) (bool, error) {
		first, err := rows.SplitSeq(store.Marks, k)
		marks[first] = bytes.Clone(v)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	err = m.rows.Scan(store.Sheets, nil, nil, func(k, v []byte) (bool, error) {
		first, err := rows.SplitSeq(store.Sheets, k)
		if err != nil {
			return false, err
		}
		envs, err := rows.DecodeSheet(first, bytes.Clone(v))
		if err != nil {
			return false, err
		}
		sh := &sheet{first: first, last: envs[len(envs)-1].Seq}
		sh.gone = make([]byte, (sh.last-first)/8+1)
		if b, ok := marks[first]; ok {
			sh.marked = true
			if len(b) > len(sh.gone) {
				return false, fault.New(fault.Corrupt, "mail.open", "", "the marks of a sheet are longer than the sheet")
			}
			copy(sh.gone, b)
		}
		for _, env := range envs {
			if bit := env.Seq - first; sh.gone[bit/8]&(1<<(bit%8)) == 0 {
				env.Note = wire.InSheet
				sh.left++
				all = append(all, env)
			}
		}
		m.sheets, m.top = append(m.sheets, sh), sh.last
		return true, nil
	})
	return all, err
}

// Unsaved reports whether env must survive a crash and no row says it as it is.
func Unsaved(env *wire.Envelope) bool {
	return env.Note&(wire.Volatile|wire.Gone) == 0 &&
		(env.Note&(wire.InMail|wire.InSheet|wire.InTimers) == 0 || env.Note&wire.Stale != 0)
}

// Add takes a message, or one that has changed. It becomes a row with the next Seal
// unless it is consumed by then.
func (m *Mail) Add(env *wire.Envelope) { m.fresh = append(m.fresh, env) }

// Gone says that env was consumed.
func (m *Mail) Gone(env *wire.Envelope) {
	if env.Note&wire.InMail != 0 {
		m.single = append(m.single, env.Seq)
	}
	if env.Note&wire.InSheet != 0 {
		m.strike(env.Seq)
	}
}

// strike marks a message of a sheet as consumed.
func (m *Mail) strike(seq wire.Seq) {
	sh := m.last
	if sh == nil || seq < sh.first || seq > sh.last {
		i, _ := slices.BinarySearchFunc(m.sheets, seq, func(sh *sheet, seq wire.Seq) int {
			switch {
			case sh.last < seq:
				return -1
			case sh.first > seq:
				return 1
			}
			return 0
		})
		sh = m.sheets[i]
		m.last = sh
	}
	bit := seq - sh.first
	sh.gone[bit/8] |= 1 << (bit % 8)
	sh.left--
	if !sh.touched {
		sh.touched = true
		m.touched = append(m.touched, sh)
	}
}

// Dirty reports whether there is something for Seal to write.
func (m *Mail) Dirty() bool {
	if len(m.touched)+len(m.single) > 0 {
		return true
	}
	for n := len(m.fresh); n > 0; n-- {
		if Unsaved(m.fresh[n-1]) {
			return true
		}
		m.fresh = m.fresh[:n-1]
	}
	return false
}

// Seal writes the mail that is still there into the commit: what was sent and
// consumed since the last Seal is never written. A timer that has failed becomes mail,
// with its attempts, and is a timer no more: as both it would run twice.
func (m *Mail) Seal(w *store.Batch) {
	for _, env := range m.fresh {
		switch {
		case !Unsaved(env):
		case env.Note&wire.Stale != 0 || env.Seq <= m.top:
			m.alone(w, env)
		default:
			m.add(w, env)
		}
	}
	m.write(w)
	clear(m.fresh)
	m.fresh = m.fresh[:0]
	for _, seq := range m.single {
		w.Delete(store.Mail, rows.SeqKey(seq))
	}
	m.single = m.single[:0]
	m.mark(w)
}

// alone gives a message a row of its own, in place of what there was.
func (m *Mail) alone(w *store.Batch, env *wire.Envelope) {
	m.buf = wire.AppendEnvelope(m.buf[:0], env)
	w.Set(store.Mail, rows.SeqKey(env.Seq), m.buf)
	if env.Note&wire.InTimers != 0 {
		w.Delete(store.Timers, rows.TimerKey(env.Due, env.Seq))
	}
	if env.Note&wire.InSheet != 0 {
		m.strike(env.Seq)
	}
	env.Note = env.Note&^(wire.Stale|wire.InTimers|wire.InSheet) | wire.InMail
}

// add puts a message on the sheet that is being made.
func (m *Mail) add(w *store.Batch, env *wire.Envelope) {
	if n := len(m.pick); n > 0 && (n == sheetLen || env.Seq-m.pick[0].Seq >= sheetSpan || m.size >= sheetBytes) {
		m.write(w)
	}
	env.Note |= wire.InSheet
	m.pick = append(m.pick, env)
	m.size += len(env.Body.Data) + len(env.Carry.Data)
	m.top = env.Seq
}

// write writes the sheet that is being made.
func (m *Mail) write(w *store.Batch) {
	if len(m.pick) == 0 {
		return
	}
	first, last := m.pick[0].Seq, m.pick[len(m.pick)-1].Seq
	m.buf = rows.AppendSheet(m.buf[:0], m.pick)
	w.Set(store.Sheets, rows.SeqKey(first), m.buf)
	m.sheets = append(m.sheets, &sheet{first: first, last: last, left: len(m.pick), gone: make([]byte, (last-first)/8+1)})
	clear(m.pick)
	m.pick, m.size = m.pick[:0], 0
}

// mark writes which messages of sheets are consumed. A sheet with nothing left goes.
func (m *Mail) mark(w *store.Batch) {
	for i, sh := range m.touched {
		key := rows.SeqKey(sh.first)
		switch {
		case sh.left > 0:
			w.Set(store.Marks, key, bytes.TrimRight(sh.gone, "\x00"))
			sh.marked = true
		default:
			w.Delete(store.Sheets, key)
			if sh.marked {
				w.Delete(store.Marks, key)
			}
			m.empty++
		}
		sh.touched, m.touched[i] = false, nil
	}
	m.touched = m.touched[:0]
	if m.empty > len(m.sheets)/2 {
		m.sheets = slices.DeleteFunc(m.sheets, func(sh *sheet) bool { return sh.left == 0 })
		m.empty, m.last = 0, nil
	}
}
