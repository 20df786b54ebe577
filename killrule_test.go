package situ_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKillByName checks that signals are sent by internal/proc alone, tests
// included: to the kernel, the number 0 of a worker that does not run just now
// is every process of the caller's group. One test of that kind ended the whole
// of CI.
func TestKillByName(t *testing.T) {
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(p, d.Name())
		}
		if p = filepath.ToSlash(p); !strings.HasSuffix(p, ".go") || p == "internal/proc/proc.go" {
			return nil
		}
		src, err := os.ReadFile(p)
		for _, pkg := range []string{"syscall", "unix"} {
			if strings.Contains(string(src), pkg+"."+"Kill(") {
				t.Errorf("%s: %s.Kill; proc.Kill and proc.KillGroup refuse what names no one process", p, pkg)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
