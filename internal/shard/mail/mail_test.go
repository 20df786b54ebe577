package mail_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard/mail"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// world drives the mail of one shard beside what should be there.
type world struct {
	t    *testing.T
	sh   *store.Shard
	mail *mail.Mail
	held []*wire.Envelope // not consumed
	seq  wire.Seq
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return &world{t: t, sh: st.Shard(0), mail: mail.New(st.Shard(0))}
}

func (w *world) take(gap wire.Seq, size int) *wire.Envelope {
	w.seq += gap
	env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: "k", Method: "m"}, Seq: w.seq,
		Body: wire.Payload{Format: wire.JSON, Data: make([]byte, size)}}
	w.mail.Add(env)
	w.held = append(w.held, env)
	return env
}

func (w *world) consume(i int) {
	env := w.held[i]
	w.held = slices.Delete(w.held, i, i+1)
	env.Note |= wire.Gone
	w.mail.Gone(env)
}

func (w *world) fail(env *wire.Envelope) {
	env.Attempt++
	env.Note |= wire.Stale
	w.mail.Add(env)
}

func (w *world) commit() {
	w.t.Helper()
	b := w.sh.NewBatch(0)
	defer b.Close()
	dirty := w.mail.Dirty()
	w.mail.Seal(b)
	if dirty != (b.Count() > 0) {
		w.t.Fatalf("dirty: %v, and %d rows", dirty, b.Count())
	}
	if _, err := w.sh.Commit(b); err != nil {
		w.t.Fatal(err)
	}
	if w.mail.Dirty() {
		w.t.Fatal("dirty after a commit")
	}
}

func (w *world) rows(tables ...store.Table) (n int) {
	w.t.Helper()
	for _, tab := range tables {
		if err := w.sh.Scan(tab, nil, nil, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil {
			w.t.Fatal(err)
		}
	}
	return n
}

// reopen compares what a start reads with what was held at the last commit.
func (w *world) reopen() {
	w.t.Helper()
	var got []*wire.Envelope
	w.mail = mail.New(w.sh)
	if err := w.mail.Open(func(env *wire.Envelope) { got = append(got, env) }); err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(w.held, func(a, b *wire.Envelope) int { return int(a.Seq) - int(b.Seq) })
	if len(got) != len(w.held) {
		w.t.Fatalf("%d messages after a start, want %d", len(got), len(w.held))
	}
	for i, env := range got {
		if want := w.held[i]; env.Seq != want.Seq || env.Attempt != want.Attempt || env.To != want.To || mail.Unsaved(env) {
			w.t.Fatalf("message %d after a start is %+v, want %+v", i, env, want)
		}
	}
	w.held = got
}

func TestSheets(t *testing.T) {
	w := newWorld(t)
	for range 600 {
		w.take(1, 10)
	}
	w.consume(0) // before it was a row
	w.commit()
	if n := w.rows(store.Sheets, store.Marks, store.Mail); n != 3 {
		t.Errorf("599 messages are %d rows, want 3 sheets", n)
	}
	w.consume(5)
	w.consume(300)
	w.commit()
	if n := w.rows(store.Marks); n != 2 {
		t.Errorf("%d rows of marks, want 2", n)
	}
	w.fail(w.held[7])
	w.commit()
	if n := w.rows(store.Mail); n != 1 {
		t.Errorf("%d rows of their own, want that of the message that failed", n)
	}
	w.reopen()
	for len(w.held) > 0 {
		w.consume(len(w.held) - 1)
	}
	w.commit()
	if n := w.rows(store.Sheets, store.Marks, store.Mail); n != 0 {
		t.Errorf("%d rows when all is consumed", n)
	}
	w.reopen()
}

// A sheet ends when its numbers are far apart, and when it has many bytes.
func TestSheetsEnd(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.take(500, 10)
	}
	w.commit()
	if n := w.rows(store.Sheets); n != 4 {
		t.Errorf("10 messages over 5,000 numbers are %d sheets, want 4", n)
	}
	for range 10 {
		w.take(1, 40<<10)
	}
	w.commit()
	if n := w.rows(store.Sheets); n != 4+5 {
		t.Errorf("ten messages of 40 KiB are %d sheets, want 5", n-4)
	}
	w.reopen()
}

