package element_test

import (
	"math"
	"testing"

	"github.com/situ-dev/situ/internal/element"
)

type word string

func TestKeys(t *testing.T) {
	checkKeys(t, math.MinInt64, -256, -1, 0, 1, 255, 256, math.MaxInt64)
	checkKeys[int8](t, -128, -1, 0, 127)
	checkKeys[uint64](t, 0, 255, 256, math.MaxUint64)
	checkKeys[word](t, "", "\x00", "a", "a\x00", "aa", "b", "é", "\xff")
}

func checkKeys[K element.Key](t *testing.T, keys ...K) {
	t.Helper()
	last := ""
	for i, k := range keys {
		b := element.EncodeKey(k)
		if got, err := element.DecodeKey[K](b); err != nil || got != k {
			t.Errorf("%v reads back as %v, %v", k, got, err)
		}
		if i > 0 && string(b) <= last {
			t.Errorf("%v is not after the key before it", k)
		}
		last = string(b)
	}
}
