package tally_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/shard/tally"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

const hour = wire.Time(3600e9)

// TestHours: counts go to the row of their hour, and those of long ago to one
// row, whatever happens between.
func TestHours(t *testing.T) {
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	sh := st.Shard(0)
	to := wire.Address{Type: "a", Key: "k", Method: "m"}
	ta := tally.New(sh)
	var turns uint64
	begin := 500_000 * hour
	for now := begin; now < begin+200*24*hour; now += 7 * hour {
		if now/hour%3 == 0 {
			ta = tally.New(sh) // a start
		}
		for range 3 {
			ta.Of(nil, to, now).Turns++
			turns++
		}
		if err := ta.Look(now); err != nil {
			t.Fatal(err)
		}
		b := sh.NewBatch(0)
		if err := ta.Seal(b, now); err != nil {
			t.Fatal(err)
		}
		if _, err := sh.Commit(b); err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
	var sum, old uint64
	n := 0
	err = sh.Scan(store.Meter, nil, nil, func(k, v []byte) (bool, error) {
		h, typ, method, err := rows.SplitMeter(k)
		c, err2 := meter.Decode(v)
		if err != nil || err2 != nil || typ != "a" || method != "m" {
			t.Errorf("%q: %v, %v", k, err, err2)
		}
		if sum += c.Turns; h == 0 {
			old = c.Turns
		}
		n++
		return true, nil
	})
	if err != nil || sum != turns || old == 0 || n > 92*24/7+2 {
		t.Errorf("%d turns of %d, %d of them old, in %d rows: %v", sum, turns, old, n, err)
	}
}

// TestDue: counts alone are a reason to commit when they have waited.
func TestDue(t *testing.T) {
	ta := tally.New(nil)
	if ta.Due(5) || ta.NextFlush() != 0 {
		t.Error("nothing is due")
	}
	ta.Of(nil, wire.Address{Method: "f"}, 5).Turns++
	if ta.Due(5) || ta.NextFlush() != 5+tally.FlushEvery || !ta.Due(5+tally.FlushEvery) {
		t.Errorf("due at %d", ta.NextFlush())
	}
	if ta.Hurry(); !ta.Due(5 + 1e9) {
		t.Error("in a hurry it is not due")
	}
}
