package ingress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/ingress/h1"
)

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 30 * time.Second

// classic carries an exchange over net/http.
type classic struct {
	context.Context
	cancel context.CancelFunc
	w      http.ResponseWriter
	r      *http.Request
}

// ServeHTTP answers one request of net/http, so that a Handler can be part of
// another server. The platform's own is faster and stricter: see [Server].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := &h1.Head{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, Length: r.ContentLength}
	for name, values := range r.Header {
		for _, v := range values {
			head.Add(name, v)
		}
	}
	c := &classic{Context: r.Context(), cancel: func() {}, w: w, r: r}
	defer func() { c.cancel() }()
	x := exchange{h: h, c: c, head: head}
	x.Serve() // nobody takes it
}

// Within implements carrier.
func (c *classic) Within(d time.Duration) {
	c.cancel()
	c.Context, c.cancel = context.WithTimeout(c.r.Context(), d)
}

// Hold implements carrier: the request keeps its goroutine.
func (c *classic) Hold(t *h1.Ticket) { t.Begin() }

// Release implements carrier.
func (c *classic) Release() {}

// Body implements carrier.
func (c *classic) Body(limit int64) ([]byte, error) {
	r := c.r
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	ctl := http.NewResponseController(c.w)
	_ = ctl.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer has one
	defer func() { _ = ctl.SetReadDeadline(time.Time{}) }()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, h1.ErrTooLarge
	}
	return b.Bytes(), nil
}

// Reply implements carrier.
func (c *classic) Reply(status int, fields []h1.Field, body []byte) {
	h := c.w.Header()
	for _, f := range fields {
		h[f.Name] = []string{f.Value}
	}
	if status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close") // the body was not read
	}
	if status != http.StatusNoContent && len(body) > 2000 { // below, net/http finds the length without help
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a caller who went away is nobody to tell
}
