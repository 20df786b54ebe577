package chain

import (
	"context"
	"fmt"
	"strconv"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/wire"
)

// onShard returns a key that begins with prefix and is on that shard.
func onShard(prefix string, want, shards int) string {
	for salt := 0; ; salt++ {
		key := prefix + "-" + strconv.Itoa(salt)
		if int(place.Shard(wire.ObjectID{Type: Type.Name(), Key: key}, shards)) == want {
			return key
		}
	}
}

// The figures that have bars.
const (
	oneShard   = " p50 alone on one shard"
	manyShards = " p50 alone across shards"
	crowded    = " in a crowd"
)

// The crowd and who is alone have chains of their own, which nobody else counts.
const (
	firstOfCrowd = 1_000_000
	aloneChain   = 9_000_000
)

// chainsEach is how many chains each caller of the crowd makes.
const chainsEach = 3

// beside measures what the bars of chains ask for, with the kinds that go through
// objects: one caller alone, and a crowd. It returns what is wrong.
func (c Config) beside(ctx context.Context, p platform.Platform, r *report.Result, show *report.Progress) (wrong string, err error) {
	if c.Crowd == 0 {
		return "", nil
	}
	for _, k := range kinds {
		if !k.objects {
			continue
		}
		for _, name := range []string{oneShard, manyShards} {
			if wrong, err = c.alone(ctx, p, r, k, name, name == oneShard, show); wrong != "" || err != nil {
				return wrong, err
			}
		}
	}
	for _, k := range kinds {
		if !k.objects {
			continue
		}
		crowd := Config{Links: c.Links, Callers: c.Crowd, Chains: chainsEach * c.Crowd, first: firstOfCrowd}
		_, perS, err := crowd.many(ctx, p, k, crowd.Callers, crowd.Chains, show)
		if err != nil {
			return "", fmt.Errorf("a crowd of %d: %w", c.Crowd, err)
		}
		hops := float64(k.hops(c.Links))
		r.AddOver(k.name+crowded, perS*hops, "hops/s", hops*float64(crowd.Chains)/crowd.floor(k.name).Seconds(), "goroutines and channels")
	}
	return "", nil
}

// alone measures chains of one caller on certain shards, and checks that each link
// ran as often as it was called.
func (c Config) alone(ctx context.Context, p platform.Platform, r *report.Result, k kind, name string, stay bool, show *report.Progress) (wrong string, err error) {
	const runs = 101
	head := Hop{Left: c.Links - 1, Chain: aloneChain, Shards: p.Node().Shards(), Stay: stay}
	one := Config{Links: c.Links, head: &head}
	before, err := links(ctx, p, head, c.Links)
	if err != nil {
		return "", err
	}
	took, _, err := one.many(ctx, p, k, 1, runs, show)
	if err != nil {
		return "", err
	}
	p50, _ := report.Quantiles(took[0][1:]) // the first makes the objects
	r.Add(k.name+name, p50, "ms")
	after, err := links(ctx, p, head, c.Links)
	if err == nil && after-before != runs*c.Links {
		wrong = fmt.Sprintf("WRONG: the links of %d chains were run %d times, want %d", runs, after-before, runs*c.Links)
	}
	return wrong, err
}

// links returns how often the links of a chain were run.
func links(ctx context.Context, p situ.Caller, h Hop, n int) (sum int, err error) {
	for range n {
		runs, err := situ.Do(ctx, p, Runs.To(h.link(), situ.None{}))
		if err != nil {
			return 0, fmt.Errorf("read a link: %w", err)
		}
		sum, h = sum+runs, h.next()
	}
	return sum, nil
}

// Bars are those of the project: of ten links, embedded.
func (c Config) Bars(r *report.Result) (bars []report.Bar) {
	if c.Links != 10 || c.Crowd < 10_000 || r.Mode != platform.Embedded {
		return nil
	}
	least := 80_000.0
	if r.Conditions.Disk == "tmpfs" {
		least = 200_000
	}
	for _, k := range kinds {
		if !k.objects {
			continue
		}
		bars = append(bars, report.AtLeast(k.name+crowded+", hops/s", r.Figure(k.name+crowded).Value, least))
		if r.Conditions.Disk != "tmpfs" && k.hops(c.Links) <= c.Links+1 { // there a sync is nothing to compare with
			bars = append(bars, report.AtMost(k.name+oneShard+" / fdatasync", r.Figure(k.name+oneShard).Value/r.FsyncP50MS, 2),
				report.AtMost(k.name+manyShards+" / fdatasync", r.Figure(k.name+manyShards).Value/r.FsyncP50MS, 12))
		}
	}
	return bars
}
