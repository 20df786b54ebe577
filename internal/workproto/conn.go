package workproto

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// MaxFrame is how long a message may be unless the sides agree on more.
const MaxFrame = 64 << 20

// PartSize is the length after which a frame goes on in another part.
const PartSize = 256 << 10

const head = 5 // length and type

// Begin starts a message of type t in buf, and End ends the last one that was
// begun: between the two, the body is appended.
func Begin(buf []byte, t Type) []byte { return append(buf, 0, 0, 0, 0, byte(t)) }

// End writes the length of the message that begins at buf[at:].
func End(buf []byte, at int) []byte {
	binary.LittleEndian.PutUint32(buf[at:], uint32(len(buf)-at-4))
	return buf
}

// Conn carries messages. Reading is for one goroutine; writing is safe for
// several.
type Conn struct {
	net.Conn
	r   *bufio.Reader
	max int

	mu  sync.Mutex
	out []byte
}

// NewConn returns a Conn over c that reads messages up to MaxFrame bytes.
func NewConn(c net.Conn) *Conn {
	return &Conn{Conn: c, r: bufio.NewReaderSize(c, 64<<10), max: MaxFrame}
}

// Limit sets how long a message that is read may be.
func (c *Conn) Limit(n int) { c.max = n }

// Next reads a message. The body is the caller's. The error is io.EOF if the
// other side has closed the connection between two messages.
func (c *Conn) Next() (Type, []byte, error) {
	var h [head]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint32(h[:])) - 1
	if n < 0 || n > c.max {
		return 0, nil, corrupt("a message of %d bytes; at most %d are allowed", n, c.max)
	}
	body, err := readBody(c.r, n)
	return Type(h[4]), body, err
}

// readBody reads n bytes, and allocates no more than a few times what comes.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	body := make([]byte, min(n, step))
	for at := 0; ; {
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if at = len(body); at == n {
			return body, nil
		}
		longer := make([]byte, min(n, 2*at))
		copy(longer, body)
		body = longer
	}
}

// Receive reads a message of the control connection, or an Attach.
func (c *Conn) Receive() (Message, error) {
	t, b, err := c.Next()
	if err != nil {
		return nil, err
	}
	return Decode(t, b)
}

// Send writes m.
func (c *Conn) Send(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = End(Append(Begin(c.out[:0], m.Type()), m), 0)
	_, err := c.Write(c.out)
	return err
}
