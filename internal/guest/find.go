package guest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// Where a platform can be attached to: a socket in its data directory, or,
// when that path is too long for a socket, one whose address is in a file.
const (
	AttachSocket = "attach.sock"
	AttachFile   = "attach"
	DataDir      = ".situ" // in the directory of a program, unless told otherwise
)

// Find returns the address of the socket at which the platform that where
// names can be attached to: a socket, a data directory, or a directory with a
// data directory in it. The error is of kind fault.Unavailable: there may be
// a platform later.
func Find(where string) (string, error) {
	info, err := os.Stat(where)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "attach", where, err)
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return where, nil
	}
	for _, dir := range []string{where, filepath.Join(where, DataDir)} {
		if b, err := os.ReadFile(filepath.Join(dir, AttachFile)); err == nil {
			return strings.TrimSpace(string(b)), nil
		}
		socket := filepath.Join(dir, AttachSocket)
		if info, err := os.Stat(socket); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return socket, nil
		}
	}
	return "", fault.New(fault.Unavailable, "attach", where, "no platform runs on this data directory")
}
