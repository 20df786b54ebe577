package bundle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// Store is a directory of bundles at rest, each in a directory named by its
// content, with bundle.json and root/. One process has it. Bundles are not
// changed, so it is safe for concurrent use.
type Store struct {
	dir    string
	limits ArchiveLimits
}

// Bundle is one bundle at rest.
type Bundle struct {
	ID       string // 64 hexadecimal digits: the SHA-256 of its content
	Dir      string // of its files: absolute, and not to be written to
	Manifest Manifest
}

// Short returns the beginning of the ID that people are shown.
func (b Bundle) Short() string { return b.ID[:ShortID] }

// ShortID is how many digits of an ID people are shown.
const ShortID = 12

// Names of what is being written or removed begin with a dot.
const tmpPrefix = ".tmp-"

var idForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Open opens the store in dir, which is made if it is not there, and removes
// what a process left that did not end a Put or a Remove.
func Open(dir string, l ArchiveLimits) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "bundles.open", dir, err)
	}
	// Not to be listed by others: workers find their own bundle, and no other.
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "bundles.open", dir, err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "bundles.open", dir, err)
	}
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "bundles.open", dir, err)
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, fault.Wrap(fault.Unavailable, "bundles.open", dir, err)
			}
		}
	}
	return &Store{dir: dir, limits: l.withDefaults()}, nil
}

// Media types of archives.
const (
	TypeTar = "application/vnd.situ.bundle+gzip"
	TypeZip = "application/zip"
)

// Upload says what is known of an archive that comes.
type Upload struct {
	// Name is the name of the deployment that it is for. An archive with a
	// manifest is to have the same; "" is any.
	Name string
	// Zip says that the archive is a zip as Lambda takes them. Manifest then is
	// its manifest; what it leaves open is guessed: kind, handler, command.
	Zip      bool
	Manifest Manifest
}

