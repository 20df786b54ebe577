package file

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func text(t *testing.T, fs vfs.FS, path string) string {
	t.Helper()
	b, err := Read(fs, path, 1<<10)
	if NotExist(err) {
		return "nothing"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPowerLoss loses power after each call: what was done is done.
func TestPowerLoss(t *testing.T) {
	fs := vfs.NewCrashableMem()
	crash := func() vfs.FS { return fs.CrashClone(vfs.CrashCloneCfg{}) }
	if err := MakeDir(fs, "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if info, err := crash().Stat("a/b/c"); err != nil || !info.IsDir() {
		t.Fatalf("the directory is gone: %v", err)
	}
	if err := MakeDir(fs, "a/b/c"); err != nil {
		t.Errorf("a directory that is there: %v", err)
	}
	for _, want := range []string{"first", "the second, which is longer", ""} {
		if err := Write(fs, "a/b/c/f", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got := text(t, crash(), "a/b/c/f"); got != want {
			t.Errorf("the file holds %q, want %q", got, want)
		}
	}
	for range 2 { // one that is not there is removed, too
		if err := Remove(fs, "a/b/c/f"); err != nil {
			t.Fatal(err)
		}
		if got := text(t, crash(), "a/b/c/f"); got != "nothing" {
			t.Errorf("the file is back, with %q", got)
		}
	}
}

// TestRead reads no more than it is told to.
func TestRead(t *testing.T) {
	fs := vfs.NewMem()
	if err := Write(fs, "f", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(fs, "f", 4); err != nil || string(b) != "0123" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(fs, "g", 4); !NotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// brokenFS fails at one step of the making of a file.
type brokenFS struct {
	vfs.FS
	step string
}

var errBroken = errors.New("broken")

func (fs brokenFS) fail(step string) error {
	if fs.step == step {
		return errBroken
	}
	return nil
}

func (fs brokenFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.fail("create"); err != nil {
		return nil, err
	}
	f, err := fs.FS.Create(name, c)
	return brokenFile{f, fs}, err
}

func (fs brokenFS) Rename(old, name string) error {
	if err := fs.fail("rename"); err != nil {
		return err
	}
	return fs.FS.Rename(old, name)
}

func (fs brokenFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return brokenFile{f, brokenFS{fs.FS, strings.TrimPrefix(fs.step, "dir ")}}, err
}

type brokenFile struct {
	vfs.File
	fs brokenFS
}

func (f brokenFile) Write(p []byte) (int, error) {
	if err := f.fs.fail("write"); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f brokenFile) Sync() error { return errors.Join(f.fs.fail("sync"), f.File.Sync()) }

func (f brokenFile) Close() error { return errors.Join(f.fs.fail("close"), f.File.Close()) }

// TestFailures fails at each step: the error is told, and the file holds the one
// or the other, never a part.
func TestFailures(t *testing.T) {
	for _, step := range []string{"create", "write", "sync", "close", "rename", "dir sync", "dir close"} {
		mem := vfs.NewMem()
		if err := Write(mem, "f", []byte("before")); err != nil {
			t.Fatal(err)
		}
		if err := Write(brokenFS{mem, step}, "f", []byte("after")); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", step, err)
		}
		want := "before"
		if strings.HasPrefix(step, "dir") {
			want = "after"
		}
		if got := text(t, mem, "f"); got != want {
			t.Errorf("%s leaves %q", step, got)
		}
	}
	if err := Remove(brokenFS{vfs.NewMem(), "dir sync"}, "f"); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
}
