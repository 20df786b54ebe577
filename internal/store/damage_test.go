package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// image is a directory as kill -9 leaves it: tables, two segments of the log
// that are not in tables, an older one that has values, files of values, a
// manifest with edits; stale is the same directory at earlier times.
type image struct {
	dir   string
	stale map[string]string // place of a stale file in the matrix: directory
	acked []wire.Seq
	files map[string]string // what the matrix calls them: path in dir
}

const imageShards = 3

func imageOptions() Options {
	return Options{Shards: imageShards, MemTable: 64 << 10, Cache: 1 << 20}
}

// imageValue is the value of a commit: some are far.
func imageValue(s wire.ShardID, n wire.Seq) []byte {
	rng := rand.New(rand.NewPCG(uint64(s), uint64(n)))
	words := 12 + rng.IntN(40)
	if n%11 == 0 {
		words += farValue / 8
	}
	var v []byte
	for range words {
		v = binary.BigEndian.AppendUint64(v, rng.Uint64())
	}
	return v
}

// noise returns bytes that are not alike.
func noise(seed, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // it cannot fail
	return b
}

// tableGate holds up the making of tables, so that logs stay needed, and before
// that compactions, so that there is more than one.
type tableGate struct {
	vfs.FS
	open                chan struct{} // closed in the end
	compactions, tables atomic.Bool   // shut
}

func (g *tableGate) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if g.tables.Load() && name[len(name)-4:] == ".sst" || g.compactions.Load() && c == "pebble-compaction" {
		<-g.open
	}
	return g.FS.Create(name, c)
}

