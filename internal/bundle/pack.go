package bundle

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// rootName is the directory of an archive, and of a bundle at rest, that holds
// the files.
const rootName = "root"

// File is a file, or a link, that goes into a bundle.
type File struct {
	Path string // within the bundle, with forward slashes
	From string // where it is now
}

// Files returns what is below dir, but what skip says is not wanted; of a
// directory it is asked before what is in it. Paths have forward slashes.
func Files(dir string, skip func(path string, dir bool) bool) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(from string, d fs.DirEntry, err error) error {
		if err != nil || from == dir {
			return err
		}
		rel, err := filepath.Rel(dir, from)
		if err != nil {
			return err
		}
		p := filepath.ToSlash(rel)
		switch {
		case skip != nil && skip(p, d.IsDir()):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir():
			files = append(files, File{Path: p, From: from})
		}
		return nil
	})
	return files, fault.Wrap(fault.Invalid, "pack", dir, err)
}

// Pack writes an archive with a manifest and files to w. The same content gives
// the same bytes: files are sorted, and nothing is told of times and owners. The
// error is of kind fault.Invalid if something cannot be in a bundle.
func Pack(w io.Writer, m Manifest, files []File) error {
	m.Format = Format
	if err := m.Check(); err != nil {
		return err
	}
	head, err := m.encode()
	if err != nil {
		return err
	}
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: ManifestName, Typeflag: tar.TypeReg, Mode: 0o444, Size: int64(len(head))}); err != nil {
		return fault.Wrap(fault.Unavailable, "pack", m.Name, err)
	}
	if _, err := tw.Write(head); err != nil {
		return fault.Wrap(fault.Unavailable, "pack", m.Name, err)
	}
	for _, f := range files {
		if err := add(tw, f); err != nil {
			return err
		}
	}
	return fault.Wrap(fault.Unavailable, "pack", m.Name, errors.Join(tw.Close(), zw.Close()))
}

// ID returns the name of the bundle that an archive with a manifest and files
// becomes, without making it.
func ID(m Manifest, files []File) (string, error) {
	m.Format = Format
	if err := m.Check(); err != nil {
		return "", err
	}
	head, err := m.encode()
	if err != nil {
		return "", err
	}
	all := map[string]*stored{}
	for _, f := range files {
		if all[f.Path], err = look(f.From); err != nil {
			return "", fault.Wrap(fault.Invalid, "pack", f.From, err)
		}
	}
	return contentID(head, all), nil
}

// add writes one file.
func add(tw *tar.Writer, f File) error {
	if err := checkPath(f.Path); err != nil {
		return fault.New(fault.Invalid, "pack", f.From, "%v", err)
	}
	info, err := os.Lstat(f.From)
	if err != nil {
		return fault.Wrap(fault.Invalid, "pack", f.From, err)
	}
	h := &tar.Header{Name: rootName + "/" + f.Path, Mode: int64(rest(info.Mode())), Format: tar.FormatPAX}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(f.From); err != nil {
			return fault.Wrap(fault.Invalid, "pack", f.From, err)
		}
		h.Mode = 0o777
		return fault.Wrap(fault.Unavailable, "pack", f.From, tw.WriteHeader(h))
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "pack", f.From, "it is a %s: a bundle has only files, directories and links", sort(info.Mode()))
	}
	in, err := os.Open(f.From)
	if err != nil {
		return fault.Wrap(fault.Invalid, "pack", f.From, err)
	}
	defer func() { _ = in.Close() }() // it was only read
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return fault.Wrap(fault.Unavailable, "pack", f.From, err)
	}
	n, err := io.Copy(tw, in)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != info.Size() {
		return fault.New(fault.Unavailable, "pack", f.From, "it is being written to: try again")
	}
	return fault.Wrap(fault.Unavailable, "pack", f.From, err)
}

// rest is the mode of a file at rest: it may be read by all, and run if it may
// be run by its owner.
func rest(m fs.FileMode) fs.FileMode {
	if m&0o100 != 0 {
		return 0o555
	}
	return 0o444
}

// sort says what a file is that is none.
func sort(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return strings.TrimSpace("file of the mode " + m.String())
}
