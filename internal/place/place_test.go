package place_test

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/wire"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/placement.golden if it is not there")

const golden = "testdata/placement.golden"

// objects are the names whose placement is fixed: usual ones, the empty, the
// longest, ones around the lengths where the hash takes another path, and
// ones that differ only in where the type ends.
func objects() []wire.ObjectID {
	ids := []wire.ObjectID{
		{Type: "flight", Key: "BA123"}, {Type: "flight", Key: "BA124"},
		{Type: "account", Key: "ann"}, {Type: "account", Key: "bob"},
		{Type: "a", Key: "bc"}, {Type: "ab", Key: "c"}, {Type: "abc", Key: ""}, {Type: "", Key: "abc"},
		{Type: "", Key: ""}, {Type: "stadt", Key: "Zürich"}, {Type: "city", Key: "東京"},
		{Type: strings.Repeat("t", wire.MaxName), Key: strings.Repeat("k", wire.MaxKey)},
	}
	for _, n := range []int{3, 7, 8, 31, 32, 62, 63, 64, 65, 127, 200} {
		ids = append(ids, wire.ObjectID{Type: "t", Key: strings.Repeat("x", n)})
	}
	return ids
}

// line describes where o lives for some numbers of shards.
func line(o wire.ObjectID) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q", o.Type, o.Key)
	for _, n := range []int{1, 2, 3, 8, 64, 1000, 1 << 16} {
		fmt.Fprintf(&b, " %d:%d", n, place.Shard(o, n))
	}
	return b.String()
}

// Placement is for ever: a change here loses the stored objects of every data
// directory. So -rewrite only makes a golden file that is missing.
func TestGolden(t *testing.T) {
	if _, err := os.Stat(golden); os.IsNotExist(err) && *rewrite {
		var b strings.Builder
		for _, o := range objects() {
			b.WriteString(line(o) + "\n")
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	ids := objects()
	if len(lines) != len(ids) {
		t.Fatalf("%s has %d lines, want %d", golden, len(lines), len(ids))
	}
	for i, o := range ids {
		if got := line(o); got != lines[i] {
			t.Errorf("placement changed:\n got %s\nwant %s", got, lines[i])
		}
	}
}

// Keys that people use (counters, one letter apart, common prefixes) spread
// over the shards as chance would: by the chi-squared test, within six
// standard deviations.
func TestSpread(t *testing.T) {
	const n = 40_000
	families := map[string]func(i int) wire.ObjectID{
		"counter":    func(i int) wire.ObjectID { return wire.ObjectID{Type: "flight", Key: fmt.Sprint(i)} },
		"padded":     func(i int) wire.ObjectID { return wire.ObjectID{Type: "order", Key: fmt.Sprintf("2026-%08d", i)} },
		"strides":    func(i int) wire.ObjectID { return wire.ObjectID{Type: "t", Key: fmt.Sprint(i * 1024)} },
		"many types": func(i int) wire.ObjectID { return wire.ObjectID{Type: fmt.Sprintf("t%d", i), Key: "main"} },
		"long": func(i int) wire.ObjectID {
			return wire.ObjectID{Type: "t", Key: strings.Repeat("p", 200) + fmt.Sprint(i)}
		},
	}
	for name, id := range families {
		ids := make([]wire.ObjectID, n)
		for i := range ids {
			ids[i] = id(i)
		}
		for _, shards := range []int{2, 8, 12, 64, 1000} {
			count := make([]int, shards)
			for _, o := range ids {
				count[place.Shard(o, shards)]++
			}
			want, chi := float64(n)/float64(shards), 0.0
			for _, c := range count {
				chi += (float64(c) - want) * (float64(c) - want) / want
			}
			free := float64(shards - 1)
			if limit := free + 6*math.Sqrt(2*free); chi > limit {
				t.Errorf("%s over %d shards: chi² is %.0f, over %.0f: %v", name, shards, chi, limit, count[:min(shards, 12)])
			}
		}
	}
}

// A number of shards that no data directory can have is refused at once.
func TestShardsOutOfRange(t *testing.T) {
	for _, n := range []int{-1, 0, 1<<16 + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Shard with %d shards did not panic", n)
				}
			}()
			place.Shard(wire.ObjectID{Type: "a", Key: "b"}, n)
		}()
	}
}

// Placing does not allocate, neither for usual names nor for the longest.
func TestNoAllocation(t *testing.T) {
	for _, o := range []wire.ObjectID{
		{Type: "flight", Key: "BA123"},
		{Type: strings.Repeat("t", wire.MaxName), Key: strings.Repeat("k", wire.MaxKey)},
	} {
		if n := testing.AllocsPerRun(100, func() { place.Shard(o, 8) }); n != 0 {
			t.Errorf("a name of %d bytes: %v allocations, want none", len(o.Type)+len(o.Key), n)
		}
	}
}

func BenchmarkShard(b *testing.B) {
	for name, o := range map[string]wire.ObjectID{
		"short": {Type: "flight", Key: "BA123"},
		"uuid":  {Type: "account", Key: "123e4567-e89b-12d3-a456-426614174000"},
		"long":  {Type: strings.Repeat("t", wire.MaxName), Key: strings.Repeat("k", wire.MaxKey)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				place.Shard(o, 8)
			}
		})
	}
}
