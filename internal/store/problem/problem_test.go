package problem

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
)

// TestText: a finding names what it knows of, and what to do.
func TestText(t *testing.T) {
	p := New(3, 17, "commits %d to %d are missing", 17, 20)
	p.File = "data/log/7"
	for _, want := range []string{"shard 3", "commit 17", "commits 17 to 20 are missing", "data/log/7", DoRestore} {
		if !strings.Contains(p.Error(), want) {
			t.Errorf("%q does not say %q", p.Error(), want)
		}
	}
	whole := &Problem{File: "f", Shard: NoShard, Seq: 5, What: "it is gone", Do: DoAccept}
	if text := whole.Error(); strings.Contains(text, "shard") || strings.Contains(text, "commit 5") || !strings.Contains(text, DoAccept) {
		t.Errorf("of a whole directory: %q", text)
	}
}

// TestAs: a finding that is the cause of an error stays what it is; any other
// error becomes one of the whole directory.
func TestAs(t *testing.T) {
	p := New(1, 2, "gone")
	p.File = "mine"
	if got := As("other", fmt.Errorf("while looking: %w", p)); got != *p {
		t.Errorf("it became %+v", got)
	}
	if got := As("other", errors.New("no idea")); got.File != "other" || got.Shard != NoShard || got.What != "no idea" || got.Do != DoRestore {
		t.Errorf("it became %+v", got)
	}
}

// TestClassify: what an error of a disk is, and so what its reader does.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"a full disk", &os.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, fault.Full},
		{"a quota", fmt.Errorf("write: %w", syscall.EDQUOT), fault.Full},
		{"no rights", &os.PathError{Op: "open", Path: "f", Err: syscall.EACCES}, fault.Invalid},
		{"anything else", errors.New("input/output error"), fault.Unavailable}, // the kind that is asked for
		{"one that has a kind", fault.New(fault.Locked, "x", "y", "z"), fault.Locked},
		{"a damaged table", damaged(t), fault.Corrupt},
	} {
		err := Classify(fault.Unavailable, "store.open", "dir", c.err)
		if !fault.Is(err, c.want) {
			t.Errorf("%s is of kind %v, want %v: %v", c.name, fault.KindOf(err), c.want, err)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%s is not the cause of %v", c.name, err)
		}
	}
	if err := Classify(fault.Corrupt, "store.open", "dir", nil); err != nil {
		t.Errorf("no error is %v", err)
	}
}

// quiet is a logger that says nothing and ends nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

// damaged returns what Pebble says when it reads a damaged table.
func damaged(t *testing.T) error {
	t.Helper()
	fs := vfs.NewMem()
	opts := func() *pebble.Options {
		return &pebble.Options{FS: fs, Logger: quiet{}, EventListener: &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}}
	}
	db, err := pebble.Open("d", opts())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("key"), make([]byte, 1000), pebble.NoSync), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("d")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.OpenReadWrite(fs.PathJoin("d", name), vfs.WriteCategoryUnspecified)
		if err == nil {
			_, err = f.WriteAt([]byte("damage"), 5)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if db, err = pebble.Open("d", opts()); err != nil {
		return err
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, _, err = db.Get([]byte("key"))
	return err
}
