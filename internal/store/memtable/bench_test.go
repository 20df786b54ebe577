package memtable

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// many is the size of the tables that benchmarks work on.
const many = 300_000

// benchKey is a key of 30 bytes that is made anew for each put and each get,
// because keys that were made long before would cost more to fetch than all
// the rest. Keys are in no order, and alike at their beginning, as those of
// objects are.
type benchKey [30]byte

func newBenchKey() *benchKey { return (*benchKey)([]byte("\x00\x07oaccount\x00customer-0000000000")) }

// of returns the i-th key, until the next call.
func (k *benchKey) of(i int) []byte {
	n := uint32(i) * 2654435761
	for at := len(k) - 1; at >= len(k)-10; at-- {
		k[at] = '0' + byte(n%10)
		n /= 10
	}
	return k[:]
}

var benchValue = make([]byte, 60)

func filled(n int) *Table {
	t, key := New(), newBenchKey()
	t.Begin()
	for i := range n {
		t.Put(Set, key.of(i), benchValue)
	}
	t.End()
	return t
}

// BenchmarkPutNew puts into tables that grow to 300,000 keys; each put is of a
// key that is not there.
func BenchmarkPutNew(b *testing.B) {
	key := newBenchKey()
	b.ReportAllocs()
	var t *Table
	for i := 0; b.Loop(); i++ {
		k := i % many
		if k == 0 {
			if t != nil {
				t.End()
			}
			t = New()
			t.Begin()
		}
		t.Put(Set, key.of(k), benchValue)
	}
}

// BenchmarkPutSame puts the keys of a table of 300,000 once more each, and then
// begins with another table.
func BenchmarkPutSame(b *testing.B) {
	key := newBenchKey()
	b.ReportAllocs()
	var t *Table
	for i := 0; b.Loop(); i++ {
		k := i % many
		if k == 0 {
			if t != nil {
				t.End()
			}
			b.StopTimer()
			t = filled(many)
			t.Begin()
			b.StartTimer()
		}
		t.Put(Set, key.of(k*7919%many), benchValue)
	}
}

// BenchmarkPutBatch is PutNew with the locks of batches of ten.
func BenchmarkPutBatch(b *testing.B) {
	key := newBenchKey()
	var t *Table
	for i := 0; b.Loop(); i++ {
		k := i % many
		if k == 0 {
			t = New()
		}
		if k%10 == 0 {
			t.Begin()
		}
		t.Put(Set, key.of(k), benchValue[:20], benchValue[20:])
		if k%10 == 9 {
			t.End()
		}
	}
}

// BenchmarkKey is what making the key costs, in all the others.
func BenchmarkKey(b *testing.B) {
	key, n := newBenchKey(), 0
	for i := 0; b.Loop(); i++ {
		n += int(key.of(i * 7919 % many)[29])
	}
}

func BenchmarkGet(b *testing.B) {
	t, key := filled(many), newBenchKey()
	for name, from := range map[string]int{"hit": 0, "miss": many} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, _, ok := t.Get(key.of(from + i*7919%many)); ok != (from == 0) {
					b.Fatal(ok)
				}
			}
		})
	}
}

// BenchmarkWalk puts some new keys into a table of 300,000 in order, and then
// walks over ten rows. What is reported is for both.
func BenchmarkWalk(b *testing.B) {
	for _, puts := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("after %d puts", puts), func(b *testing.B) {
			key, next := newBenchKey(), 3*many
			var t *Table
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if t == nil || next+puts > 2*many {
					b.StopTimer()
					t, next = filled(many), many
					t.Iter(nil, nil)
					b.StartTimer()
				}
				t.Begin()
				for range puts {
					t.Put(Set, key.of(next), benchValue)
					next++
				}
				t.End()
				it := t.Iter(key.of(i*7919%many), nil)
				for n := 0; n < 10 && it.Next(); n++ {
				}
			}
		})
	}
}

// BenchmarkFreeze is what the table costs when it is written out: it brings
// 300,000 keys into order and reads all rows. Both are reported for one key.
func BenchmarkFreeze(b *testing.B) {
	var sorting, reading time.Duration
	n := 0
	for b.Loop() {
		b.StopTimer()
		t := filled(many)
		runtime.GC()
		b.StartTimer()
		start := time.Now()
		it := t.Iter(nil, nil)
		sorted := time.Now()
		for it.Next() {
			n += len(it.Value()) / len(benchValue)
		}
		sorting += sorted.Sub(start)
		reading += time.Since(sorted)
	}
	b.ReportMetric(float64(sorting)/float64(n), "sort-ns/row")
	b.ReportMetric(float64(reading)/float64(n), "read-ns/row")
}

// BenchmarkSort compares the sort with one that knows nothing of keys.
func BenchmarkSort(b *testing.B) {
	t := filled(many)
	keys, fresh := t.arena.chunks, t.fresh
	for name, f := range map[string]func([]pos){
		"heads":   keys.sort,
		"compare": func(p []pos) { slices.SortFunc(p, keys.compare) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f(slices.Clone(fresh))
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/many, "ns/row")
		})
	}
}

// BenchmarkPause puts a million keys, and reports the longest put.
func BenchmarkPause(b *testing.B) {
	key := newBenchKey()
	var longest time.Duration
	for b.Loop() {
		t := New()
		t.Begin()
		for i := range 1_000_000 {
			start := time.Now()
			t.Put(Set, key.of(i), benchValue)
			longest = max(longest, time.Since(start))
		}
		t.End()
	}
	b.ReportMetric(float64(longest)/1e3, "longest-µs")
}

// BenchmarkCollect is a whole collection with a table of a million rows.
func BenchmarkCollect(b *testing.B) {
	t := filled(1_000_000)
	runtime.GC()
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(t)
}
