package floor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/situ-dev/situ/bench/proc"
)

// The bare servers, as roles of a child process: they answer a request with
// its body. Each puts its address and ends with its parent.
const (
	FastHTTP = "fasthttp"
	NetHTTP  = "net/http"
)

// Roles are the bare servers.
var Roles = map[string]proc.Role{
	FastHTTP: func(ctx context.Context, c *proc.Conn) error {
		srv := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/json")
			ctx.SetBody(ctx.PostBody())
		}}
		return serve(ctx, c, srv.Serve)
	},
	NetHTTP: func(ctx context.Context, c *proc.Conn) error {
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := make([]byte, max(r.ContentLength, 0))
			if _, err := io.ReadFull(r.Body, body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body) // the client has gone away
		})}
		return serve(ctx, c, srv.Serve)
	},
}

// serve serves on a free port until ctx is done.
func serve(ctx context.Context, c *proc.Conn, on func(net.Listener) error) error {
	var nothing any
	if err := c.Get(&nothing); err != nil {
		return err
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() }) // Serve returns
	defer stop()
	if err := c.Put(ln.Addr().String()); err != nil {
		return err
	}
	if err := on(ln); ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Bare is a bare server in a process of its own.
type Bare struct {
	*proc.Proc
	Addr string
}

// Serve starts a bare server. Close it.
func Serve(role string) (*Bare, error) {
	p, err := proc.Start(role, nil)
	if err != nil {
		return nil, err
	}
	b := &Bare{Proc: p}
	if err := p.Get(&b.Addr); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return b, nil
}
