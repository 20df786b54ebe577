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
				if got := clean.Prefix([]byte(s)); got != want {
					t.Fatalf("%q: %d, want %d", s, got, want)
				}
			}
		}
	}
	for n := range 20 {
		if got := clean.Prefix([]byte(strings.Repeat("x", n))); got != n/8*8 {
			t.Errorf("%d bytes: %d", n, got)
		}
	}
}
