package h1

import (
	"errors"
	"io"
	"net/http"
)

// ErrTooLarge is returned for a body over the limit.
var ErrTooLarge = errors.New("the body is too large")

// Bounds of what surrounds the data of a body in chunks.
const (
	maxSizeDigits = 8
	maxExtensions = 4 << 10 // bytes of all of them
)

// smallBody is read in one piece; a larger one as it arrives, so that an
// announced length costs no memory.
const smallBody = 64 << 10

// Body returns the whole body, which may have up to limit bytes: ErrTooLarge
// if it has more, a *Refusal if it is malformed or late, and any other error
// if the client went away. It is the caller's
// to keep. It is read when it is asked for, and may be asked for once.
func (c *Conn) Body(limit int64) ([]byte, error) {
	switch n := c.head.Length; {
	case c.unread == 0:
		return nil, nil
	case n > limit:
		return nil, ErrTooLarge
	default:
		if err := c.holdBody(n); err != nil {
			return nil, err
		}
	}
	switch n := c.head.Length; {
	case n > 0 && int64(c.w-c.r) >= n: // it came with the head
		b := append(make([]byte, 0, n), c.buf[c.r:c.r+int(n)]...)
		c.r += int(n)
		c.unread = 0
		return b, nil
	}
	if c.head.expects {
		c.enter(writing)
		if err := c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"), nil); err != nil {
			return nil, err
		}
	}
	c.enter(inBody)
	defer c.enter(busy)
	var b []byte
	var err error
	if c.unread < 0 {
		b, err = c.chunks(limit)
	} else {
		b, err = c.data(nil, c.head.Length)
	}
	if err != nil {
		c.last = true
		return nil, err
	}
	c.unread = 0
	return b, nil
}

// data appends the next n bytes to b.
func (c *Conn) data(b []byte, n int64) ([]byte, error) {
	if b == nil {
		b = make([]byte, 0, min(n, smallBody))
	}
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return b, err
			}
		}
		k := int(min(n, int64(c.w-c.r)))
		b = append(b, c.buf[c.r:c.r+k]...)
		c.r += k
		n -= int64(k)
	}
	return b, nil
}

// chunks reads a chunked body.
func (c *Conn) chunks(limit int64) (b []byte, err error) {
	room := maxExtensions
	for {
		size, err := c.chunkSize(&room)
		if err != nil {
			return nil, err
		}
		if int64(len(b))+size > limit {
			return nil, ErrTooLarge
		}
		if err := c.holdBody(int64(len(b)) + size); err != nil {
			return nil, err
		}
		if size > 0 {
			if b, err = c.data(b, size); err != nil {
				return nil, err
			}
		}
		if err := c.lineEnd(); err != nil {
			if size == 0 {
				return nil, bad("after the last chunk comes an empty line: trailers are not taken")
			}
			return nil, err
		}
		if size == 0 {
			return b, nil
		}
	}
}

func (c *Conn) byte() (byte, error) {
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	c.r++
	return c.buf[c.r-1], nil
}

func (c *Conn) lineEnd() error {
	for _, want := range "\r\n" {
		got, err := c.byte()
		if err != nil {
			return err
		}
		if got != byte(want) {
			return bad("a chunk does not end with CR LF where its size says")
		}
	}
	return nil
}

// chunkSize reads the line before a chunk. Extensions are checked and ignored:
// ";" token [ "=" token ].
func (c *Conn) chunkSize(room *int) (size int64, err error) {
	var b byte
	digits := 0
	for ; ; digits++ {
		if b, err = c.byte(); err != nil {
			return 0, err
		}
		d := unhex(b)
		if d < 0 {
			break
		}
		if digits == maxSizeDigits {
			return 0, bad("the size of a chunk is too large")
		}
		size = size<<4 | int64(d)
	}
	if digits == 0 {
		return 0, bad("the size of a chunk is not a hexadecimal number")
	}
	part, seen := 0, 0 // 1: in a name; 2: in its value
	for ; b != '\r'; *room-- {
		switch {
		case *room == 0:
			return 0, bad("the extensions of chunks are too long")
		case b == ';' && (part == 0 || seen > 0):
			part, seen = 1, 0
		case b == '=' && part == 1 && seen > 0:
			part, seen = 2, 0
		case part > 0 && sorts[b]&ofToken != 0:
			seen++
		default:
			return 0, bad("what comes after the size of a chunk is no extension")
		}
		if b, err = c.byte(); err != nil {
			return 0, err
		}
	}
	if part > 0 && seen == 0 {
		return 0, bad("an extension of a chunk is empty")
	}
	if b, err = c.byte(); err == nil && b != '\n' {
		err = bad("the line with the size of a chunk does not end with CR LF")
	}
	return size, err
}

// early says that the client went away before the end.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// errLate says that the client took too long over a step.
var errLate = &Refusal{http.StatusRequestTimeout, "the request did not arrive in time"}
