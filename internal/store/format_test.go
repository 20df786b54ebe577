package store

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var goldenID = identity{1, 2, "000102030405060708090a0b0c0d0e0f", "2026-01-02T03:04:05Z"}

// golden compares with a file of testdata; a change of it is a change of
// the format on disk and needs a new version.
func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
	}
	return want
}

func unhex(t *testing.T, b []byte) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestGoldenIdentity(t *testing.T) {
	b := golden(t, "identity.v1.json", goldenID.encode())
	if id, err := decodeIdentity("f", b); err != nil || id != goldenID {
		t.Errorf("decoded %+v, %v", id, err)
	}
}

func TestGoldenMark(t *testing.T) {
	m := mark{index: 5, seq: 0x0102030405060708, hash: 0x1112131415161718, store: goldenID.short()}
	b := m.encode()
	if got, err := decodeMark(unhex(t, golden(t, "mark.v1.hex", []byte(hex.EncodeToString(b[:])+"\n")))); err != nil || got != m {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

func TestGoldenLink(t *testing.T) {
	l := link{first: 300, prev: 0x0102030405060708, hash: 0x1112131415161718}
	b := golden(t, "link.v1.hex", []byte(hex.EncodeToString(l.append(nil))+"\n"))
	if got, err := decodeLink(unhex(t, b)); err != nil || got != l {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// TestGoldenChain holds the hash of a commit: it covers Pebble's encoding
// of the batch, so a change of that is seen here.
func TestGoldenChain(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 2})
	sh := s.Shard(1)
	var out bytes.Buffer
	for _, k := range []string{"a", "b"} {
		put(t, sh, Objects, k, "value of "+k)
	}
	if err := sh.Scan(tableChain, nil, nil, func(k, v []byte) (bool, error) {
		out.WriteString(hex.EncodeToString(k) + " " + hex.EncodeToString(v) + "\n")
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	golden(t, "chain.v1.hex", out.Bytes())
}

// TestMarksAlternate: whichever slot is torn, the other one counts.
func TestMarksAlternate(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "d", Options{FS: fs, Shards: 2})
	for range 7 {
		put(t, s.Shard(1), Meta, "k", "v")
	}
	s.Close()
	b, err := readFile(fs, "d/situ.hwm", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for half := range 2 {
		torn := bytes.Clone(b)
		clear(torn[half*pageSize+slotSize+20:][:20])
		m, p := decodeMarks(torn, s.id)
		if p != nil {
			t.Fatal(p)
		}
		seen[m.all[1].seq] = true
		clear(torn[(1-half)*pageSize+slotSize:][:slotSize])
		if _, p := decodeMarks(torn, s.id); p == nil || p.Shard != 1 {
			t.Errorf("both slots gone: %v", p)
		}
	}
	if !seen[6] || !seen[7] {
		t.Errorf("with one slot torn the marks are %v", seen)
	}
}

func FuzzMark(f *testing.F) {
	b := mark{index: manifestMark, seq: 7, hash: 9}.encode()
	f.Add(b[:])
	f.Fuzz(func(t *testing.T, p []byte) {
		if m, err := decodeMark(p); err == nil {
			if q := m.encode(); !bytes.Equal(p, q[:]) {
				t.Errorf("%x decodes, and encodes to %x", p, q)
			}
		}
	})
}

func FuzzMarks(f *testing.F) {
	f.Add(newMarks(goldenID).encode())
	f.Fuzz(func(t *testing.T, p []byte) {
		if m, problem := decodeMarks(p, goldenID); problem == nil && len(m.all) != 3 {
			t.Error("no marks and no problem")
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add(link{1, 2, 3}.append(nil))
	f.Add(link{1 << 60, 2, 3}.append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if l, err := decodeLink(p); err == nil && !bytes.Equal(p, l.append(nil)) {
			t.Errorf("%x decodes, and encodes to %x", p, l.append(nil))
		}
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add(goldenID.encode())
	f.Add([]byte(`{"format":9,"sum":"00000000"}` + "\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		// With the right checksum, so that the fuzzer gets behind it.
		for _, q := range [][]byte{p, append(bytes.Clone(p), identitySum(p)...)} {
			id, err := decodeIdentity("f", q)
			if err == nil && (id.Shards < 1 || id.Shards > maxShards) {
				t.Errorf("%q: %+v", q, id)
			}
			if err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", q, err)
			}
		}
	})
}
