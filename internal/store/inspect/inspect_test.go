package inspect_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/inspect"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/wire"
)

const dir = "data"

// made returns a directory that was used twice, with commits in two shards,
// and its identity. Of the commits, so many are in each shard; those of the
// first time are in tables for the most part, those of the second are not.
func made(t *testing.T) (fs *vfs.MemFS, id identity.Identity, commits [2]wire.Seq) {
	t.Helper()
	fs = vfs.NewMem()
	for _, size := range []int64{16 << 10, 64 << 20} {
		s, err := store.Open(dir, store.Options{FS: fs, Shards: 2, MemTable: size, Cache: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			sh := s.Shard(wire.ShardID(i % 2))
			b := sh.NewBatch(0)
			b.Set(store.Objects, fmt.Append(nil, "key ", i), bytes.Repeat([]byte{byte(i)}, 100))
			if i%10 == 0 {
				b.Set(store.Objects, []byte("large"), bytes.Repeat([]byte{byte(i)}, 20<<10))
			}
			if commits[i%2], err = sh.Commit(b); err != nil {
				t.Fatal(err)
			}
			b.Close()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	id, err := identity.Read(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs, id, commits
}

// content returns all that is in a directory.
func content(t *testing.T, fs vfs.FS, dir string) string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var all strings.Builder
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			all.WriteString(content(t, fs, path))
			continue
		}
		b, err := file.Read(fs, path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %x\n", path, b)
	}
	return all.String()
}

// look inspects the directory and checks that it is left as it is.
func look(t *testing.T, fs vfs.FS, id identity.Identity) (*inspect.Inspection, error) {
	t.Helper()
	before := content(t, fs, dir)
	ins, err := inspect.Directory(fs, dir, id, 1<<20, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Cleanup(ins.Close)
	}
	if content(t, fs, dir) != before {
		t.Error("the look has changed the directory")
	}
	return ins, err
}

// TestWhole looks at a directory in which nothing is wrong.
func TestWhole(t *testing.T) {
	fs, id, commits := made(t)
	ins, err := look(t, fs, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ins.Problems {
		t.Error(p)
	}
	for i, want := range commits {
		if ins.Tips[i].Last != want || ins.Marks.All[i].Seq != uint64(want) || ins.Marks.All[i].Hash != ins.Tips[i].Hash {
			t.Errorf("shard %d ends at %+v, its mark is %+v, want commit %d", i, ins.Tips[i], ins.Marks.All[i], want)
		}
	}
	if ins.DB == nil || len(ins.Tail.Segments) == 0 {
		t.Errorf("a database: %v; segments: %v", ins.DB != nil, ins.Tail.Segments)
	}
	if got := ins.File(); got != fs.PathJoin(dir, layout.PebbleDir) {
		t.Errorf("with no damaged file it names %s", got)
	}
}

// newest returns the path of the newest file in a directory of the data.
func newest(t *testing.T, fs vfs.FS, name string) string {
	t.Helper()
	names, err := fs.List(fs.PathJoin(dir, name))
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	return fs.PathJoin(dir, name, slices.Max(names))
}

// TestProblems harms a directory in ways that are found without reading rows,
// and checks what is said of which file, and whether a person may accept it.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		harm   func(t *testing.T, fs vfs.FS) (path string)
		says   string
		accept bool
	}{
		{"no marks", func(t *testing.T, fs vfs.FS) string {
			path := fs.PathJoin(dir, layout.MarksFile)
			if err := fs.Remove(path); err != nil {
				t.Fatal(err)
			}
			return path
		}, "marks are missing", true},
		{"damaged marks", func(t *testing.T, fs vfs.FS) string {
			path := fs.PathJoin(dir, layout.MarksFile)
			if err := file.Write(fs, path, make([]byte, 1<<14)); err != nil {
				t.Fatal(err)
			}
			return path
		}, "no readable high-water mark", true},
		{"the end of the log is lost", func(t *testing.T, fs vfs.FS) string {
			path := newest(t, fs, layout.LogDir)
			b, err := file.Read(fs, path, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			if err := file.Write(fs, path, b[:64]); err != nil {
				t.Fatal(err)
			}
			return path
		}, "were acknowledged and are missing", true},
		{"a damaged segment", func(t *testing.T, fs vfs.FS) string {
			path := newest(t, fs, layout.LogDir)
			b, err := file.Read(fs, path, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			b[64+60]++ // in the body of the first record
			if err := file.Write(fs, path, b); err != nil {
				t.Fatal(err)
			}
			return path
		}, "is damaged", false},
		{"a file with values is gone", func(t *testing.T, fs vfs.FS) string {
			names, err := fs.List(fs.PathJoin(dir, layout.LogDir))
			if err != nil {
				t.Fatal(err)
			}
			path := fs.PathJoin(dir, layout.LogDir, slices.Min(names))
			if err := fs.Remove(path); err != nil {
				t.Fatal(err)
			}
			return path
		}, "missing", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, id, _ := made(t)
			path := c.harm(t, fs)
			ins, err := look(t, fs, id)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, p := range ins.Problems {
				if strings.Contains(p.What, c.says) && p.File == path {
					found = true
					if p.Accept != c.accept {
						t.Errorf("may be accepted: %v, want %v", p.Accept, c.accept)
					}
				}
			}
			if !found {
				t.Errorf("nothing says %q of %s: %v", c.says, path, ins.Problems)
			}
		})
	}
}

// TestAnotherDirectory looks with the identity of another directory: neither its
// marks nor its log are taken for its own.
func TestAnotherDirectory(t *testing.T) {
	fs, id, _ := made(t)
	_, other, _ := made(t)
	other.Shards = id.Shards
	ins, err := look(t, fs, other)
	if err == nil && len(ins.Problems) == 0 {
		t.Error("nothing is wrong")
	}
}

// TestNotThere: where there is no database there is nothing to say.
func TestNotThere(t *testing.T) {
	fs, id, _ := made(t)
	if err := fs.RemoveAll(fs.PathJoin(dir, layout.PebbleDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := inspect.Directory(fs, dir, id, 1<<20, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it was looked at")
	}
}
