package h1

import (
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Reply answers the request with status, fields and body. Date, Content-Length
// and Connection are added. Whether the client got it is not known.
func (c *Conn) Reply(status int, fields []Field, body []byte) {
	c.enter(writing)
	c.sent = true
	c.last = c.last || !c.skippable() || c.s.stopping.Load()
	b := append(c.out[:0], statusLine(status)...)
	b = append(b, "Date: "...)
	b = append(b, *c.s.date.Load()...)
	for i := range fields {
		b = append(b, "\r\n"...)
		b = append(b, fields[i].Name...)
		b = append(b, ": "...)
		b = append(b, fields[i].Value...)
	}
	if status != http.StatusNoContent {
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	switch {
	case c.last:
		b = append(b, "\r\nConnection: close"...)
	case c.head.minor == 0:
		b = append(b, "\r\nConnection: keep-alive"...)
	}
	b = append(b, "\r\n\r\n"...)
	if c.head.Method == http.MethodHead || status == http.StatusNoContent {
		body = nil
	}
	if len(body) <= smallBody/4 {
		b, body = append(b, body...), nil
	}
	c.out = b
	if len(body) > large {
		c.hold(int64(len(body)))
	}
	if c.write(b, body) != nil {
		c.last = true
	}
}

// lines are the status lines that are used often.
var lines = func() (t [600]string) {
	for status := range t {
		if text := http.StatusText(status); text != "" {
			t[status] = "HTTP/1.1 " + strconv.Itoa(status) + " " + text + "\r\n"
		}
	}
	return t
}()

func statusLine(status int) string {
	if status < len(lines) && lines[status] != "" {
		return lines[status]
	}
	return "HTTP/1.1 " + strconv.Itoa(status) + " Status\r\n"
}

// write writes head and body. The step is writing.
func (c *Conn) write(head, body []byte) error {
	if body != nil {
		return c.writeAll(net.Buffers{head, body})
	}
	for {
		n, err := c.rw.Write(head)
		if err == nil || !c.resumable(err) {
			return err
		}
		head = head[n:]
	}
}

func (c *Conn) writeAll(parts net.Buffers) error {
	for {
		_, err := parts.WriteTo(c.nc) // parts are what is left
		if err == nil || !c.resumable(err) {
			return err
		}
	}
}

// resumable reports whether a write was interrupted by mistake: the step that
// took too long was the one before.
func (c *Conn) resumable(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.expired() {
		return false
	}
	return c.nc.SetWriteDeadline(time.Time{}) == nil
}
