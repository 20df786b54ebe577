package ingress_test

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
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
	rest []byte // of the one that was not read whole
	n    int
	done chan struct{}
	once sync.Once
}

func (l *loop) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.n--; l.n < 0 {
			return 0, io.EOF
		}
		l.rest = l.req
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
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
// to those of its answer, with all between but the sockets: the text of situ
// bench http, and a struct.
func BenchmarkFunction(b *testing.B) {
	text, record := situ.NewFunc[string, string]("text"), situ.NewFunc[note, note]("note")
	p, err := embedded.Open(b.TempDir(), embedded.Options{Shards: 2},
		situ.Function(text, func(_ *situ.Turn, in string) (string, error) { return in, nil }),
		situ.Function(record, func(_ *situ.Turn, in note) (note, error) { return in, nil }))
	if err != nil {
		b.Fatal(err)
	}
	n := p.Node()
	h := ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Monitor: n}, ingress.Config{Local: true})
	b.Run("text", func(b *testing.B) { repeat(b, h, "text", `"`+strings.Repeat("x", 62)+`"`) })
	b.Run("note", func(b *testing.B) { repeat(b, h, "note", `{"n":1,"text":"hello"}`) })
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}

// repeat has h answer the same call b.N times.
func repeat(b *testing.B, h *ingress.Handler, function, body string) {
	s := ingress.Server(h, nil)
	c := &loop{n: b.N, done: make(chan struct{}), req: []byte("POST /v1/functions/" + function + " HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n" +
		"Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}
	b.ReportAllocs()
	ended := make(chan error, 1)
	ln := &one{c: c, gone: make(chan struct{})}
	go func() { ended <- s.Serve(ln) }()
	<-c.done
	b.StopTimer()
	_ = s.Close()
	if err := <-ended; !errors.Is(err, h1.ErrClosed) {
		b.Error(err)
	}
}
