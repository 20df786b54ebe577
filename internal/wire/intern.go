package wire

import "sync/atomic"

// Names of types and methods recur in every envelope; there are few of them.
// intern returns one string for equal bytes, so that decoding an envelope does
// not allocate them again. The table is bounded: names beyond it are copied.
const internSlots = 1024 // a power of two

var interned [internSlots]atomic.Pointer[string]

func intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > MaxName {
		return string(b)
	}
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	slot := &interned[h&(internSlots-1)]
	if s := slot.Load(); s != nil && *s == string(b) {
		return *s
	}
	s := string(b)
	slot.Store(&s)
	return s
}