// fill commits n times on each shard. What it puts into another table on the way
// is soon replaced: it makes files that are mostly dead.
func fill(t testing.TB, s *Store, n int) {
	for i := range n * imageShards {
		sh := s.Shard(wire.ShardID(i % imageShards))
		b := sh.NewBatch(0)
		seq := sh.Last() + 1
		b.Set(Objects, fmt.Appendf(nil, "%08d", seq), imageValue(sh.ID(), seq))
		if seq%4 == 0 {
			b.Set(Mail, []byte("soon replaced"), noise(i, 2*farValue))
		}
		if _, err := sh.Commit(b); err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
}

// quiet returns when nothing works on tables.
func quiet(s *Store) {
	idle(s)
	for s.db.Metrics().Compact.NumInProgress > 0 {
		runtime.Gosched()
	}
}

func makeImage(t testing.TB) *image {
	root := t.TempDir()
	im := &image{dir: filepath.Join(root, "image"), stale: map[string]string{}}
	live := filepath.Join(root, "live")
	gate := &tableGate{FS: vfs.Default, open: make(chan struct{})}
	o := imageOptions()
	s := open(t, live, o)
	keep := func(place string) {
		im.stale[place] = filepath.Join(root, "stale "+place)
		copyDir(t, live, im.stale[place])
	}
	fill(t, s, 80)
	_ = s.Close()
	o.FS = gate
	s, err := Open(live, o)
	if err != nil {
		t.Fatal(err)
	}
	keep("5%")
	fill(t, s, 60)
	quiet(s)
	keep("50%")
	fill(t, s, 80)
	quiet(s)
	gate.compactions.Store(true)
	fill(t, s, 15)
	s.startFlush()
	idle(s)
	// A generation that waits for its table lets two segments fill.
	gate.tables.Store(true)
	fill(t, s, 15)
	s.startFlush()
	for s.frozen.Load() == 0 {
		runtime.Gosched()
	}
	fill(t, s, 14)
	keep("tail")
	fill(t, s, 1)
	copyDir(t, live, im.dir)
	for _, sh := range s.shards {
		im.acked = append(im.acked, sh.Last())
	}
	im.name(t, s)
	close(gate.open)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return im
}

func (im *image) name(t testing.TB, s *Store) {
	glob := func(dir, p string) []string {
		m, _ := filepath.Glob(filepath.Join(im.dir, dir, p))
		slices.Sort(m)
		for i := range m {
			m[i] = filepath.Join(dir, filepath.Base(m[i]))
		}
		return m
	}
	logs, values := glob(layout.LogDir, "*"+wal.Ext), glob(layout.ValuesDir, "*"+wal.Ext)
	ssts, mans := glob(layout.PebbleDir, "*.sst"), glob(layout.PebbleDir, "MANIFEST-*")
	first, err := layout.ReadFirst(s.db)
	if err != nil || len(logs) < 3 || len(values) < 1 || len(ssts) < 2 || len(mans) < 1 {
		t.Fatalf("the image has logs %v, values %v, tables %v, manifests %v; %v", logs, values, ssts, mans, err)
	}
	at := slices.Index(logs, filepath.Join(layout.LogDir, wal.Name(first)))
	if at < 1 || at != len(logs)-2 {
		t.Fatalf("of the logs %v, those from %d on are not in tables", logs, first)
	}
	t.Logf("image: %v %v %v %v, acknowledged %v", logs, values, ssts, mans, im.acked)
	im.files = map[string]string{
		"newest log": logs[at+1], "older log": logs[at], "log in tables": logs[at-1], "values": values[len(values)-1],
		"manifest": mans[len(mans)-1], "oldest table": ssts[0], "newest table": ssts[len(ssts)-1],
		"marks": layout.MarksFile, "identity": layout.IdentityFile,
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

// harm returns what is left of a file; nil is nothing. A block is 4 KiB, or a
// quarter of a file that has less than four of them.
func harm(kind string, b []byte, place string, stale []byte) []byte {
	end := tail(b)
	at := map[string]int{"5%": end / 20, "50%": end / 2, "tail": max(0, end-10)}[place]
	block := min(4096, end/4)
	b = bytes.Clone(b)
	switch kind {
	case "flip":
		b[at] ^= 0x10
	case "zero":
		from := min(at, end-block)
		clear(b[from : from+block])
	case "truncate":
		b = b[:at]
	case "delete":
		return nil
	case "stale":
		return stale
	case "duplicate": // the block before, once more
		from := max(block, min(at, end-block))
		copy(b[from:from+block], b[from-block:])
	case "swap":
		from := min(at, end-2*block)
		x := bytes.Clone(b[from : from+block])
		copy(b[from:], b[from+block:from+2*block])
		copy(b[from+block:], x)
	}
	return b
}

// The verdicts. There is no other: a loss in silence fails the test.
const (
	refusedOpen = "refused to open"
	refusedRead = "refused to read"
	intact      = "intact"
	unharmed    = "unharmed" // the damage left the bytes as they were
)

// TestDamage harms each kind of file in each way at each place: the store
// opens with all that was acknowledged, or refuses (to open, or to read what
// is harmed) and names the file. It never loses anything in silence. A file is
// deleted once; the places of a stale one are ages: from the last start, from
// the middle, and from one commit ago.
func TestDamage(t *testing.T) {
	im := makeImage(t)
	kinds := []string{"flip", "zero", "truncate", "duplicate", "swap", "stale", "delete"}
	places := []string{"5%", "50%", "tail"}
	var mu sync.Mutex
	verdicts, counts := map[string]string{}, map[string]int{}
	t.Run("cases", func(t *testing.T) { // returns when all have ended
		for name, path := range im.files {
			for _, kind := range kinds {
				for _, place := range places {
					if kind == "delete" && place != "tail" {
						continue
					}
					what := strings.Join([]string{name, kind, place}, "/")
					t.Run(what, func(t *testing.T) {
						t.Parallel()
						got := im.try(t, what, path, kind, place)
						mu.Lock()
						defer mu.Unlock()
						verdicts[what] = got
						counts[got]++
					})
				}
			}
		}
	})
	if len(verdicts) < 9*19 {
		t.Errorf("only %d cases have a verdict", len(verdicts))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %-10s %-16s %-16s %s\n", "file", "damage", places[0], places[1], places[2])
	for _, name := range slices.Sorted(maps.Keys(im.files)) {
		for _, kind := range kinds {
			fmt.Fprintf(&b, "%-14s %-10s", name, kind)
			for _, place := range places {
				fmt.Fprintf(&b, " %-16s", cmp.Or(verdicts[strings.Join([]string{name, kind, place}, "/")], "-"))
			}
			b.WriteString("\n")
		}
	}
	t.Logf("%d cases, none silent: %v\n%s", len(verdicts), counts, &b)
}

// try carries out one case and returns its verdict.
func (im *image) try(t *testing.T, what, path, kind, place string) string {
	dir := filepath.Join(t.TempDir(), "d")
	copyDir(t, im.dir, dir)
	whole, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	left := im.harmed(t, whole, path, kind, place)
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
		im.refused(t, what, path, kind, r, err)
		if after := snapshot(t, dir); after != before {
			t.Errorf("%s: a refusal changed the directory:\n%s\n%s", what, before, after)
		}
		return refusedOpen
	}
	refused := im.read(t, what, s, path)
	if refused != (len(r.Problems) > 0) {
		t.Errorf("%s: reads were refused: %v, and Check saw %v", what, refused, r.Problems)
	}
	if err := s.Close(); err != nil && !refused {
		t.Errorf("%s: Close: %v", what, err)
	}
	// What opened has been written to. It is as good, or as bad, as before.
	if r, err = Check(dir, nil); err != nil || refused != (len(r.Problems) > 0) {
		t.Errorf("%s: after the open: reads were refused: %v, and Check saw %v, %v", what, refused, r.Problems, err)
	}
	switch {
	case refused:
		return refusedRead
	case bytes.Equal(whole, left):
		return unharmed
	}
	return intact
}

// harmed returns what is left of a file; nil is nothing. A file that never
// changes has no older self: what stands in for it is the identity of another
// directory, or another table.
func (im *image) harmed(t *testing.T, whole []byte, path, kind, place string) []byte {
	stale, err := os.ReadFile(filepath.Join(im.stale[place], path))
	end := float64(tail(whole))
	switch {
	case path == layout.IdentityFile:
		id := identity.New(imageShards, time.Now())
		stale = id.Encode()
	case strings.HasSuffix(path, ".sst") && bytes.Equal(stale, whole):
		other := im.files["oldest table"]
		if other == path {
			other = im.files["newest table"]
		}
		if stale, err = os.ReadFile(filepath.Join(im.dir, other)); err != nil {
			t.Fatal(err)
		}
	case err != nil || bytes.Equal(stale, whole): // as it was when a part was written
		n := int(end * map[string]float64{"5%": 0.05, "50%": 0.5, "tail": 0.95}[place])
		stale = append(bytes.Clone(whole[:n]), make([]byte, len(whole)-n)...)
	}
	return harm(kind, whole, place, stale)
}

// refused checks what a refusal to open says.
func (im *image) refused(t *testing.T, what, path, kind string, r Report, err error) {
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
		fmt.Fprintf(&b, "%s %d %016x\n", p, len(data), wal.Link(0, 0, 0, data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
