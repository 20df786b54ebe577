package fault

import (
	"fmt"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
)

// TestGoldenKinds holds the names of kinds, which are in records and on the
// wire, and what callers see of them: the status and the exit code.
func TestGoldenKinds(t *testing.T) {
	var b strings.Builder
	for _, k := range kinds() {
		fmt.Fprintf(&b, "%s status %d exit %d retryable %v\n", k, k.Status(), k.Exit(), k.Retryable())
	}
	golden.File(t, "kinds.golden", []byte(b.String())) // kinds may be added, but not changed
}

func FuzzParseKind(f *testing.F) {
	for _, k := range kinds() {
		f.Add(k.String())
	}
	f.Fuzz(func(t *testing.T, name string) {
		if k := ParseKind(name); k.String() != name && k != Internal {
			t.Errorf("%q is the kind %v", name, k)
		}
	})
}
