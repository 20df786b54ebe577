package h1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }() // there is one connection
	if here, err = net.Dial("tcp4", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = here.Close(), there.Close() }) // some tests close them
	return here, there
}

// What does not fit into the buffers of a socket waits for room, and what is
// not there yet is waited for.
func TestSocketWaits(t *testing.T) {
	here, there := pair(t)
	rw := newSocket(here)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	wrote := make(chan error, 1)
	go func() {
		n, err := rw.Write(want)
		if err == nil && n != len(want) {
			err = io.ErrShortWrite
		}
		wrote <- err
	}()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(there, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes came, or %v", err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	go func() { _, _ = there.Write(want); _ = there.Close() }() // the reader sees it
	var all []byte
	for b := make([]byte, 64<<10); ; {
		n, err := rw.Read(b)
		all = append(all, b[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}
	if !bytes.Equal(all, want) {
		t.Errorf("%d bytes, want %d", len(all), len(want))
	}
}

// A deadline interrupts it, and says how much was written; then it goes on.
func TestSocketDeadline(t *testing.T) {
	here, there := pair(t)
	rw := newSocket(here)
	_ = here.SetDeadline(time.Unix(1, 0))
	if n, err := rw.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
	_ = here.SetDeadline(time.Time{})
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<19)
	var n int
	done := make(chan error, 1)
	go func() {
		var err error
		n, err = rw.Write(want)
		done <- err
	}()
	got := make([]byte, 1)
	if _, err := io.ReadFull(there, got); err != nil {
		t.Fatal(err)
	}
	_ = here.SetWriteDeadline(time.Unix(1, 0))
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || n < 1 || n >= len(want) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	_ = here.SetWriteDeadline(time.Time{})
	go func() { _, err := rw.Write(want[n:]); done <- err }()
	rest := make([]byte, len(want)-1)
	if _, err := io.ReadFull(there, rest); err != nil || !bytes.Equal(append(got, rest...), want) {
		t.Errorf("other bytes came, or %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A connection that is gone is an error, not a signal.
func TestSocketGone(t *testing.T) {
	here, there := pair(t)
	rw := newSocket(here)
	if tcp, ok := there.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it ends at once
	}
	_ = there.Close()
	if n, err := rw.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
	if n, err := rw.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("wrote %d, %v", n, err)
	}
	_ = here.Close()
	if _, err := rw.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// What is more than a socket keeps its own Read and Write.
func TestSocketOfOthers(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }() // nothing was written
	if rw := newSocket(here); rw != io.ReadWriter(here) {
		t.Errorf("%T", rw)
	}
}
