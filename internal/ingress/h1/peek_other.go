//go:build !unix

package h1

import "syscall"

// peeker would read from a connection what is there, without waiting. Here
// nobody knows how, and nothing queues.
type peeker struct {
	raw  syscall.RawConn
	into []byte
	n    int
	read func(fd uintptr) bool
}

func newPeeker(any) *peeker { return nil }
