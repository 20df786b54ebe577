package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// image is a directory as kill -9 leaves it: tables, two or more live logs,
// a manifest with edits; stale is the same directory a little earlier.
type image struct {
	dir, stale string
	acked      []wire.Seq
	files      map[string]string // what the matrix calls them: path in dir
}

const imageShards = 3

func imageOptions() Options {
	return Options{Shards: imageShards, MemTable: 64 << 10, Cache: 1 << 20}
}

func imageValue(s wire.ShardID, n wire.Seq) []byte {
	rng := rand.New(rand.NewPCG(uint64(s), uint64(n)))
	var v []byte
	for range 12 + rng.IntN(40) {
		v = binary.BigEndian.AppendUint64(v, rng.Uint64())
	}
	return v
}

// tableGate holds up the making of tables, so that logs stay needed.
type tableGate struct {
	vfs.FS
	shut *chan struct{} // nil: open
}

func (g tableGate) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if ch := *g.shut; ch != nil && strings.HasSuffix(name, ".sst") {
		<-ch
	}
	return g.FS.Create(name, c)
}

func fill(t testing.TB, s *Store, n int) {
	for i := range n * imageShards {
		sh := s.Shard(wire.ShardID(i % imageShards))
		b := sh.NewBatch()
		seq := sh.Last() + 1
		b.Set(Objects, fmt.Appendf(nil, "%08d", seq), imageValue(sh.ID(), seq))
		if _, err := sh.Commit(b); err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
}

func makeImage(t testing.TB) *image {
	root := t.TempDir()
	im := &image{dir: filepath.Join(root, "image"), stale: filepath.Join(root, "stale")}
	live := filepath.Join(root, "live")
	var shut chan struct{}
	o := imageOptions()
	s := open(t, live, o)
	fill(t, s, 160)
	_ = s.Close()
	o.FS = tableGate{vfs.Default, &shut}
	s, err := Open(live, o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 120)
	copyDir(t, live, im.stale)
	fill(t, s, 120)
	// Flushes that wait for a table let two more logs fill.
	_ = s.db.Flush()
	shut = make(chan struct{})
	fill(t, s, 150)
	copyDir(t, live, im.dir)
	for _, sh := range s.shards {
		im.acked = append(im.acked, sh.Last())
	}
	close(shut)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	im.name(t)
	return im
}

func (im *image) name(t testing.TB) {
	glob := func(p string) []string {
		m, _ := filepath.Glob(filepath.Join(im.dir, pebbleDir, p))
		slices.Sort(m)
		for i := range m {
			m[i] = filepath.Join(pebbleDir, filepath.Base(m[i]))
		}
		return m
	}
	logs, ssts, mans := glob("*.log"), glob("*.sst"), glob("MANIFEST-*")
	if len(logs) < 2 || len(ssts) < 1 || len(mans) < 1 {
		t.Fatalf("the image has %d logs, %d tables, %d manifests", len(logs), len(ssts), len(mans))
	}
	t.Logf("image: %v %v %v, acknowledged %v", logs, ssts, mans, im.acked)
	im.files = map[string]string{
		"newest log": logs[len(logs)-1], "older log": logs[len(logs)-2],
		"manifest": mans[len(mans)-1], "oldest table": ssts[0], "newest table": ssts[len(ssts)-1],
		"marks": hwmFile, "identity": identityFile,
	}
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, p)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		b, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), b, 0o644))
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// tail is where the data of a preallocated file ends.
func tail(b []byte) int { return len(bytes.TrimRight(b, "\x00")) }

// harm returns what is left of a file; nil is nothing.
func harm(kind string, b []byte, place string, stale []byte) []byte {
	end := tail(b)
	at := map[string]int{"5%": end / 20, "50%": end / 2, "tail": max(0, end-10)}[place]
	b = bytes.Clone(b)
	switch kind {
	case "flip":
		b[at] ^= 0x10
	case "zero":
		from := min(at, max(0, end-4096))
		clear(b[from:min(len(b), from+4096)])
	case "truncate":
		b = b[:at]
	case "delete":
		return nil
	case "stale":
		return stale
	case "duplicate": // the block before, once more
		from := max(0, min(at, end-4096))
		copy(b[from:min(len(b), from+4096)], b[max(0, from-4096):])
	case "swap":
		from := max(0, min(at, end-8192))
		if from+8192 <= len(b) {
			x := bytes.Clone(b[from : from+4096])
			copy(b[from:], b[from+4096:from+8192])
			copy(b[from+4096:], x)
		}
	}
	return b
}

