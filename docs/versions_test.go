package docs_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVersionsOfTheGuide does what docs/versions.md says, as it stands.
func TestVersionsOfTheGuide(t *testing.T) {
	s := newSession(t)
	build := exec.Command("go", "build", "-o", filepath.Join(s.dir, "bin", "situ"), "./cmd/situ")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := blocks(t, "docs/versions.md")
	for i, b := range all {
		switch {
		case b.lang != "sh":
		case strings.HasPrefix(b.text, "situ serve "):
			args := strings.Fields(s.here(b.text))
			s.dev = exec.Command(filepath.Join(s.dir, "bin", args[0]), append(args[1:], "--admin", "")...)
			s.dev.Dir, s.dev.Env = s.cwd, s.env
			s.dev.Stdout, s.dev.Stderr = &s.out, &s.out
			if err := s.dev.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.dev.Process.Kill() }) // it has ended if all went well
			s.await(`"msg":"ready"`)
		default:
			s.run(b, printed(all, i))
		}
	}
	if out := s.out.String(); strings.Contains(out, `"level":"ERROR"`) {
		t.Errorf("the platform said\n%s", out)
	}
	began := time.Now()
	s.stop()
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("it took %v to end", d)
	}
}
