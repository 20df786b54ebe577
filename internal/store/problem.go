package store

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/problem"
)

const (
	opOpen   = "store.open"
	opCommit = "store.commit"
	opRead   = "store.read"
	opCheck  = "store.check"
)

// NoShard is the Shard of a Problem that concerns the whole directory.
const NoShard = problem.NoShard

// Problem is one finding of Check, and the text of a refusal to open.
type Problem = problem.Problem

// refuse makes the error of an Open that found p.
func refuse(dir string, p *problem.Problem) error {
	return &fault.Error{Kind: fault.Corrupt, Op: opOpen, On: dir, Err: p}
}
