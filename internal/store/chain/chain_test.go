package chain

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

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

func TestGoldenTip(t *testing.T) {
	want := Tip{Last: 0x0102030405060708, Hash: 0x1112131415161718}
	b := golden(t, "tip.v1.hex", []byte(hex.EncodeToString(want.Append(nil))+"\n"))
	if got, err := DecodeTip(unhex(t, b)); err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// FuzzTip reads the row of a tip: what can be read is written the same.
func FuzzTip(f *testing.F) {
	f.Add(Tip{Last: 1, Hash: 2}.Append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if v, err := DecodeTip(p); err == nil && !bytes.Equal(p, v.Append(nil)) {
			t.Errorf("%x decodes, and encodes to %x", p, v.Append(nil))
		}
	})
}
