package store

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
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

// TestGoldenKeys holds the letters of the tables, and what comes before a
// row's own key.
func TestGoldenKeys(t *testing.T) {
	var out bytes.Buffer
	for _, tab := range []Table{Meta, Objects, Entries, Mail, Timers, Outbox, Inbox, Invocations, Expiry, Dead, tableChain} {
		fmt.Fprintf(&out, "%s %x\n", tab, rowKey(0x0102, tab, []byte("key")))
	}
	fmt.Fprintf(&out, "link of commit 7 %x\n", chainKey(0x0102, 7))
	golden(t, "keys.v1.hex", out.Bytes())
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
