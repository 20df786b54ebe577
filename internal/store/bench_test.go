package store

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/situ-dev/situ/internal/wire"
)

// BenchmarkCommit commits to eight shards at once on the real disk; ns/op is
// per commit, over all shards.
func BenchmarkCommit(b *testing.B) {
	for _, shards := range []int{1, 8} {
		for _, rows := range []int{1, 1000} {
			b.Run(fmt.Sprintf("shards=%d/rows=%d", shards, rows), func(b *testing.B) {
				benchCommit(b, shards, rows)
			})
		}
	}
}

func benchCommit(b *testing.B, shards, rows int) {
	s := open(b, b.TempDir(), Options{Shards: 8})
	value := make([]byte, 100)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range shards {
		wg.Go(func() {
			sh := s.Shard(wire.ShardID(i))
			var key [8]byte
			for n := i; n < b.N; n += shards {
				t := sh.NewBatch(0)
				for r := range rows {
					binary.BigEndian.PutUint64(key[:], uint64(n*rows+r)*0x9e3779b97f4a7c15)
					t.Set(Objects, key[:], value)
				}
				if _, err := sh.Commit(t); err != nil {
					b.Error(err)
					return
				}
				t.Close()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(s.Stats().WALBytes)/float64(b.N), "WAL-B/op")
}

// BenchmarkGet reads rows that are there from a warm cache.
func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	sh := s.Shard(0)
	t := sh.NewBatch(0)
	for i := range 10000 {
		t.Set(Objects, binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, 100))
	}
	if _, err := sh.Commit(t); err != nil {
		b.Fatal(err)
	}
	t.Close()
	b.ResetTimer()
	for i := range b.N {
		if _, ok, err := sh.Get(Objects, binary.BigEndian.AppendUint64(nil, uint64(i%10000))); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
