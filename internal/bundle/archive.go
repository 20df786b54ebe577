package bundle

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// counter counts what is read through it, and stops at a limit.
type counter struct {
	r    io.Reader
	n    int64
	most int64
}

// Read implements io.Reader.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.n += int64(n); c.n > c.most {
		return n, fault.New(fault.TooLarge, "unpack", "", "the archive is larger than %d bytes", c.most)
	}
	return n, err
}

// zeros remembers how many bytes of zero were the last to be read through it.
type zeros struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (z *zeros) Read(b []byte) (int, error) {
	n, err := z.r.Read(b)
	for _, c := range b[:n] {
		if z.n++; c != 0 {
			z.n = 0
		}
	}
	return n, err
}

// broken is the error of an archive that cannot be read further.
func broken(p string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("it ends too early")
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return refuse(fault.Invalid, p, "the archive is broken: %v", err)
}

// tarEnd is how much of zeros ends an archive.
const tarEnd = 1024

// unpackTar reads an archive as Pack writes it: the manifest first, and then
// what is in root.
func unpackTar(r io.Reader, open func(read func() int64) *sink, l ArchiveLimits) (*sink, Manifest, []byte, error) {
	in := &counter{r: r, most: l.Archive}
	fail := func(p string, err error) (*sink, Manifest, []byte, error) {
		return nil, Manifest{}, nil, broken(p, err)
	}
	zr, err := gzip.NewReader(in)
	if err != nil {
		return fail("", fmt.Errorf("it is no gzip: %w", err))
	}
	z := &zeros{r: zr}
	tr := tar.NewReader(z)
	m, head, err := manifest(tr)
	if err != nil {
		return fail(ManifestName, err)
	}
	s := open(func() int64 { return in.n })
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fail("", err)
		}
		if err := tarEntry(s, tr, h); err != nil {
			return fail(h.Name, err)
		}
	}
	// What follows is only zeros, and not many.
	rest, err := io.Copy(io.Discard, io.LimitReader(z, ratioFrom))
	switch {
	case err != nil:
		return fail("", err)
	case rest == ratioFrom || z.n < max(rest, tarEnd):
		return fail("", errors.New("its end is missing, or something follows it"))
	}
	return s, m, head, nil
}

// manifest reads the first entry.
func manifest(tr *tar.Reader) (Manifest, []byte, error) {
	h, err := tr.Next()
	if err != nil {
		return Manifest{}, nil, err
	}
	if h.Name != ManifestName || h.Typeflag != tar.TypeReg {
		return Manifest{}, nil, refuse(fault.Invalid, h.Name, "the first file of an archive is to be %s: `situ deploy` makes such archives", ManifestName)
	}
	if h.Size > maxManifest {
		return Manifest{}, nil, refuse(fault.TooLarge, h.Name, "the manifest is larger than %d bytes", maxManifest)
	}
	b, err := io.ReadAll(tr)
	if err != nil {
		return Manifest{}, nil, err
	}
	m, err := DecodeManifest(b)
	if err != nil {
		return Manifest{}, nil, err
	}
	b, err = m.encode() // as this version writes it, so that the name does not hang on spaces
	return m, b, err
}

// tarEntry takes one entry of root.
func tarEntry(s *sink, tr *tar.Reader, h *tar.Header) error {
	name, ok := strings.CutPrefix(h.Name, rootName+"/")
	if !ok {
		return refuse(fault.Invalid, h.Name, "all files of an archive but %s are to be in %s/", ManifestName, rootName)
	}
	mode := h.FileInfo().Mode()
	switch h.Typeflag {
	case tar.TypeDir:
		if name = strings.TrimSuffix(name, "/"); name == "" {
			return nil
		}
		return s.dir(name, mode)
	case tar.TypeReg, tar.TypeSymlink:
		return s.put(entry{path: name, mode: mode, link: h.Linkname, body: tr})
	case tar.TypeLink:
		return refuse(fault.Invalid, h.Name, "it is a hard link: a bundle has only files, directories and symbolic links")
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return special(h.Name, mode)
	}
	return refuse(fault.Invalid, h.Name, "it is of the type %q, which a bundle does not have", string(h.Typeflag))
}

// unpackZip reads an archive as Lambda takes them: no manifest, and the files
// at its root. It has been written to f.
func unpackZip(f *os.File, size int64, s *sink) error {
	zr, err := zip.NewReader(f, size)
	if err != nil {
		return broken("", err)
	}
	for _, e := range zr.File {
		if err := zipEntry(s, e); err != nil {
			return broken(e.Name, err)
		}
	}
	return nil
}

func zipEntry(s *sink, e *zip.File) error {
	mode := e.Mode()
	if e.Flags&1 != 0 {
		return refuse(fault.Invalid, e.Name, "it is encrypted")
	}
	if strings.HasSuffix(e.Name, "/") {
		return s.dir(strings.TrimSuffix(e.Name, "/"), mode)
	}
	body, err := e.Open()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it is only read
	in := entry{path: e.Name, mode: mode, body: body}
	if mode&fs.ModeSymlink != 0 {
		to, err := io.ReadAll(io.LimitReader(body, maxPath+1))
		if err != nil {
			return err
		}
		in.link = string(to)
	}
	return s.put(in)
}

// guess fills in what a manifest does not say of an archive of Lambda.
func (s *sink) guess(m *Manifest) error {
	m.Format = Format
	if m.Kind == "" {
		for _, g := range []struct {
			file string
			kind Kind
		}{{"bootstrap", Lambda}, {"index.mjs", Node}, {"index.js", Node}, {"index.cjs", Node}, {"lambda_function.py", Python}, {"handler.py", Python}, {"main.py", Python}} {
			if _, ok := s.files[g.file]; ok {
				m.Kind = g.kind
				if m.Handler == "" && g.kind != Lambda {
					m.Handler = strings.TrimSuffix(g.file, path.Ext(g.file)) + handlers[g.kind]
				}
				break
			}
		}
	}
	if m.Kind == "" {
		return refuse(fault.Invalid, m.Name, "the archive has neither a program bootstrap nor index.mjs, index.js, lambda_function.py, handler.py or main.py at its root: say its kind and handler")
	}
	if m.Kind == Lambda && len(m.Command) == 0 {
		m.Command = []string{"bootstrap"}
	}
	if m.Kind == Lambda && m.Command[0] == "bootstrap" {
		// Some tools that make zips lose the mode; Lambda does not mind either.
		if st, ok := s.files["bootstrap"]; ok && !st.exec && st.link == "" {
			st.exec = true
			return failed("bootstrap", s.root.Chmod("bootstrap", 0o555))
		}
	}
	return nil
}

// handlers are the exports that are usual.
var handlers = map[Kind]string{Node: ".handler", Python: ".handler"}
