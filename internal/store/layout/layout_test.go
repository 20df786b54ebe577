package layout

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares with a file of testdata; a change of it is a change of
// the format on disk and needs a new version.
func golden(t *testing.T, name string, got []byte) {
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
}

// TestGoldenKeys holds the letters of the tables, and what comes before a
// row's own key.
func TestGoldenKeys(t *testing.T) {
	var out bytes.Buffer
	for _, tab := range []Table{Meta, Objects, Entries, Mail, Timers, Outbox, Inbox, Invocations, Expiry, Dead, Tip} {
		fmt.Fprintf(&out, "%s %x\n", tab, Key(0x0102, tab, []byte("key")))
	}
	for _, tab := range []Table{First, Values, Far} {
		fmt.Fprintf(&out, "no shard %x\n", Key(NoShard, tab, []byte("key")))
	}
	golden(t, "keys.v2.hex", out.Bytes())
}
