package far

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/file"
)

// keep writes a file whose value begins at byte 3.
func keep(t *testing.T, fs vfs.FS, fi *Files, number uint64, value []byte) Ref {
	t.Helper()
	dir, _ := fi.Place(number)
	err := file.MakeDir(fs, dir)
	if err == nil {
		err = file.Write(fs, fi.Path(number), append([]byte("..."), value...))
	}
	if err != nil {
		t.Fatal(err)
	}
	return Ref{number, 3, uint32(len(value)), xxhash.Sum64(value)}
}

// TestManyFiles reads more files than are kept open.
func TestManyFiles(t *testing.T) {
	fs := vfs.NewMem()
	fi := NewFiles(fs, "d")
	defer fi.Close()
	value := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 100+n) }
	var refs []Ref
	for n := range MaxOpen + 20 {
		refs = append(refs, keep(t, fs, fi, uint64(n)|uint64(n%2)*InValues, value(n)))
	}
	for range 2 {
		for n, r := range refs {
			if v, err := fi.Read(nil, r); err != nil || !bytes.Equal(v, value(n)) {
				t.Fatalf("value %d: %x, %v", n, v, err)
			}
		}
	}
	if n := len(fi.open); n == 0 || n > MaxOpen {
		t.Errorf("%d files are open", n)
	}
}

func no(string) bool { return false }

// TestRetire: a file goes when the walks are over that began before it was retired, and
// not those that began later.
func TestRetire(t *testing.T) {
	fs := vfs.NewMem()
	fi := NewFiles(fs, "d")
	defer fi.Close()
	r := keep(t, fs, fi, 7, []byte("value"))
	before := fi.Enter()
	fi.Retire([]uint64{7}, no)
	after := fi.Enter()
	defer fi.Leave(after)
	fi.Retire(nil, no)
	if v, err := fi.Read(nil, r); err != nil || string(v) != "value" {
		t.Errorf("a walk needs it: %q, %v", v, err)
	}
	fi.Leave(before)
	fi.Retire(nil, no)
	if _, err := fs.Stat(fi.Path(7)); !file.NotExist(err) {
		t.Errorf("nobody needs it, and it is there: %v", err)
	}
	if _, err := fi.Read(nil, r); !errors.Is(err, ErrMoved) {
		t.Errorf("read when it is gone: %v", err)
	}
}

// TestKeep: only a segment of the log that nobody reads may be kept, and nobody gets at
// it from then on.
func TestKeep(t *testing.T) {
	fs := vfs.NewMem()
	fi := NewFiles(fs, "d")
	defer fi.Close()
	segment := keep(t, fs, fi, 1, []byte("value"))
	read := keep(t, fs, fi, 2, []byte("value"))
	values := keep(t, fs, fi, 3|InValues, []byte("value"))
	for _, r := range []Ref{segment, read, values} {
		if _, err := fi.Read(nil, r); err != nil {
			t.Fatal(err)
		}
	}
	f, err := fi.hold(read.Number)
	if err != nil {
		t.Fatal(err)
	}
	defer fi.release(f)
	var kept []string
	fi.Retire([]uint64{segment.Number, read.Number, values.Number}, func(path string) bool {
		if _, err := fi.Read(nil, segment); !errors.Is(err, ErrMoved) {
			t.Errorf("read of a segment that is about to be written over: %v", err)
		}
		kept = append(kept, path)
		return true
	})
	if len(kept) != 1 || kept[0] != fi.Path(segment.Number) {
		t.Errorf("kept: %v", kept)
	}
	for _, r := range []Ref{read, values} {
		if _, err := fs.Stat(fi.Path(r.Number)); !file.NotExist(err) {
			t.Errorf("file %d is there: %v", r.Number, err)
		}
	}
}

// TestDamaged: what cannot be read is damage, and the error names the file.
func TestDamaged(t *testing.T) {
	fs := vfs.NewMem()
	fi := NewFiles(fs, "d")
	defer fi.Close()
	good := keep(t, fs, fi, 7|InValues, []byte("value"))
	for name, r := range map[string]Ref{
		"another sum":    {good.Number, good.At, good.Size, good.Sum + 1},
		"another place":  {good.Number, good.At - 1, good.Size, good.Sum},
		"behind the end": {good.Number, good.At + 1, good.Size, good.Sum},
		"no file":        {good.Number + 1, good.At, good.Size, good.Sum},
	} {
		if _, err := fi.Read(nil, r); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), fi.Path(r.Number)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRef reads references: what can be read is written the same.
func FuzzRef(f *testing.F) {
	f.Add(Ref{1, 2, 3, 4}.Append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if v, err := DecodeRef(p); err == nil && !bytes.Equal(p, v.Append(nil)) {
			t.Errorf("%x decodes, and encodes to %x", p, v.Append(nil))
		}
	})
}
