// Package identity is the file that says what a data directory is: its format,
// how many shards it has, and its random id. It is written once, when the
// directory is made.
package identity

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/layout"
)

const (
	// MaxShards is how many shards a directory may have.
	MaxShards = 4096
	// Format is the newest, and the only one that is read. Format 1 had its log in the database.
	Format = 2

	maxFile = 64 << 10
	op      = "store.open"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Identity says what a data directory is. The file ends with a checksum of
// all bytes before it, in every format, so that a newer format can be told
// from a damaged file.
type Identity struct {
	Format  int    `json:"format"`
	Shards  int    `json:"shards"`
	ID      string `json:"id"`
	Created string `json:"created"`
}

// New returns the identity of a new directory, with a random id.
func New(shards int, now time.Time) Identity {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return Identity{Format, shards, hex.EncodeToString(b[:]), now.UTC().Format(time.RFC3339)}
}

// Encode returns the bytes of the file: a JSON object with "sum" last.
func (id Identity) Encode() []byte {
	body, err := json.Marshal(id)
	if err != nil {
		panic(err) // a struct of strings and numbers always encodes
	}
	body = body[:len(body)-1]
	return append(body, sum(body)...)
}

func sum(body []byte) string {
	return fmt.Sprintf(`,"sum":"%08x"}`+"\n", crc32.Checksum(body, castagnoli))
}

// Decode is the reverse of Encode; path is for messages. Its error is of kind Corrupt for
// damaged bytes and Invalid for another format, of a later program or an earlier one.
func Decode(path string, p []byte) (Identity, error) {
	bad := func(f string, a ...any) (Identity, error) {
		return Identity{}, fault.New(fault.Corrupt, op, path, f, a...)
	}
	n := len(p) - len(sum(nil))
	if n < 0 || string(p[n:]) != sum(p[:n]) {
		return bad("the checksum does not fit: the file is damaged; restore it from a backup of this directory")
	}
	var head struct{ Format int }
	whole := append(bytes.Clone(p[:n]), '}')
	if err := json.Unmarshal(whole, &head); err != nil {
		return bad("not a situ identity: %v", err)
	}
	if head.Format >= 1 && head.Format < Format {
		return Identity{}, fault.New(fault.Invalid, op, path,
			"the directory has format %d, which was never released: an earlier build of situ made it, and only such a build can read it. "+
				"It is not damaged. Use a new directory, and if its data is needed, read it with that build", head.Format)
	}
	if head.Format > Format {
		return Identity{}, fault.New(fault.Invalid, op, path,
			"the directory has format %d, this program knows up to %d: use a newer situ", head.Format, Format)
	}
	var id Identity
	d := json.NewDecoder(bytes.NewReader(whole))
	d.DisallowUnknownFields()
	if err := d.Decode(&id); err != nil {
		return bad("not a situ identity: %v", err)
	}
	raw, err := hex.DecodeString(id.ID)
	if err != nil || len(raw) != 16 || id.Format != Format || id.Shards < 1 || id.Shards > MaxShards {
		return bad("a value is out of range: %s", bytes.TrimSpace(p))
	}
	return id, nil
}

// Short is the part of the id that the slots of the high-water marks carry,
// so that the file of another directory is told at once.
func (id Identity) Short() (s [8]byte) {
	_, _ = hex.Decode(s[:], []byte(id.ID)[:16])
	return s
}

// Read reads the identity of the directory dir. Its errors are those of Decode and of
// the file system.
func Read(fs vfs.FS, dir string) (Identity, error) {
	b, err := file.Read(fs, fs.PathJoin(dir, layout.IdentityFile), maxFile)
	if err != nil {
		return Identity{}, err
	}
	return Decode(fs.PathJoin(dir, layout.IdentityFile), b)
}
