package spans

import (
	"slices"

	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// headsKept is how many chains are remembered, twice: those that were seen
// lately and those before them. Of others the head is read again.
const headsKept = 2048

// saveEvery is after how many rows the head of a chain is written again. What a
// crash makes it forget is the count of fewer rows than that.
const saveEvery = 256

// count counts a message as one of its chain. When there are too many, it is
// left out.
func (b *Book) count(env *wire.Envelope) error {
	if env.Span().Left || env.Note&wire.InSpans != 0 {
		return nil
	}
	h, err := b.head(env.Chain())
	if err != nil {
		return err
	}
	env.Note |= wire.InSpans
	if h.Rows < uint64(b.cfg.Max) {
		h.Rows++
	} else {
		h.Left++
		env.Span().Left = true
	}
	if !h.dirty {
		h.dirty = true
		b.touched = append(b.touched, h)
	}
	return nil
}

// head returns what is known of a chain.
func (b *Book) head(chain wire.InvocationID) (*head, error) {
	if h := b.heads[chain]; h != nil {
		return h, nil
	}
	h := b.older[chain]
	if h == nil {
		h = &head{chain: chain}
		from, _ := rows.SpansOf(chain)
		v, there, err := b.rows.Get(store.Spans, from)
		if err != nil {
			return nil, err
		}
		h.fresh = !there
		if h.Head, err = span.DecodeHead(v); err != nil {
			return nil, err
		}
		h.saved = h.Head
	}
	if len(b.heads) >= headsKept {
		b.forget()
	}
	b.heads[chain] = h
	return h, nil
}

// forget forgets the older half of the heads, but for those of which the rows
// do not tell yet.
func (b *Book) forget() {
	left := b.older
	b.older, b.heads = b.heads, make(map[wire.InvocationID]*head, headsKept)
	for chain, h := range left {
		if b.older[chain] == nil && (h.dirty || h.flown) {
			b.heads[chain] = h
		}
	}
}

// sealHeads writes the heads that have changed enough.
func (b *Book) sealHeads(w *store.Batch) {
	for _, h := range b.touched {
		h.dirty, h.flown = false, true
		from, _ := rows.SpansOf(h.chain)
		if h.fresh {
			w.Set(store.Spans, rows.SpanExpiryKey(b.look+b.cfg.Keep, h.chain))
		}
		if h.fresh || h.Left != h.saved.Left || h.Rows >= h.saved.Rows+saveEvery {
			w.Set(store.Spans, from, span.AppendHead(nil, h.Head))
			h.saved = h.Head
		}
		h.fresh = false
	}
	b.touched, b.sealed = b.sealed[:0], b.touched
}

// How often to look for chains that are over, and how many to take at once.
const (
	lookEvery = wire.Time(60e9)
	lookSoon  = wire.Time(100e6)
	lookMost  = 1000
)

// NextLook returns when Expire has something to do.
func (b *Book) NextLook() wire.Time { return b.look }

// Expire has the rows of chains go whose records are gone, with the next Seal.
// It does nothing before NextLook.
func (b *Book) Expire(now wire.Time) error {
	if now < b.look {
		return nil
	}
	n := 0
	from, to := rows.SpanExpiryRange(now)
	err := b.rows.Scan(store.Spans, from, to, func(k, _ []byte) (bool, error) {
		chain, err := rows.SplitSpanExpiry(k)
		if err != nil {
			return false, err
		}
		rec, err := b.cfg.Record(chain)
		if err != nil {
			return false, err
		}
		g := gone{chain: chain, key: slices.Clone(k)}
		switch {
		case rec != nil && rec.Expires > now:
			g.until = rec.Expires + 1
		case rec != nil:
			g.until = now + b.cfg.Keep
		}
		b.gone = append(b.gone, g)
		n++
		return n < lookMost, nil
	})
	b.look = now + lookEvery
	if n == lookMost {
		b.look = now + lookSoon
	}
	return err
}

func (b *Book) expire(w *store.Batch) {
	for _, g := range b.gone {
		w.Delete(store.Spans, g.key)
		if g.until != 0 {
			w.Set(store.Spans, rows.SpanExpiryKey(g.until, g.chain))
			continue
		}
		from, to := rows.SpansOf(g.chain)
		w.DeleteRange(store.Spans, from, to)
		delete(b.heads, g.chain)
		delete(b.older, g.chain)
	}
	b.gone = b.gone[:0]
}
