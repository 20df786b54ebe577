package bundle

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fuzz puts anything into a store: it is refused and leaves nothing, or it is
// stored, verifies, and nothing of it leads out.
func fuzz(f *testing.F, up Upload, plain bool) {
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain {
			b = zipped(t, b)
		}
		s, err := Open(filepath.Join(dir, "bundles"), small)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Put(bytes.NewReader(b), up)
		if err != nil {
			if l := left(t, s); len(l) != 0 {
				t.Fatalf("%v, and left %q", err, l)
			}
			return
		}
		if err := s.Verify(got.ID); err != nil {
			t.Error(err)
		}
		files, err := Files(got.Dir, nil)
		if err != nil {
			t.Error(err)
		}
		for _, file := range files {
			if real, err := filepath.EvalSymlinks(file.From); err != nil || !strings.HasPrefix(real, got.Dir+"/") && real != got.Dir {
				t.Errorf("%s is %s, %v", file.From, real, err)
			}
		}
		if err := s.Remove(got.ID); err != nil {
			t.Error(err)
		}
		if up, err := os.ReadDir(dir); err != nil || len(up) != 1 {
			t.Errorf("beside the store there is %v, %v", up, err)
		}
	})
}

// FuzzTar takes what is within the gzip, so that the fuzzer gets past it.
func FuzzTar(f *testing.F) {
	for _, b := range [][]byte{
		tarOf(f), tarOf(f, link("root/l", "bin"), special1("root/d/", tar.TypeDir, 0o755)), tarOf(f, link("root/a/l", "../bin"), link("root/m", "a/l")),
		tarOf(f, file("root/../x", "y")), tarOf(f, file("root/"+strings.Repeat("n", 150), "y")),
	} {
		f.Add(unzipped(f, b))
	}
	fuzz(f, Upload{}, true)
}

func FuzzZip(f *testing.F) {
	f.Add(zipOf(f, file("bootstrap", "x")))
	f.Add(zipOf(f, file("bootstrap", "x"), file("d/", ""), link("d/l", "../bootstrap")))
	f.Add(zipOf(f, file("index.mjs", "x"), file("../y", "x")))
	fuzz(f, Upload{Name: "f", Zip: true}, false)
}
