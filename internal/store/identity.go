package store

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
)

const (
	identityFile = "situ.json"
	identityMax  = 64 << 10
	// format 1 had its log in the database.
	format = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity says what a data directory is. The file ends with a checksum of
// all bytes before it, in every format, so that a newer format can be told
// from a damaged file.
type identity struct {
	Format  int    `json:"format"`
	Shards  int    `json:"shards"`
	ID      string `json:"id"`
	Created string `json:"created"`
}

func newIdentity(shards int, now time.Time) identity {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return identity{format, shards, hex.EncodeToString(b[:]), now.UTC().Format(time.RFC3339)}
}

// encode returns the bytes of the file: a JSON object with "sum" last.
func (id identity) encode() []byte {
	body, err := json.Marshal(id)
	if err != nil {
		panic(err) // a struct of strings and numbers always encodes
	}
	body = body[:len(body)-1]
	return append(body, identitySum(body)...)
}

func identitySum(body []byte) string {
	return fmt.Sprintf(`,"sum":"%08x"}`+"\n", crc32.Checksum(body, castagnoli))
}

// decodeIdentity is the reverse of encode; path is for messages. Its error is of kind Corrupt for
// damaged bytes and Invalid for a format of a later program.
func decodeIdentity(path string, p []byte) (identity, error) {
	bad := func(f string, a ...any) (identity, error) {
		return identity{}, fault.New(fault.Corrupt, opOpen, path, f, a...)
	}
	n := len(p) - len(identitySum(nil))
	if n < 0 || string(p[n:]) != identitySum(p[:n]) {
		return bad("the checksum does not fit: the file is damaged; restore it from a backup of this directory")
	}
	var head struct{ Format int }
	whole := append(bytes.Clone(p[:n]), '}')
	if err := json.Unmarshal(whole, &head); err != nil {
		return bad("not a situ identity: %v", err)
	}
	if head.Format >= 1 && head.Format < format {
		return identity{}, fault.New(fault.Invalid, opOpen, path,
			"the directory has format %d, which only development versions of situ before this one have made and can read: "+
				"use a new directory, and if its data is needed, read it with the version that made it", head.Format)
	}
	if head.Format > format {
		return identity{}, fault.New(fault.Invalid, opOpen, path,
			"the directory has format %d, this program knows up to %d: use a newer situ", head.Format, format)
	}
	var id identity
	d := json.NewDecoder(bytes.NewReader(whole))
	d.DisallowUnknownFields()
	if err := d.Decode(&id); err != nil {
		return bad("not a situ identity: %v", err)
	}
	raw, err := hex.DecodeString(id.ID)
	if err != nil || len(raw) != 16 || id.Format != format || id.Shards < 1 || id.Shards > maxShards {
		return bad("a value is out of range: %s", bytes.TrimSpace(p))
	}
	return id, nil
}

// short is the part of the id that the slots of the high-water marks carry,
// so that the file of another directory is told at once.
func (id identity) short() (s [8]byte) {
	_, _ = hex.Decode(s[:], []byte(id.ID)[:16])
	return s
}

// readFile returns the bytes of a small file.
func readFile(fs vfs.FS, path string, most int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, most))
}

// writeFile makes path hold p, or nothing of it: temporary file, sync,
// rename, sync of the directory.
func writeFile(fs vfs.FS, path string, p []byte) error {
	tmp := path + ".tmp"
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Clone(p)) // vfs may scribble on what it is given
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = fs.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(path))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
