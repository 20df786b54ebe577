package project

import (
	"os"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/bundle"
)

// What docs/deploy.md shows is read as it stands, and so are the files of the
// examples.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	yaml, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatal("docs/deploy.md shows no situ.yaml")
	}
	p, err := Load(dirOf(t, map[string]string{Name: yaml, "cmd/shop/main.go": "package main"}))
	if err != nil {
		t.Fatal(err)
	}
	if m := p.Manifest([]string{"shop"}); m.Network != bundle.NetworkDeny || len(m.Schedules) != 2 || m.Limits.Memory != 256<<20 {
		t.Errorf("it reads %+v", m)
	}
	for name, kind := range map[string]bundle.Kind{"awslambda": bundle.Lambda, "nodefunc": bundle.Node, "pyfunc": bundle.Python} {
		if p, err := Load("../../examples/" + name); err != nil || p.Kind != kind {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}
