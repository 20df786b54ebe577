package pipeline_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/pipeline/corpus"
	"github.com/situ-dev/situ/examples/pipeline/pipeline"
	"github.com/situ-dev/situ/situtest"
)

// count counts the words of a source without a platform.
func count(t *testing.T, s corpus.Source) (sum corpus.Summary, words map[string]int) {
	t.Helper()
	docs, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	words = map[string]int{}
	for _, d := range docs {
		text, err := d.Read()
		if err != nil {
			sum.Failed++
			continue
		}
		sum.Documents++
		for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '.' || r == '\n' }) {
			words[w]++
			sum.Words++
		}
	}
	return sum, words
}

// The index has each word of each document once, whichever commit the platform
// crashes at.
func TestIndex(t *testing.T) {
	src := corpus.Source{Documents: 300, Words: 60, Seed: 7} // its call takes five commits, or so
	want, words := count(t, src)
	if want.Failed != 3 {
		t.Fatalf("%d documents are damaged: the test wants some", want.Failed)
	}
	for _, at := range []int{0, 1, 2, 3, 4} {
		situtest.Options{Shards: 3}.Run(t, pipeline.Components(), func(t *testing.T, rt *situtest.Runtime) {
			call := corpus.Pipeline.With(src).Idempotent("run")
			if at > 0 {
				rt.CrashAt(at)
				if err := situtest.DoErr(rt, call); err == nil {
					t.Fatalf("there was no commit %d", at)
				}
				rt.Restart()
				rt.Pass(time.Minute)
			}
			got := situtest.Do(rt, call)
			if why := got.Why; len(why) != 3 || !strings.HasSuffix(why[0], "cannot be read") {
				t.Errorf("crash at %d: %q", at, why)
			}
			if got.Why = nil; !reflect.DeepEqual(got, want) {
				t.Errorf("crash at %d: %+v, want %+v", at, got, want)
			}
			rt.Pass(time.Second)
			top := situtest.Do(rt, corpus.Top.With(1000_000))
			for _, e := range top {
				if e.Count != words[e.Word] {
					t.Fatalf("crash at %d: %q occurs %d times, want %d", at, e.Word, e.Count, words[e.Word])
				}
			}
			if len(top) != len(words) || top[0].Count < top[1].Count {
				t.Errorf("crash at %d: %d words, want %d; the first are %v", at, len(top), len(words), top[:2])
			}
			if e := situtest.Do(rt, corpus.Find.To("s", "storm")); e.Count != words["storm"] || len(e.Documents) == 0 {
				t.Errorf("crash at %d: %+v", at, e)
			}
		})
	}
}

// Files are read, too; what is not text is told.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "One, two; two!", "b.txt": "two\nthree", "c.txt": "\xff\xfe", "d.md": "four"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	situtest.Run(t, pipeline.Components(), func(t *testing.T, rt *situtest.Runtime) {
		got := situtest.Do(rt, corpus.Pipeline.With(corpus.Source{Dir: dir, Ext: ".txt"}))
		if got.Documents != 2 || got.Words != 5 || got.Failed != 1 || !strings.Contains(got.Why[0], "c.txt is not text") {
			t.Errorf("%+v", got)
		}
		rt.Pass(time.Second)
		if e := situtest.Do(rt, corpus.Find.To("t", "two")); e.Count != 3 || len(e.Documents) != 2 {
			t.Errorf("%+v", e)
		}
		err := situtest.DoErr(rt, corpus.Pipeline.With(corpus.Source{}))
		if situ.CodeOf(err) != "source" {
			t.Errorf("%v", err)
		}
	})
}