// TestDamage harms each kind of file in each way: the store opens with all
// that was acknowledged, or refuses (to open, or to read what is harmed)
// and names the file. It never loses anything in silence.
func TestDamage(t *testing.T) {
	im := makeImage(t)
	outcomes := map[string]int{}
	for name, path := range im.files {
		for _, kind := range []string{"flip", "zero", "truncate", "duplicate", "swap", "delete", "stale"} {
			for _, place := range []string{"5%", "50%", "tail"} {
				if (kind == "delete" || kind == "stale") && place != "tail" {
					continue
				}
				what := strings.Join([]string{name, kind, place}, "/")
				got := im.try(t, what, path, kind, place)
				outcomes[got]++
				if testing.Verbose() {
					t.Logf("%-32s %s", what, got)
				}
			}
		}
	}
	t.Logf("outcomes: %v", outcomes)
}

func (im *image) try(t *testing.T, what, path, kind, place string) string {
	dir := filepath.Join(t.TempDir(), "d")
	copyDir(t, im.dir, dir)
	whole, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	stale, err := os.ReadFile(filepath.Join(im.stale, path))
	if err != nil { // there was none yet: as it was when a third was written
		stale = append(bytes.Clone(whole[:tail(whole)/3]), make([]byte, len(whole)-tail(whole)/3)...)
	}
	left := harm(kind, whole, place, stale)
	if left == nil {
		_ = os.Remove(filepath.Join(dir, path))
	} else if err := os.WriteFile(filepath.Join(dir, path), left, 0o644); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	r, err := Check(dir, nil)
	if err != nil {
		t.Errorf("%s: Check: %v", what, err)
	}
	s, err := Open(dir, Options{MemTable: 64 << 10, Fatal: func(err error) { t.Errorf("%s: fatal: %v", what, err) }})
	if err != nil {
		if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "/") {
			t.Errorf("%s: refused with %v: %v", what, fault.KindOf(err), err)
		}
		// A log file that is gone leaves nobody who knows its name.
		base := strings.TrimSuffix(filepath.Base(path), ".sst")
		if !strings.Contains(err.Error(), base) && !(kind == "delete" && strings.Contains(err.Error(), ".log")) {
			t.Errorf("%s: another file is named: %v", what, err)
		}
		if len(r.Problems) == 0 {
			t.Errorf("%s: Check saw nothing, Open said %v", what, err)
		}
		if after := snapshot(t, dir); after != before {
			t.Errorf("%s: a refusal changed the directory:\n%s\n%s", what, before, after)
		}
		return "refused to open"
	}
	defer func() { _ = s.Close() }()
	refused := im.read(t, what, s, path)
	if refused && len(r.Problems) == 0 {
		t.Errorf("%s: Check saw nothing, reads are refused", what)
	}
	switch {
	case refused:
		return "refused to read"
	case bytes.Equal(whole, left):
		return "intact (the damage changed nothing)"
	}
	return "intact"
}

// read reads every acknowledged row. It fails the test for a row that is
// missing or wrong without an error.
func (im *image) read(t *testing.T, what string, s *Store, path string) (refused bool) {
	for i, n := range im.acked {
		sh := s.Shard(wire.ShardID(i))
		if sh.Last() < n {
			t.Errorf("%s: SILENT LOSS: %s ends at %d of %d", what, sh.ID(), sh.Last(), n)
		}
		for seq := wire.Seq(1); seq <= n; seq++ {
			v, ok, err := sh.Get(Objects, fmt.Appendf(nil, "%08d", seq))
			switch {
			case err != nil:
				if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), filepath.Base(path)) {
					t.Errorf("%s: refused with %v: %v", what, fault.KindOf(err), err)
				}
				refused = true
				seq += 16 // the neighbours are in the same block
			case !ok || !bytes.Equal(v, imageValue(sh.ID(), seq)):
				t.Errorf("%s: SILENT LOSS: %s commit %d: there %v, %d bytes", what, sh.ID(), seq, ok, len(v))
				return refused
			}
		}
	}
	return refused
}

// snapshot sums up all files of a directory.
func snapshot(t *testing.T, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		fmt.Fprintf(&b, "%s %d %016x\n", p, len(data), linkHash(0, 0, 0, data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
