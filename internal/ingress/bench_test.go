package ingress_test

import (
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/ingress/h1"
)

type note struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// loop is a connection on which the same request comes n times; what is
// answered is dropped.
type loop struct {
	net.Conn
	req  []byte
	n    int
	done chan struct{}
	once sync.Once
}

func (l *loop) Read(b []byte) (int, error) {
	if l.n--; l.n < 0 {
		return 0, io.EOF
	}
	return copy(b, l.req), nil
}
func (l *loop) Write(b []byte) (int, error)      { return len(b), nil }
func (l *loop) Close() error                     { l.once.Do(func() { close(l.done) }); return nil }
func (l *loop) SetDeadline(time.Time) error      { return nil }
func (l *loop) SetReadDeadline(time.Time) error  { return nil }
func (l *loop) SetWriteDeadline(time.Time) error { return nil }

// one is a listener for one connection.
type one struct {
	c    net.Conn
	gone chan struct{}
	once sync.Once
}

func (o *one) Accept() (net.Conn, error) {
	if c := o.c; c != nil {
		o.c = nil
		return c, nil
	}
	<-o.gone
	return nil, net.ErrClosed
}
func (o *one) Close() error   { o.once.Do(func() { close(o.gone) }); return nil }
func (o *one) Addr() net.Addr { return nil }

// BenchmarkFunction measures a call of a function from the bytes of its request
// to those of its answer, with all between but the sockets.
func BenchmarkFunction(b *testing.B) {
	echo := situ.NewFunc[note, note]("echo")
	p, err := embedded.Open(b.TempDir(), embedded.Options{Shards: 2},
		situ.Function(echo, func(_ *situ.Turn, in note) (note, error) { return in, nil }))
	if err != nil {
		b.Fatal(err)
	}
	n := p.Node()
	s := ingress.Server(ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Monitor: n}, ingress.Config{}), nil)
	const body = `{"n":1,"text":"hello"}`
	c := &loop{n: b.N, done: make(chan struct{}), req: []byte("POST /v1/functions/echo HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n" +
		"Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}
	b.ReportAllocs()
	b.ResetTimer()
	ended := make(chan error, 1)
	ln := &one{c: c, gone: make(chan struct{})}
	go func() { ended <- s.Serve(ln) }()
	<-c.done
	b.StopTimer()
	_ = s.Close()
	if err := <-ended; !errors.Is(err, h1.ErrClosed) {
		b.Error(err)
	}
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}
