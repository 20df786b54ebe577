package fault

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// TestGoldenKinds holds the names of kinds, which are in records and on the
// wire, and what callers see of them: the status and the exit code.
func TestGoldenKinds(t *testing.T) {
	const path = "testdata/kinds.golden"
	var b strings.Builder
	for _, k := range kinds() {
		fmt.Fprintf(&b, "%s status %d exit %d retryable %v\n", k, k.Status(), k.Exit(), k.Retryable())
	}
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != b.String() {
		t.Errorf("kinds may be added, but not changed: got\n%swant\n%s%v", b.String(), want, err)
	}
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
