package bundle

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/seed"
)

const role = "SITU_TEST_BUNDLES"

// TestMain is the tests, or a process that stores and removes bundles until it
// is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(role); dir != "" {
		if err := churn(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// churn stores what is in the file "archive", with another name each time, says
// so, and removes every second.
func churn(dir string) error {
	s, err := Open(filepath.Join(dir, "bundles"), ArchiveLimits{})
	if err != nil {
		return err
	}
	archive, err := os.ReadFile(filepath.Join(dir, "archive"))
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		up := Upload{Zip: true, Manifest: Manifest{Name: fmt.Sprintf("f%d-%d", os.Getpid(), i)}}
		b, err := s.Put(bytes.NewReader(archive), up)
		if err != nil {
			return err
		}
		if i%2 == 0 {
			fmt.Println("stored", b.ID)
		} else if err := s.Remove(b.ID); err != nil {
			return err
		}
	}
}

// A process that is killed at any point of storing and removing leaves whole
// bundles only, and all that it said to be stored.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { _ = RemoveAll(dir) })
	var pieces []piece
	for i := range 40 {
		pieces = append(pieces, file(fmt.Sprintf("lib/%d/x", i), noise(3000)))
	}
	archive := zipOf(t, append(pieces, file("bootstrap", "x"), link("l", "lib"))...)
	if err := os.WriteFile(filepath.Join(dir, "archive"), archive, 0o600); err != nil {
		t.Fatal(err)
	}
	n := seed.New(t)
	r := rand.New(rand.NewPCG(n, n))
	said := map[string]bool{}
	for range 5 {
		for _, id := range killed(t, dir, 1+r.IntN(4), time.Duration(r.IntN(3000))*time.Microsecond) {
			said[id] = true
		}
		s, err := Open(filepath.Join(dir, "bundles"), ArchiveLimits{})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		if names := left(t, s); len(names) != len(all) {
			t.Errorf("there is more than bundles: %q", names)
		}
		there := map[string]bool{}
		for _, id := range all {
			if there[id] = true; s.Verify(id) != nil {
				t.Errorf("%s: %v", id, s.Verify(id))
			}
		}
		for id := range said {
			if !there[id] {
				t.Errorf("%s was stored, and is gone", id)
			}
		}
	}
}

// killed runs a process until it has said so many times that it stored a
// bundle, and for that while more. It returns what it said.
func killed(t *testing.T, dir string, times int, more time.Duration) (said []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var id string
		if _, err := fmt.Sscanf(lines.Text(), "stored %s", &id); err != nil {
			t.Errorf("it said %q", lines.Text())
			break
		}
		if said = append(said, id); len(said) == times {
			// Some while later, at another point of its work each time.
			time.AfterFunc(more, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Process.Kill() // at the latest
	_ = cmd.Wait()         // it was killed
	return said
}
