package store

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/layout"
)

// TestCheckOfAnotherFormat looks at directories of formats that this program
// does not read. They are not damaged: nobody is to restore a backup, and both
// Open and Check say what to do instead.
func TestCheckOfAnotherFormat(t *testing.T) {
	for format, want := range map[int]string{1: "never released", identity.Format + 1: "use a newer situ"} {
		fs := vfs.NewMem()
		s, err := Open("data", Options{FS: fs, Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		id := s.id
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		id.Format = format
		if err := file.Write(fs, fs.PathJoin("data", layout.IdentityFile), id.Encode()); err != nil {
			t.Fatal(err)
		}
		_, opened := Open("data", Options{FS: fs})
		r, checked := Check("data", fs)
		if len(r.Problems) > 0 {
			t.Errorf("format %d is a problem: %v", format, r.Problems)
		}
		for who, err := range map[string]error{"Open": opened, "Check": checked} {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "backup") {
				t.Errorf("%s of format %d: %v", who, format, err)
			}
		}
	}
}
