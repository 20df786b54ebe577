package layout

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
)

// TestGoldenKeys holds the letters of the tables, and what comes before a
// row's own key.
func TestGoldenKeys(t *testing.T) {
	var out bytes.Buffer
	for _, tab := range append(slices.Clone(Tables), Tip) {
		fmt.Fprintf(&out, "%s %x\n", tab, Key(0x0102, tab, []byte("key")))
	}
	for _, tab := range []Table{First, Values, Far} {
		fmt.Fprintf(&out, "no shard %x\n", Key(NoShard, tab, []byte("key")))
	}
	golden.File(t, "keys.v2.hex", out.Bytes())
}
