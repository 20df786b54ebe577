package embedded_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

var rewrite = flag.Bool("rewrite", false, "write the data directory of this version anew")

// golden is the data directory that this version writes; those of released
// versions stay beside it for ever.
const golden = "testdata/data.v2.tar.gz"

var (
	book      = situ.NewType("book")
	write     = situ.NewMethod[string, int](book, "write")
	lend      = situ.NewMethod[string, int](book, "lend")
	tear      = situ.NewMethod[situ.None, situ.None](book, "tear", situ.Retries(situ.RetryPolicy(1, 0, 0)))
	remind    = situ.NewMethod[string, situ.None](book, "remind")
	errTooOld = errors.New("it is too old")
)

// page is a state with every kind of container.
type page struct {
	Lines  situ.List[string]     `json:"lines"`
	Words  situ.Map[string, int] `json:"words"`
	Reads  situ.Counter          `json:"reads"`
	Last   time.Time             `json:"last"`
	Lender string                `json:"lender"`
}

func library() situ.Component {
	return situ.Object(book,
		situ.On(write, func(p *page, t *situ.Turn, line string) (int, error) {
			if p.Lines.Len() == 40 {
				p.Lines.Shift()
			}
			p.Lines.Append(line)
			n, _ := p.Words.Get(line)
			p.Words.Set(line, n+1)
			p.Last = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			return int(p.Reads.Add(1)), nil
		}),
		situ.On(lend, func(p *page, t *situ.Turn, to string) (int, error) {
			p.Lender = to
			situ.Send(t, write.To(to, "lent")) // most often in another shard
			return p.Lines.Len(), nil
		}),
		situ.On(tear, func(*page, *situ.Turn, situ.None) (situ.None, error) { panic("it is torn") }),
		situ.On(remind, func(p *page, _ *situ.Turn, who string) (situ.None, error) { return situ.None{}, errTooOld }),
	)
}

func openLibrary(t *testing.T, dir string) *embedded.Platform {
	t.Helper()
	// Records of calls are to be there whenever the test runs.
	p, err := embedded.Open(dir, embedded.Options{Shards: 4, KeepAnswers: 100 * 365 * 24 * time.Hour}, library())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// furnish does what the data directory is to show.
func furnish(t *testing.T, dir string) {
	t.Helper()
	p := openLibrary(t, dir)
	for i := range 20 {
		for j := range 3 * i {
			if _, err := situ.Do(t.Context(), p, write.To(fmt.Sprintf("b%d", i), fmt.Sprint("line ", j%7))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := situ.Do(t.Context(), p, write.To("long", longLine)); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	intoTables(t, dir)
	p = openLibrary(t, dir)
	if _, err := situ.Do(t.Context(), p, lend.To("b19", "shelf").Idempotent("loan-1")); err != nil {
		t.Fatal(err)
	}
	if _, err := situ.Do(t.Context(), p, tear.To("torn", situ.None{})); err == nil {
		t.Fatal("a panic is no error")
	}
	if _, err := situ.Start(t.Context(), p, remind.To("b1", "ann").At(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)).Idempotent("reminder")); err != nil {
		t.Fatal(err)
	}
	if n, err := situ.Do(t.Context(), p, write.To("shelf", "full")); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// longLine is a value that a row in tables only names.
var longLine = strings.Repeat("a long line. ", 2000)

// intoTables has what is in the log written to tables: a memtable for so much
// is not there.
func intoTables(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(dir, store.Options{MemTable: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst")); err != nil || len(tables) == 0 {
		t.Fatal("nothing is in tables", err)
	}
}

// TestGoldenData opens the data directories of every version that there has
// been: nothing is wrong with them, all is as it was left, and work goes on.
func TestGoldenData(t *testing.T) {
	if *rewrite {
		dir := t.TempDir()
		furnish(t, dir)
		pack(t, dir, golden)
	}
	paths, err := filepath.Glob("testdata/data.v*.tar.gz")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, path, dir)
			healthy(t, dir)
			p := openLibrary(t, dir)
			inspect(t, p)
			if n, err := situ.Do(t.Context(), p, write.To("b19", "more")); err != nil || n != 58 {
				t.Errorf("going on: %d, %v", n, err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			healthy(t, dir)
		})
	}
}

func healthy(t *testing.T, dir string) {
	t.Helper()
	r, err := store.Check(dir, nil)
	if err != nil || len(r.Problems) != 0 || r.Rows == 0 {
		t.Fatalf("the doctor says %+v, %v", r, err)
	}
}

// inspect compares all that is there with what furnish left.
func inspect(t *testing.T, p *embedded.Platform) {
	t.Helper()
	for i := 1; i < 20; i++ {
		lines := min(3*i, 40)
		st, info, err := p.Node().Object(t.Context(), wire.ObjectID{Type: "book", Key: fmt.Sprintf("b%d", i)})
		words := min(3*i, 7)
		if err != nil || info.Size == 0 || len(st.Entries) != lines+words+1 {
			t.Errorf("b%d has %d elements, want %d: %v", i, len(st.Entries), lines+words+1, err)
		}
	}
	st, _, err := p.Node().Object(t.Context(), wire.ObjectID{Type: "book", Key: "long"})
	if err != nil || !strings.Contains(fmt.Sprintf("%s", st.Entries), longLine) {
		t.Errorf("the long line is not there, among %d elements: %v", len(st.Entries), err)
	}
	// The answer was recorded: it is the same, and nothing happens.
	if n, err := situ.Do(t.Context(), p, lend.To("b19", "shelf").Idempotent("loan-1")); err != nil || n != 40 {
		t.Errorf("the loan again: %d, %v", n, err)
	}
	if n, err := situ.Do(t.Context(), p, write.To("shelf", "after")); err != nil || n != 3 {
		t.Errorf("the shelf was written to %d times, %v", n, err)
	}
	letters, _, err := p.Node().Dead(t.Context(), "", "", 10)
	if err != nil || len(letters) != 1 || letters[0].Reason.Message != "panic: it is torn" || letters[0].Envelope.To.Key != "torn" {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	timers := 0
	status, err := p.Node().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status.Shards {
		timers += s.Timers
	}
	if timers != 1 {
		t.Errorf("%d timers", timers)
	}
}

// pack makes an archive of a directory.
func pack(t *testing.T, dir, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	err = w.AddFS(os.DirFS(dir))
	if err := errors.Join(err, w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, path, dir string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(to, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(to, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
