package bundle

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/situ-dev/situ/internal/fault"
)

// ArchiveLimits bound an archive. Zero values take the defaults.
type ArchiveLimits struct {
	Archive int64 // bytes as it comes; default 256 MiB
	Total   int64 // bytes of all files; default 1 GiB
	File    int64 // bytes of one file; default 512 MiB
	Count   int   // files, links and directories; default 50,000
	Ratio   int64 // bytes of files for each byte of the archive, once these are over a megabyte; default 100
}

func (l ArchiveLimits) withDefaults() ArchiveLimits {
	l.Archive = cmp.Or(l.Archive, 256<<20)
	l.Total = cmp.Or(l.Total, 1<<30)
	l.File = cmp.Or(l.File, 512<<20)
	l.Count = cmp.Or(l.Count, 50_000)
	l.Ratio = cmp.Or(l.Ratio, 100)
	return l
}

// ratioFrom is how many bytes an archive may become in any case: small files of
// one letter are no attack.
const ratioFrom = 1 << 20

// entry is one file or link of an archive, as it says.
type entry struct {
	path string
	mode fs.FileMode
	link string // where it points, for a link
	body io.Reader
}

// sink takes the entries of an archive into a directory, and refuses what is
// not to be there. All that it does goes through an os.Root, which the kernel
// holds to: should a check have a gap, still nothing is written elsewhere.
type sink struct {
	root   *os.Root
	limits ArchiveLimits
	read   func() int64 // bytes of the archive so far

	total  int64
	count  int
	files  map[string]*stored // by path
	folded map[string]string  // same(path) → path, with directories
	dirs   map[string]bool
	buf    []byte
}

// stored is what is known of a file that was written.
type stored struct {
	size int64
	exec bool
	sum  [sha256.Size]byte
	link string
}

func newSink(root *os.Root, l ArchiveLimits, read func() int64) *sink {
	return &sink{root: root, limits: l, read: read, files: map[string]*stored{}, folded: map[string]string{}, dirs: map[string]bool{}, buf: make([]byte, 64<<10)}
}

// refuse is the error of an archive that is not taken because of what is at p.
func refuse(kind fault.Kind, p, format string, args ...any) error {
	return fault.New(kind, "unpack", quote(p), format, args...)
}

// dir takes a directory, which may be there already.
func (s *sink) dir(p string, mode fs.FileMode) error {
	if err := checkPath(p); err != nil {
		return refuse(fault.Invalid, p, "%v", err)
	}
	if err := special(p, mode); err != nil {
		return err
	}
	return s.parents(p + "/x")
}

// put takes a file or a link.
func (s *sink) put(e entry) error {
	if err := checkPath(e.path); err != nil {
		return refuse(fault.Invalid, e.path, "%v", err)
	}
	if err := special(e.path, e.mode); err != nil {
		return err
	}
	if err := s.parents(e.path); err != nil {
		return err
	}
	if err := s.claim(e.path); err != nil {
		return err
	}
	if e.mode&fs.ModeSymlink != 0 {
		return s.link(e)
	}
	return s.file(e)
}

// special refuses what is neither file, directory nor link, and rights that
// nobody may bring along.
func special(p string, m fs.FileMode) error {
	if t := m.Type(); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
		return refuse(fault.Invalid, p, "it is a %s: a bundle has only files, directories and links", sort(m))
	}
	if m&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return refuse(fault.Invalid, p, "it has the setuid or setgid bit, which nothing in a bundle may have")
	}
	return nil
}

// claim counts a name, and refuses one that is there already, or is the same to
// some file systems.
func (s *sink) claim(p string) error {
	if s.count++; s.count > s.limits.Count {
		return refuse(fault.TooLarge, p, "the archive has more than %d files and directories", s.limits.Count)
	}
	key := same(p)
	if other, ok := s.folded[key]; ok {
		if other == p {
			return refuse(fault.Invalid, p, "it is in the archive twice")
		}
		return refuse(fault.Invalid, p, "the archive also has %s: some file systems take the two for one", quote(other))
	}
	s.folded[key] = p
	return nil
}

// parents makes the directories that p is in.
func (s *sink) parents(p string) error {
	for i := range len(p) {
		if p[i] != '/' || s.dirs[p[:i]] {
			continue
		}
		d := p[:i]
		if _, ok := s.files[d]; ok {
			return refuse(fault.Invalid, p, "%s is a file or a link, and not a directory", quote(d))
		}
		if err := s.claim(d); err != nil {
			return err
		}
		if err := s.root.Mkdir(d, 0o700); err != nil {
			return failed(d, err)
		}
		s.dirs[d] = true
	}
	return nil
}

// link takes a link: it is made when all files are there.
func (s *sink) link(e entry) error {
	switch {
	case e.link == "" || len(e.link) > maxPath:
		return refuse(fault.Invalid, e.path, "it is a link to nothing, or to too long a path")
	case path.IsAbs(e.link) || strings.ContainsAny(e.link, "\\\x00"):
		return refuse(fault.Invalid, e.path, "it is a link to %s: links are to be relative, and stay in the bundle", quote(e.link))
	}
	if to := path.Join(path.Dir(e.path), e.link); to == ".." || strings.HasPrefix(to, "../") {
		return refuse(fault.Invalid, e.path, "it is a link to %s, which is not in the bundle", quote(e.link))
	}
	s.files[e.path] = &stored{link: e.link}
	return nil
}

