package ingress_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/ingress"
)

// Connections that wait for their next request hold nothing of the last one.
func TestIdleConnectionsHoldNoBody(t *testing.T) {
	const conns, size = 20, 500_000
	echo := situ.NewFunc[string, string]("echo")
	p, err := embedded.Open(t.TempDir(), embedded.Options{}, situ.Function(echo, func(_ *situ.Turn, s string) (string, error) { return s, nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }() // its end is tested elsewhere
	s := ingress.Server(ingress.New(ingress.Platform{Engine: p.Node()}, ingress.Config{}), nil)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	before := alive()
	for range conns {
		c, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }() // it was read to its end
		body := `"` + strings.Repeat("x", size) + `"`
		if _, err := fmt.Fprintf(c, "POST /v1/functions/echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != 200 || n < size {
			t.Fatal(resp.Status, n, err)
		}
	}
	if held := alive() - before; held > conns*size/4 {
		t.Errorf("%d idle connections hold %d bytes", conns, held)
	}
	_ = s.Close() // so that Serve ends
	if err := <-ended; err == nil {
		t.Error("a server that was closed says nothing")
	}
}

func alive() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
