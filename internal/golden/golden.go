// Package golden compares bytes with files that hold what was once written, for
// the tests of formats that are on disks. With the flag -rewrite it writes the
// files anew.
package golden

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

// File compares got with the file of that name in testdata, and returns what the
// file holds. A change of it is a change of the format on disk and needs a new
// version.
func File(t testing.TB, name string, got []byte) []byte {
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

// Hex is File for bytes that the file holds as hexadecimal text, and returns
// them.
func Hex(t testing.TB, name string, got []byte) []byte {
	t.Helper()
	return Unhex(t, File(t, name, []byte(hex.EncodeToString(got)+"\n")))
}

// Unhex returns the bytes of hexadecimal text, whatever spaces are in it.
func Unhex(t testing.TB, text []byte) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