// file takes a file, with its sum.
func (s *sink) file(e entry) error {
	st := &stored{exec: e.mode&0o100 != 0}
	f, err := s.root.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failed(e.path, err)
	}
	sum := sha256.New()
	err = s.copy(f, sum, e, st)
	if err == nil {
		err = f.Chmod(rest(e.mode))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return failed(e.path, err)
	}
	sum.Sum(st.sum[:0])
	s.files[e.path] = st
	return nil
}

// copy writes what e holds, and stops where a limit is.
func (s *sink) copy(f io.Writer, sum hash.Hash, e entry, st *stored) error {
	for {
		n, err := e.body.Read(s.buf)
		st.size += int64(n)
		s.total += int64(n)
		switch {
		case st.size > s.limits.File:
			return refuse(fault.TooLarge, e.path, "the file is larger than %d bytes", s.limits.File)
		case s.total > s.limits.Total:
			return refuse(fault.TooLarge, e.path, "the archive's files are larger than %d bytes", s.limits.Total)
		case s.total > ratioFrom && s.total/s.limits.Ratio > s.read():
			return refuse(fault.TooLarge, e.path, "the archive unpacks to more than %d times its size: it may be a bomb", s.limits.Ratio)
		}
		_, _ = sum.Write(s.buf[:n]) // never fails
		if _, werr := f.Write(s.buf[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
	}
}

// errBroken says that it is the archive that cannot be read.
var errBroken = errors.New("the archive is broken")

// failed makes an error of ours of one of the disk's or of the archive's.
func failed(p string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil {
		return err
	}
	kind := fault.Unavailable
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = fault.Full
	case errors.Is(err, errBroken), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		kind = fault.Invalid
	}
	return refuse(kind, p, "%v", err)
}

// finish makes the links and checks where they lead, and checks the manifest
// against the files. It returns the name of the content.
func (s *sink) finish(m *Manifest, head []byte) (string, error) {
	paths := slices.Sorted(maps.Keys(s.files))
	for _, p := range paths {
		if to := s.files[p].link; to != "" {
			if err := s.root.Symlink(to, p); err != nil {
				return "", failed(p, err)
			}
		}
	}
	for _, p := range paths {
		if to := s.files[p].link; to != "" {
			// The kernel and os.Root follow it, through other links too.
			if _, err := s.root.Stat(p); err != nil {
				return "", refuse(fault.Invalid, p, "it is a link to %s, which is not in the bundle", quote(to))
			}
		}
	}
	if err := s.runnable(m); err != nil {
		return "", err
	}
	return contentID(head, s.files), nil
}

// contentID is the name of a content: it is durable, and told to others.
func contentID(head []byte, files map[string]*stored) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "situ bundle 1\n%d\n%s", len(head), head) // a hash never fails
	for _, p := range slices.Sorted(maps.Keys(files)) {
		st := files[p]
		_, _ = fmt.Fprintf(sum, "%q %t %d %x %q\n", p, st.exec, st.size, st.sum, st.link)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// look returns what is known of a file at rest.
func look(from string) (*stored, error) {
	info, err := os.Lstat(from)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(from)
		return &stored{link: to}, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is a " + sort(info.Mode()))
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is only read
	st, sum := &stored{exec: info.Mode()&0o100 != 0}, sha256.New()
	if st.size, err = io.Copy(sum, f); err != nil {
		return nil, err
	}
	sum.Sum(st.sum[:0])
	return st, nil
}

// runnable checks that what the manifest names is there.
func (s *sink) runnable(m *Manifest) error {
	if err := m.Check(); err != nil {
		return err
	}
	if len(m.Command) > 0 {
		switch st, ok := s.files[m.Command[0]]; {
		case !ok || st.link != "":
			return refuse(fault.Invalid, m.Command[0], "the manifest's command is no file of the bundle")
		case !st.exec:
			return refuse(fault.Invalid, m.Command[0], "the manifest's command may not be run: it needs the mode 0755")
		}
		return nil
	}
	for _, p := range m.HandlerFiles() {
		if _, ok := s.files[p]; ok {
			return nil
		}
	}
	return refuse(fault.Invalid, m.Handler, "the bundle has no %s for this handler", strings.Join(m.HandlerFiles(), ", "))
}

// syncEach is up to how many files are synced one by one. More of them are made
// durable by one sync of the whole file system, which may have to wait for what
// others wrote.
const syncEach = 256

// seal makes what was written durable, and the directories unwritable: the
// deepest first, since those above are still to be written to.
func (s *sink) seal() error {
	dirs := append([]string{"."}, slices.Sorted(maps.Keys(s.dirs))...)
	all := len(s.files)+len(dirs) > syncEach
	for _, p := range slices.Sorted(maps.Keys(s.files)) {
		if s.files[p].link == "" && !all {
			if err := s.sync(p); err != nil {
				return failed(p, err)
			}
		}
	}
	for _, d := range slices.Backward(dirs) {
		if err := s.root.Chmod(d, 0o555); err != nil {
			return failed(d, err)
		}
		if all && d != "." {
			continue
		}
		if err := s.sync(d); err != nil {
			return failed(d, err)
		}
	}
	if !all {
		return nil
	}
	d, err := s.root.Open(".")
	if err != nil {
		return failed(".", err)
	}
	return failed(".", errors.Join(unix.Syncfs(int(d.Fd())), d.Close()))
}

// sync makes one file or directory durable.
func (s *sink) sync(p string) error {
	f, err := s.root.Open(p)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
