package deploy

import "math"

// Part is a version that has a part of the whole.
type Part struct {
	ID     uint64  // Hash of its name
	Weight float64 // in proportion to those of the others
}

// Pick returns which of parts has what hashes to h: the same each time, and each
// in proportion to its weight. When a weight changes, only what must move moves:
// from those that lose to those that gain (weighted rendezvous hashing). It is -1
// if none has a weight.
func Pick(parts []Part, h uint64) int {
	best, at := 0.0, -1
	for i, p := range parts {
		if p.Weight <= 0 {
			continue
		}
		u := (float64(mix(h^p.ID)>>11) + 0.5) / (1 << 53) // above 0, under 1
		if score := p.Weight / -math.Log(u); at < 0 || score > best {
			best, at = score, i
		}
	}
	return at
}

// Hash returns the hash of words, for Pick. It is not that of package place:
// what one version has lies in all shards.
func Hash(words ...string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for _, w := range words {
		for i := range len(w) {
			h = (h ^ uint64(w[i])) * prime
		}
		h = (h ^ 0xff) * prime // no text has this byte
	}
	return mix(h)
}

// mix spreads the bits of h.
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// At is between the name of a deployment and that of a version, in the name of a
// program.
const At = "@"
