package identity

import (
	"bytes"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/golden"
)

var goldenID = Identity{2, 2, "000102030405060708090a0b0c0d0e0f", "2026-01-02T03:04:05Z"}

func TestGoldenIdentity(t *testing.T) {
	b := golden.File(t, "identity.v2.json", goldenID.Encode())
	if id, err := Decode("f", b); err != nil || id != goldenID {
		t.Errorf("decoded %+v, %v", id, err)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(goldenID.Encode())
	f.Add([]byte(`{"format":9,"sum":"00000000"}` + "\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		// With the right checksum, so that the fuzzer gets behind it.
		for _, q := range [][]byte{p, append(bytes.Clone(p), sum(p)...)} {
			id, err := Decode("f", q)
			if err == nil && (id.Shards < 1 || id.Shards > MaxShards) {
				t.Errorf("%q: %+v", q, id)
			}
			if err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", q, err)
			}
		}
	})
}
