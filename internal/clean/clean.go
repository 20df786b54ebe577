// Package clean finds out fast that text needs no care: what JSON says of a
// string depends on few characters, and most strings have none of them. It is
// pure, and knows nothing of what comes behind the first byte that is not clean.
package clean

import "encoding/binary"

// Each byte of a word.
const (
	ones = 0x0101_0101_0101_0101
	high = 0x80 * ones
)

// Prefix returns how many bytes at the beginning of b are known to be clean:
// ASCII from the space on, and none of " \ < > &, which end a string of JSON or
// are escaped by somebody. What follows may be clean, too: up to seven bytes,
// or as many as are left.
func Prefix(b []byte) (n int) {
	for len(b) >= 8 && isClean(binary.LittleEndian.Uint64(b)) {
		b = b[8:]
		n += 8
	}
	return n
}

// isClean reports whether all bytes of w are. A byte less what it must reach has
// its high bit set if it does not; what was borrowed from the byte above it
// changes nothing, because then the answer is no already.
func isClean(w uint64) bool {
	const (
		quoteAnd = 0x26 * ones // " is & without the bit 4
		lessMore = 0x3e * ones // < is > without the bit 2
		slash    = 0x5c * ones
	)
	bad := w | (w - 0x20*ones) | ((w ^ slash) - ones) | (((w | 4*ones) ^ quoteAnd) - ones) | (((w | 2*ones) ^ lessMore) - ones)
	return bad&high == 0
}
