package platform

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/ingress/h1"
)

// door is the HTTP door of a platform, the one that situ serve has, on a free
// port of the loopback.
type door struct {
	srv   *h1.Server
	ln    net.Listener
	ended chan error
}

// openDoor opens a door to p. Close it before p.
func openDoor(p Platform) (*door, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := p.Node()
	h := ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Monitor: n, Chains: n}, ingress.Config{Local: true})
	d := &door{srv: ingress.Server(h, nil), ln: ln, ended: make(chan error, 1)}
	go func() { d.ended <- d.srv.Serve(ln) }()
	return d, nil
}

// Addr returns the address that the door listens on.
func (d *door) Addr() string { return d.ln.Addr().String() }

// close lets requests finish that are under way, for some seconds.
func (d *door) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := d.srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, d.srv.Close())
	}
	if ended := <-d.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
