package clean_test

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/clean"
)

// Each byte at each place among clean ones stops the prefix, or does not.
func TestPrefix(t *testing.T) {
	for c := range 256 {
		ok := c >= ' ' && c < 0x80 && !strings.ContainsRune(`"\<>&`, rune(c))
		for _, fill := range []string{" ", "a", "\x7f", "!", "#", "%", "'", "=", "?", "[", "]", "$"} {
			for at := range 24 {
				s := strings.Repeat(fill, at) + string([]byte{byte(c)}) + strings.Repeat(fill, 23-at)
				want := 24
				if !ok {
					want = at / 8 * 8
				}
				if got, too := clean.Prefix([]byte(s)), clean.PrefixOf(s); got != want || too != want {
					t.Fatalf("%q: %d and %d, want %d", s, got, too, want)
				}
			}
		}
	}
	for n := range 20 {
		s := strings.Repeat("x", n)
		if got, too := clean.Prefix([]byte(s)), clean.PrefixOf(s); got != n/8*8 || too != got {
			t.Errorf("%d bytes: %d and %d", n, got, too)
		}
	}
}