// A timer that failed is mail, and a timer no more; what is older than a sheet
// is none of its messages.
func TestFailedTimer(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.take(1, 10)
	}
	w.commit()
	env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: "k", Method: "m"}, Seq: 2, Due: 5, Note: wire.InTimers}
	env.Seq = 0 // older than all
	w.held = append(w.held, env)
	w.fail(env)
	b := w.sh.NewBatch(0)
	b.Set(store.Timers, rows.TimerKey(5, 0), []byte("x"))
	if _, err := w.sh.Commit(b); err != nil {
		t.Fatal(err)
	}
	b.Close()
	w.commit()
	if w.rows(store.Timers) != 0 || w.rows(store.Mail) != 1 {
		t.Errorf("%d timers, %d rows of mail", w.rows(store.Timers), w.rows(store.Mail))
	}
	w.reopen()
}

func TestVolatile(t *testing.T) {
	w := newWorld(t)
	w.take(1, 10).Note |= wire.Volatile
	if w.mail.Dirty() {
		t.Error("a message whose caller waits must be a row")
	}
	w.commit()
	if n := w.rows(store.Sheets, store.Mail); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestDamage(t *testing.T) {
	sheet := rows.AppendSheet(nil, []*wire.Envelope{{Kind: wire.Call, To: wire.Address{Type: "x"}, Seq: 7}})
	for name, row := range map[string]struct {
		table      store.Table
		key, value []byte
	}{
		"key of mail":        {store.Mail, []byte("short"), nil},
		"key of a sheet":     {store.Sheets, []byte("short"), sheet},
		"key of marks":       {store.Marks, []byte("short"), nil},
		"mail":               {store.Mail, rows.SeqKey(7), []byte{0xff}},
		"an empty sheet":     {store.Sheets, rows.SeqKey(7), nil},
		"a sheet":            {store.Sheets, rows.SeqKey(7), sheet[:len(sheet)-1]},
		"marks of more bits": {store.Marks, rows.SeqKey(7), make([]byte, 100)},
	} {
		w := newWorld(t)
		b := w.sh.NewBatch(0)
		b.Set(row.table, row.key, row.value)
		if row.table == store.Marks {
			b.Set(store.Sheets, rows.SeqKey(7), sheet)
		}
		if _, err := w.sh.Commit(b); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if err := w.mail.Open(func(*wire.Envelope) {}); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestModel takes, consumes, fails, commits and starts anew at random.
func TestModel(t *testing.T) {
	runs := 15
	if _, one := seed.Given(t); one {
		runs = 1
	}
	first := seed.New(t)
	for i := range uint64(runs) {
		t.Run(fmt.Sprint("SITU_SEED=", first+i), func(t *testing.T) {
			w, rng := newWorld(t), rand.New(rand.NewPCG(first+i, 0))
			for range 400 {
				switch n := rng.IntN(20); {
				case n < 8:
					for range rng.IntN(80) {
						w.take(wire.Seq(1+rng.IntN(1+rng.IntN(40))), rng.IntN(50))
					}
				case n < 14:
					for range min(len(w.held), rng.IntN(80)) {
						w.consume(min(len(w.held)-1, rng.IntN(1+rng.IntN(len(w.held)))))
					}
				case n < 16 && len(w.held) > 0:
					w.fail(w.held[rng.IntN(len(w.held))])
				case n < 19:
					w.commit()
				default:
					w.commit()
					w.reopen()
				}
			}
			for len(w.held) > 0 {
				w.consume(rng.IntN(len(w.held)))
			}
			w.commit()
			if n := w.rows(store.Sheets, store.Marks, store.Mail); n != 0 {
				t.Errorf("%d rows when all is consumed", n)
			}
		})
	}
}
