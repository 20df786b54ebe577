//go:build unix

package h1

import "syscall"

// peeker reads from a connection what is there, without waiting.
type peeker struct {
	raw  syscall.RawConn
	into []byte
	n    int
	read func(fd uintptr) bool // made once
}

// newPeeker returns nil if nc cannot be read from without waiting.
func newPeeker(nc any) *peeker {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	p := &peeker{raw: raw}
	p.read = func(fd uintptr) bool {
		p.n, _ = syscall.Read(int(fd), p.into) // what is wrong is found by who waits
		return true
	}
	return p
}
