package counter

import (
	"crypto/sha256"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// toil hashes what it has hashed, so many times. It does nothing else: no
// memory, no waiting.
func toil(rounds int64) error {
	var h [sha256.Size]byte
	for range rounds {
		h = sha256.Sum256(h[:])
	}
	if rounds > 0 && h == [sha256.Size]byte{} {
		return fault.New(fault.Internal, "toil", "", "a hash is zero") // so that the hash is used
	}
	return nil
}

// Rounds returns what Toil has to be given to take so much time of a processor
// on this machine, 0 for none. It measures that, which takes some milliseconds:
// the shortest of many short samples is one that nobody disturbed.
func Rounds(d time.Duration) (int64, error) {
	if d <= 0 {
		return 0, nil
	}
	const samples, sample = 100, 1000
	least := time.Hour
	for range samples {
		begin := time.Now()
		if err := toil(sample); err != nil {
			return 0, err
		}
		least = min(least, time.Since(begin))
	}
	return max(int64(float64(sample)*float64(d)/float64(max(least, 1))), 1), nil
}