// Put reads an archive to its end and stores it. When it returns without an
// error, the bundle is durable; otherwise nothing is left of it. A bundle that is
// there already is returned as it is.
//
// The error is of kind fault.Invalid if something is wrong with the archive,
// fault.TooLarge if it is over a limit, fault.Full if the disk is full,
// fault.Unavailable if the disk fails.
func (s *Store) Put(r io.Reader, up Upload) (b Bundle, err error) {
	tmp, err := os.MkdirTemp(s.dir, tmpPrefix)
	if err != nil {
		return Bundle{}, failed(s.dir, err)
	}
	defer func() {
		if rerr := RemoveAll(tmp); err == nil && rerr != nil {
			err = fault.Wrap(fault.Unavailable, "unpack", tmp, rerr)
		}
	}()
	if err := os.Mkdir(filepath.Join(tmp, rootName), 0o700); err != nil {
		return Bundle{}, failed(tmp, err)
	}
	root, err := os.OpenRoot(filepath.Join(tmp, rootName))
	if err != nil {
		return Bundle{}, failed(tmp, err)
	}
	defer func() { _ = root.Close() }() // it is only a handle
	var (
		sk   *sink
		m    Manifest
		head []byte
	)
	if up.Zip {
		sk, m, head, err = s.zip(r, tmp, root, up)
	} else {
		sk, m, head, err = unpackTar(r, func(read func() int64) *sink { return newSink(root, s.limits, read) }, s.limits)
	}
	if err != nil {
		return Bundle{}, err
	}
	if up.Name != "" && m.Name != up.Name {
		return Bundle{}, refuse(fault.Invalid, m.Name, "the archive is for the deployment %s, and was sent to %s", quote(m.Name), quote(up.Name))
	}
	id, err := sk.finish(&m, head)
	if err != nil {
		return Bundle{}, err
	}
	if err := writeFile(filepath.Join(tmp, ManifestName), head); err != nil {
		return Bundle{}, failed(tmp, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil { // it is still to be renamed, and one day moved away
		return Bundle{}, failed(tmp, err)
	}
	if err := sk.seal(); err != nil {
		return Bundle{}, err
	}
	if err := syncDir(tmp); err != nil {
		return Bundle{}, failed(tmp, err)
	}
	if err := s.place(tmp, id); err != nil {
		return Bundle{}, err
	}
	return Bundle{ID: id, Dir: filepath.Join(s.dir, id, rootName), Manifest: m}, nil
}

// zip writes an archive of Lambda beside, because it is read from its end.
func (s *Store) zip(r io.Reader, tmp string, root *os.Root, up Upload) (*sink, Manifest, []byte, error) {
	fail := func(err error) (*sink, Manifest, []byte, error) { return nil, Manifest{}, nil, failed(up.Name, err) }
	f, err := os.OpenFile(filepath.Join(tmp, "archive.zip"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = f.Close() }() // it is removed
	size, err := io.Copy(f, &counter{r: r, most: s.limits.Archive})
	if err != nil {
		return fail(err)
	}
	sk := newSink(root, s.limits, func() int64 { return size })
	if err := unpackZip(f, size, sk); err != nil {
		return fail(err)
	}
	m := up.Manifest
	if m.Name == "" {
		m.Name = up.Name
	}
	if err := sk.guess(&m); err != nil {
		return fail(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return fail(err)
	}
	head, err := m.encode()
	if err != nil {
		return fail(err)
	}
	return sk, m, head, nil
}

// place gives a bundle that is whole its name. One that is there already stays.
func (s *Store) place(tmp, id string) error {
	err := os.Rename(tmp, filepath.Join(s.dir, id))
	if errors.Is(err, fs.ErrExist) {
		if !fault.Is(s.Verify(id), fault.Corrupt) {
			return nil // the same content, from before or from beside
		}
		if err := s.Remove(id); err != nil {
			return err
		}
		err = os.Rename(tmp, filepath.Join(s.dir, id))
	}
	if err != nil {
		return failed(id, err)
	}
	return failed(id, syncDir(s.dir))
}

// Get returns a bundle that is there. The error is of kind fault.NotFound if it
// is not, of kind fault.Corrupt if it cannot be read.
func (s *Store) Get(id string) (Bundle, error) {
	if !idForm.MatchString(id) {
		return Bundle{}, fault.New(fault.NotFound, "bundles.get", "", "%s is no name of a bundle", quote(id))
	}
	b, err := os.ReadFile(filepath.Join(s.dir, id, ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return Bundle{}, fault.New(fault.NotFound, "bundles.get", id, "there is no such bundle")
	} else if err != nil {
		return Bundle{}, fault.Wrap(fault.Unavailable, "bundles.get", id, err)
	}
	m, err := DecodeManifest(b)
	if err != nil {
		return Bundle{}, fault.New(fault.Corrupt, "bundles.get", id, "%v", err)
	}
	return Bundle{ID: id, Dir: filepath.Join(s.dir, id, rootName), Manifest: m}, nil
}

// List returns the IDs of all bundles, sorted.
func (s *Store) List() ([]string, error) {
	all, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "bundles.list", s.dir, err)
	}
	var ids []string
	for _, e := range all {
		if idForm.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Remove removes a bundle: first its name, so that none is there by half. One
// that is not there is removed, too. Nothing may run it.
func (s *Store) Remove(id string) error {
	if !idForm.MatchString(id) {
		return nil
	}
	tmp, err := os.MkdirTemp(s.dir, tmpPrefix)
	if err != nil {
		return fault.Wrap(fault.Unavailable, "bundles.remove", id, err)
	}
	err = os.Rename(filepath.Join(s.dir, id), filepath.Join(tmp, id))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	return fault.Wrap(fault.Unavailable, "bundles.remove", id, errors.Join(err, RemoveAll(tmp)))
}

// Verify reads all of a bundle, and returns an error of kind fault.Corrupt if it
// is not what its name says.
func (s *Store) Verify(id string) error {
	b, err := s.Get(id)
	if err != nil {
		return err
	}
	head, err := b.Manifest.encode()
	if err != nil {
		return err
	}
	files, err := Files(b.Dir, nil)
	if err != nil {
		return err
	}
	all := map[string]*stored{}
	for _, f := range files {
		if all[f.Path], err = look(f.From); err != nil {
			return fault.Wrap(fault.Corrupt, "bundles.verify", f.From, err)
		}
	}
	if got := contentID(head, all); got != id {
		return fault.New(fault.Corrupt, "bundles.verify", b.Dir, "its content has the name %s: it was changed, and is to be deployed again", got[:ShortID])
	}
	return nil
}

// RemoveAll removes a tree whose directories cannot be written to.
func RemoveAll(dir string) error {
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(p, 0o700)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

func writeFile(p string, b []byte) error {
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// String returns the bundle's name for people.
func (b Bundle) String() string { return fmt.Sprintf("%s@%s", b.Manifest.Name, b.Short()) }
