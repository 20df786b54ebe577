package bundle

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
)

// small are limits that tests reach.
var small = ArchiveLimits{Archive: 1 << 20, Total: 4 << 20, File: 3 << 20, Count: 20, Ratio: 100}

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "bundles"), small)
	if err != nil {
		t.Fatal(err)
	}
	// What is read-only cannot be removed by t.TempDir.
	t.Cleanup(func() { _ = RemoveAll(s.dir) })
	return s
}

// left returns all that is in the store's directory.
func left(t testing.TB, s *Store) (names []string) {
	t.Helper()
	all, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

var program = Manifest{Format: Format, Name: "bank", Kind: Binary, Command: []string{"bin/bank", "-v"}}

// source is a directory with a program, a file and a link.
func source(t testing.TB) []File {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"bin/bank": 0o755, "data/rates.csv": 0o600, "a.txt": 0o644} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("content of "+name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../a.txt", filepath.Join(dir, "data", "link")); err != nil {
		t.Fatal(err)
	}
	files, err := Files(dir, func(p string, _ bool) bool { return p == "skipped" })
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func pack(t testing.TB, m Manifest, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Pack(&b, m, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is packed is unpacked, read-only, under a name that hangs on the content
// alone, and is there once.
func TestRoundTrip(t *testing.T) {
	s, files := open(t), source(t)
	archive := pack(t, program, files)
	slices.Reverse(files)
	if again := pack(t, program, files); !bytes.Equal(archive, again) {
		t.Error("the same files make another archive")
	}
	b, err := s.Put(bytes.NewReader(archive), Upload{Name: "bank"})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := ID(program, files); err != nil || id != b.ID {
		t.Errorf("where it was packed its name is %s, %v, and %s where it is", id, err, b.ID)
	}
	if again, err := s.Put(bytes.NewReader(archive), Upload{}); err != nil || again.ID != b.ID {
		t.Errorf("once more it is %v, %v", again.ID, err)
	}
	if got := left(t, s); len(got) != 1 || got[0] != b.ID {
		t.Errorf("there is %q", got)
	}
	for name, mode := range map[string]fs.FileMode{"bin/bank": 0o555, "data/rates.csv": 0o444, "data": fs.ModeDir | 0o555} {
		if info, err := os.Stat(filepath.Join(b.Dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s is %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if got, err := os.ReadFile(filepath.Join(b.Dir, "data/link")); err != nil || string(got) != "content of a.txt" {
		t.Errorf("the link leads to %q, %v", got, err)
	}
	got, err := s.Get(b.ID)
	if err != nil || got.Manifest.Name != "bank" || !slices.Equal(got.Manifest.Command, program.Command) {
		t.Errorf("it says %+v, %v", got.Manifest, err)
	}
	if err := s.Verify(b.ID); err != nil {
		t.Error(err)
	}
	if err := s.Remove(b.ID); err != nil || len(left(t, s)) != 0 {
		t.Errorf("removed, there is %q, %v", left(t, s), err)
	}
	if _, err := s.Get(b.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("one that is gone: %v", err)
	}
}

// The name of a content is durable: versions are known by it.
func TestIDIsStable(t *testing.T) {
	m := program
	head, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	got := contentID(head, map[string]*stored{"a": {size: 3, exec: true}, "b/c": {link: "../a"}})
	if want := "8fede483c8dfb360a827b0e40d2c5502938f7d1052b3c20736d3bb23fea0dcaf"; got != want {
		t.Errorf("the name is %s, want %s: a changed name makes another version of what is deployed", got, want)
	}
}

// A bundle whose file was changed is found, and mended by the next Put.
func TestVerify(t *testing.T) {
	s, archive := open(t), pack(t, program, source(t))
	b, err := s.Put(bytes.NewReader(archive), Upload{})
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(b.Dir, "a.txt")
	if err := os.Chmod(p, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte("c0ntent of a.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(b.ID); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a changed file: %v", err)
	}
	if _, err := s.Put(bytes.NewReader(archive), Upload{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(b.ID); err != nil {
		t.Errorf("deployed again: %v", err)
	}
}

// What a process left that was killed is gone when the store is opened.
func TestSweep(t *testing.T) {
	s := open(t)
	b, err := s.Put(bytes.NewReader(pack(t, program, source(t))), Upload{})
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(s.dir, tmpPrefix+"1", "root", "deep")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "f"), nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir, small); err != nil {
		t.Fatal(err)
	}
	if got := left(t, s); !slices.Equal(got, []string{b.ID}) {
		t.Errorf("there is %q", got)
	}
}

// piece is an entry of an archive of an enemy.
type piece struct {
	h    tar.Header
	data string
}

func file(name, data string) piece {
	return piece{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))}, data}
}

func link(name, to string) piece {
	return piece{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}, ""}
}

func special1(name string, typ byte, mode int64) piece {
	return piece{tar.Header{Name: name, Typeflag: typ, Mode: mode, Linkname: map[byte]string{tar.TypeLink: "root/bin/bank"}[typ]}, ""}
}

// tarOf writes entries as they are, after a good manifest and program.
func tarOf(t testing.TB, pieces ...piece) []byte {
	t.Helper()
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	head, err := program.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append([]piece{file(ManifestName, string(head)), file("root/bin/bank", "x")}, pieces...) {
		if err := tw.WriteHeader(&p.h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, p.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped(t, plain.Bytes())
}

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func many(n int, dir string) (all []piece) {
	for i := range n {
		all = append(all, file("root/"+dir+string(rune('a'+i)), ""))
	}
	return all
}

// An archive of an enemy is refused with its reason, and nothing is left: not
// in the store, and not beside it.
func TestHostileTar(t *testing.T) {
	good := tarOf(t)
	cases := []struct {
		name    string
		archive []byte
		kind    fault.Kind
		want    string
	}{
		{"out", tarOf(t, file("root/../../evil", "x")), fault.Invalid, "leads out with .."},
		{"out at once", tarOf(t, file("../evil", "x")), fault.Invalid, "are to be in root/"},
		{"absolute", tarOf(t, file("/etc/evil", "x")), fault.Invalid, "are to be in root/"},
		{"absolute below", tarOf(t, file("root//etc/evil", "x")), fault.Invalid, "absolute"},
		{"backslash", tarOf(t, file(`root/..\evil`, "x")), fault.Invalid, "backslash"},
		{"drive", tarOf(t, file("root/c:evil", "x")), fault.Invalid, "drive"},
		{"dot", tarOf(t, file("root/./x", "x")), fault.Invalid, "a dot"},
		{"control", tarOf(t, file("root/a\x1b[2J", "x")), fault.Invalid, "cannot be seen"},
		{"direction", tarOf(t, file("root/a\u202egpj.exe", "x")), fault.Invalid, "cannot be seen"},
		{"no UTF-8", tarOf(t, file("root/\xff", "x")), fault.Invalid, "UTF-8"},
		{"long name", tarOf(t, file("root/"+strings.Repeat("n", 256), "x")), fault.Invalid, "too long"},
		{"long path", tarOf(t, file("root/"+strings.Repeat("nn/", 400)+"x", "x")), fault.Invalid, "too long"},
		{"deep", tarOf(t, file("root/"+strings.Repeat("n/", 60)+"x", "x")), fault.Invalid, "directories"},
		{"twice", tarOf(t, file("root/bin/bank", "y")), fault.Invalid, "twice"},
		{"case", tarOf(t, file("root/BIN/other", "y")), fault.Invalid, "take the two for one"},
		{"case of a file", tarOf(t, file("root/straße", ""), file("root/STRASSE", "")), fault.Invalid, "take the two for one"},
		{"normalisation", tarOf(t, file("root/\u00e9", ""), file("root/e\u0301", "")), fault.Invalid, "take the two for one"},
		{"file as directory", tarOf(t, file("root/bin/bank/x", "y")), fault.Invalid, "not a directory"},
		{"link out", tarOf(t, link("root/l", "../../..")), fault.Invalid, "not in the bundle"},
		{"link absolute", tarOf(t, link("root/l", "/etc/passwd")), fault.Invalid, "relative"},
		{"link by link", tarOf(t, link("root/a/l", "../bin"), link("root/m", "a/l/../../x")), fault.Invalid, "not in the bundle"},
		{"link to nothing", tarOf(t, link("root/l", "nothing")), fault.Invalid, "not in the bundle"},
		{"link in a circle", tarOf(t, link("root/l", "l")), fault.Invalid, "not in the bundle"},
		{"written through a link", tarOf(t, link("root/l", "bin"), file("root/l/x", "y")), fault.Invalid, "not a directory"},
		{"link for the program", tarOf(t, link("root/bin/bank", "../../../bin/sh")), fault.Invalid, "twice"},
		{"hard link", tarOf(t, special1("root/h", tar.TypeLink, 0o644)), fault.Invalid, "hard link"},
		{"character device", tarOf(t, special1("root/null", tar.TypeChar, 0o666)), fault.Invalid, "device"},
		{"block device", tarOf(t, special1("root/sda", tar.TypeBlock, 0o666)), fault.Invalid, "device"},
		{"FIFO", tarOf(t, special1("root/pipe", tar.TypeFifo, 0o666)), fault.Invalid, "FIFO"},
		{"setuid", tarOf(t, piece{tar.Header{Name: "root/su", Typeflag: tar.TypeReg, Mode: 0o4755}, ""}), fault.Invalid, "setuid"},
		{"setgid directory", tarOf(t, piece{tar.Header{Name: "root/d/", Typeflag: tar.TypeDir, Mode: 0o2755}, ""}), fault.Invalid, "setuid or setgid"},
		{"bomb", tarOf(t, file("root/zeros", strings.Repeat("\x00", 2<<20))), fault.TooLarge, "bomb"},
		{"large file", tarOf(t, file("root/noise", noise(4<<20))), fault.TooLarge, "larger than"},
		{"large archive", tarOf(t, file("root/noise", noise(2<<20))), fault.TooLarge, "larger than"},
		{"many", tarOf(t, many(21, "")...), fault.TooLarge, "more than 20 files"},
		{"many directories", tarOf(t, file("root/"+strings.Repeat("d/", 25)+"f", "")), fault.TooLarge, "more than 20 files"},
		{"no gzip", []byte("hello, this is no archive"), fault.Invalid, "no gzip"},
		{"empty", nil, fault.Invalid, "too early"},
		{"half", good[:len(good)/2], fault.Invalid, "broken"},
		{"without its end", good[:len(good)-1], fault.Invalid, "broken"},
		{"sum", append(good[:len(good)-5:len(good)-5], good[len(good)-5]^1, good[len(good)-4], good[len(good)-3], good[len(good)-2], good[len(good)-1]), fault.Invalid, "broken"},
		{"something follows", append(slices.Clone(good), zipped(t, []byte("more"))...), fault.Invalid, "something follows"},
		{"endless zeros", append(slices.Clone(good), zipped(t, make([]byte, 2<<20))...), fault.Invalid, "something follows"},
		{"tar without its end", zipped(t, unzipped(t, good)[:3*512]), fault.Invalid, "broken"},
		{"no manifest", zipped(t, make([]byte, 1024)), fault.Invalid, "too early"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			b, err := s.Put(bytes.NewReader(c.archive), Upload{})
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v, want %q", b.ID, err, c.want)
			}
			if strings.ContainsAny(err.Error(), "\x1b\u202e") {
				t.Errorf("the message has what a terminal would obey: %q", err)
			}
			if got := left(t, s); len(got) != 0 {
				t.Errorf("it left %q", got)
			}
			up, err := os.ReadDir(filepath.Dir(s.dir))
			if err != nil || len(up) != 1 {
				t.Errorf("beside the store there is %v, %v", up, err)
			}
		})
	}
	if _, err := open(t).Put(bytes.NewReader(good), Upload{}); err != nil {
		t.Errorf("the good one is refused: %v", err)
	}
	if _, err := open(t).Put(bytes.NewReader(good), Upload{Name: "other"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("one for another deployment: %v", err)
	}
}

func unzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// noise is text that does not compress.
func noise(n int) string {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// zipOf writes a zip with these entries.
func zipOf(t testing.TB, pieces ...piece) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, p := range pieces {
		h := &zip.FileHeader{Name: p.h.Name, Method: zip.Deflate}
		mode := fs.FileMode(p.h.Mode).Perm()
		if p.h.Mode&0o4000 != 0 {
			mode |= fs.ModeSetuid
		}
		data := p.data
		switch p.h.Typeflag {
		case tar.TypeSymlink:
			mode, data = mode|fs.ModeSymlink, p.h.Linkname
		case tar.TypeFifo:
			mode |= fs.ModeNamedPipe
		case tar.TypeChar:
			mode |= fs.ModeDevice | fs.ModeCharDevice
		}
		h.SetMode(mode)
		w, err := zw.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileZip(t *testing.T) {
	boot := file("bootstrap", "x")
	good := zipOf(t, boot, file("lib/x.so", "y"))
	damaged := slices.Clone(good)
	damaged[40] ^= 0xff
	locked := slices.Clone(good)
	locked[bytes.LastIndex(locked, []byte("PK\x01\x02"))+8] |= 1
	for _, c := range []struct {
		name    string
		archive []byte
		kind    fault.Kind
		want    string
	}{
		{"out", zipOf(t, boot, file("../evil", "x")), fault.Invalid, "leads out with .."},
		{"absolute", zipOf(t, boot, file("/evil", "x")), fault.Invalid, "absolute"},
		{"backslash", zipOf(t, boot, file(`..\evil`, "x")), fault.Invalid, "backslash"},
		{"case", zipOf(t, boot, file("BOOTSTRAP", "x")), fault.Invalid, "take the two for one"},
		{"twice", zipOf(t, boot, boot), fault.Invalid, "twice"},
		{"link out", zipOf(t, boot, link("l", "../..")), fault.Invalid, "not in the bundle"},
		{"link absolute", zipOf(t, boot, link("l", "/etc")), fault.Invalid, "relative"},
		{"long link", zipOf(t, boot, link("l", strings.Repeat("x", 5000))), fault.Invalid, "too long"},
		{"FIFO", zipOf(t, boot, special1("p", tar.TypeFifo, 0o666)), fault.Invalid, "FIFO"},
		{"device", zipOf(t, boot, special1("p", tar.TypeChar, 0o666)), fault.Invalid, "device"},
		{"setuid", zipOf(t, boot, piece{tar.Header{Name: "su", Typeflag: tar.TypeReg, Mode: 0o4755}, ""}), fault.Invalid, "setuid"},
		{"bomb", zipOf(t, boot, file("zeros", strings.Repeat("\x00", 2<<20))), fault.TooLarge, "bomb"},
		{"large archive", zipOf(t, boot, file("noise", noise(2<<20))), fault.TooLarge, "larger than"},
		{"encrypted", locked, fault.Invalid, "encrypted"},
		{"half", good[:len(good)/2], fault.Invalid, "broken"},
		{"damaged", damaged, fault.Invalid, "broken"},
		{"no zip", []byte("hello"), fault.Invalid, "broken"},
		{"nothing to run", zipOf(t, file("readme", "x")), fault.Invalid, "say its kind and handler"},
		{"empty", zipOf(t), fault.Invalid, "say its kind and handler"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			b, err := s.Put(bytes.NewReader(c.archive), Upload{Name: "f", Zip: true})
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v, want %q", b.ID, err, c.want)
			}
			if got := left(t, s); len(got) != 0 {
				t.Errorf("it left %q", got)
			}
		})
	}
}

// A zip of Lambda says little of itself; the rest is known by its files.
func TestZip(t *testing.T) {
	for name, c := range map[string]struct {
		files   []piece
		given   Manifest
		kind    Kind
		handler string
	}{
		"binary": {[]piece{{tar.Header{Name: "bootstrap", Mode: 0o644}, "x"}}, Manifest{}, Lambda, ""},
		"node":   {[]piece{file("index.mjs", "x"), file("node_modules/a/index.js", "y")}, Manifest{}, Node, "index.handler"},
		"python": {[]piece{file("lambda_function.py", "x")}, Manifest{}, Python, "lambda_function.handler"},
		"said":   {[]piece{file("src/app.py", "x"), file("index.js", "x")}, Manifest{Kind: Python, Handler: "src/app.run"}, Python, "src/app.run"},
	} {
		s := open(t)
		b, err := s.Put(bytes.NewReader(zipOf(t, c.files...)), Upload{Name: "f", Zip: true, Manifest: c.given})
		if err != nil || b.Manifest.Kind != c.kind || b.Manifest.Handler != c.handler || b.Manifest.Name != "f" {
			t.Errorf("%s: %+v, %v", name, b.Manifest, err)
			continue
		}
		if c.kind == Lambda {
			if info, err := os.Stat(filepath.Join(b.Dir, "bootstrap")); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("the bootstrap is %v, %v", info.Mode(), err)
			}
		}
		if err := s.Verify(b.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A manifest that is not as it should be is refused, when it is packed and when
// it comes.
func TestManifest(t *testing.T) {
	for want, change := range map[string]func(*Manifest){
		"the name of a deployment": func(m *Manifest) { m.Name = "Bank!" },
		"the platform's own":       func(m *Manifest) { m.Name = "situ.flow" },
		"has no command":           func(m *Manifest) { m.Command = nil },
		"leads out":                func(m *Manifest) { m.Command = []string{"../bin/sh"} },
		"there is go, binary":      func(m *Manifest) { m.Kind = "java" },
		"has a handler instead":    func(m *Manifest) { m.Kind = Node },
		"is to be FILE.EXPORT":     func(m *Manifest) { m.Kind, m.Command = Python, nil },
		"is the platform's":        func(m *Manifest) { m.Env = map[string]string{"SITU_TOKEN": "x"} },
		"given twice":              func(m *Manifest) { m.Env, m.Secrets = map[string]string{"A": "x"}, map[string]string{"A": "y"} },
		"letters, digits and '_'":  func(m *Manifest) { m.Env = map[string]string{"A=B": "x"} },
		"zero byte":                func(m *Manifest) { m.Env = map[string]string{"A": "x\x00"} },
		"its network policy":       func(m *Manifest) { m.Network = "maybe" },
		"use a newer one":          func(m *Manifest) { m.Format = 2 },
	} {
		m := program
		change(&m)
		if err := m.Check(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, text := range map[string]string{
		"unknown field": `{"format":1,"name":"a","kind":"go","command":["a"],"comand":1}`,
		"follows":       `{"format":1,"name":"a","kind":"go","command":["a"]}{}`,
		"cannot be":     `[`,
	} {
		if _, err := DecodeManifest([]byte(text)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// What cannot be in a bundle is refused where it is packed, and named.
func TestPackRefuses(t *testing.T) {
	dir := t.TempDir()
	for want, f := range map[string]File{
		"no such file": {Path: "a", From: filepath.Join(dir, "nothing")},
		"device":       {Path: "a", From: "/dev/null"},
		"leads out":    {Path: "../a", From: dir},
	} {
		if err := Pack(io.Discard, program, []File{f}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
