// Package problem is what can be wrong with a data directory: a finding that names
// file, shard and commit, and the kinds of the errors of a disk.
package problem

import (
	"errors"
	"fmt"
	"os"
	"strings"

	crdb "github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/space"
	"github.com/situ-dev/situ/internal/wire"
)

// NoShard is the Shard of a Problem that concerns the whole directory.
const NoShard = -1

// Problem is one finding of Check, and the text of a refusal to open.
type Problem struct {
	File  string   // path of the file, as well as it is known
	Shard int      // NoShard: the whole directory
	Seq   wire.Seq // the first commit concerned; 0: unknown or none
	What  string   // what is wrong
	Do    string   // what to do about it

	Accept bool `json:"-"` // a person may accept it by way of situ.accept
}

// What to do: about most things, and about a loss that a person may accept.
const (
	DoRestore = "nothing was changed; restore this directory from a backup, or run `situ doctor` to see all that is wrong"
	DoAccept  = "nothing was changed; restore this directory from a backup, or, to go on without what is lost, " +
		"write the \"id\" of situ.json into a file " + layout.AcceptFile + " beside it and start again"
)

// Error makes a Problem an error, so that it can travel as a cause.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.Shard != NoShard {
		b.WriteString(wire.ShardID(p.Shard).String())
		if p.Seq != 0 {
			fmt.Fprintf(&b, " commit %d", p.Seq)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s (file: %s); %s", p.What, p.File, p.Do)
	return b.String()
}

// New returns a problem of a shard at a commit, whose file is not known yet; f and a say what it is.
func New(shard wire.ShardID, seq wire.Seq, f string, a ...any) *Problem {
	return &Problem{Shard: int(shard), Seq: seq, What: fmt.Sprintf(f, a...), Do: DoRestore}
}

// As makes a finding of any error.
func As(file string, err error) Problem {
	var p *Problem
	if errors.As(err, &p) {
		return *p
	}
	return Problem{File: file, Shard: NoShard, What: err.Error(), Do: DoRestore}
}

// Classify gives an error of Pebble or the file system its kind. damaged is
// the kind of those that are neither a full disk nor a matter of rights.
func Classify(damaged fault.Kind, op, on string, err error) error {
	if err == nil {
		return nil
	}
	var fe *fault.Error
	switch {
	case errors.As(err, &fe):
		return err
	case space.IsFull(err):
		return &fault.Error{Kind: fault.Full, Op: op, On: on, Msg: "the disk is full: free some space and start again", Err: err}
	case errors.Is(err, os.ErrPermission):
		return fault.Wrap(fault.Invalid, op, on, err)
	case pebble.IsCorruptionError(err):
		damaged = fault.Corrupt
	}
	msg := ""
	if d := crdb.FlattenDetails(err); d != "" {
		msg = strings.ReplaceAll(d, "\n", "; ")
	}
	return &fault.Error{Kind: damaged, Op: op, On: on, Msg: msg, Err: err}
}
