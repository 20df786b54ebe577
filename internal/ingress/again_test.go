package ingress

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/wire"
)

// noting remembers what it is asked.
type noting struct {
	*instantEngine
	mu    sync.Mutex
	asked []wire.Request
}

// take returns what was asked since the last time.
func (e *noting) take() []wire.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked := e.asked
	e.asked = nil
	return asked
}

func (e *noting) Begin(r *wire.Request, _ func(*wire.Response, error)) (*wire.Response, func(), error) {
	q := *r
	q.Body.Data = append([]byte(nil), q.Body.Data...)
	e.mu.Lock()
	e.asked = append(e.asked, q)
	e.mu.Unlock()
	resp := e.resp
	resp.ID = "0000-x"
	return &resp, nil, nil
}

// A request with the head of the one before it means what it meant alone, for
// whatever a head may say.
func TestSameHeadMeansTheSame(t *testing.T) {
	e := &noting{instantEngine: newInstant()}
	s := Server(New(Platform{Engine: e}, Config{Local: true}), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	defer func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, h1.ErrClosed) {
			t.Error(err)
		}
	}()
	const path = "/v1/objects/counter/k/add"
	for _, fields := range []string{"", "Content-Type: application/json\r\n", "Accept: application/cbor\r\n", "Accept: text/html\r\n",
		"Prefer: respond-async\r\n", "Prefer: wait=0\r\n", "Idempotency-Key: k1\r\n", "Situ-Delay: 90s\r\n", "Situ-Delay: soon\r\n",
		"Situ-Within: 30s\r\n", "Situ-Within: -1s\r\n", "Situ-Retry: 3\r\n", "Situ-Priority: low\r\n", "Situ-Callback-Url: https://a.example/x\r\nPrefer: respond-async\r\n",
		"Origin: http://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\n", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
		"Content-Type: text/plain\r\n"} {
		inputs := []string{`{"by":1}`, `{"by":2}`, `{"bx":3}`, `{"by":4}`}
		alone := answers(t, ln.Addr(), path, fields, inputs, false)
		first := e.take()
		together := answers(t, ln.Addr(), path, fields, inputs, true)
		second := e.take()
		if !reflect.DeepEqual(alone, together) {
			t.Errorf("%q: alone %q, in a row %q", fields, alone, together)
		}
		if len(first) != len(second) {
			t.Fatalf("%q: asked %d times alone, and %d in a row", fields, len(first), len(second))
		}
		for i := range second {
			compareRequests(t, fields, first[i], second[i])
		}
	}
}

// compareRequests compares what was asked alone with what was asked in a row.
func compareRequests(t *testing.T, fields string, a, r wire.Request) {
	t.Helper()
	if (a.Due == 0) != (r.Due == 0) {
		t.Errorf("%q: due %d alone, %d in a row", fields, a.Due, r.Due)
	}
	a.Due, r.Due = 0, 0
	if !strings.Contains(fields, "traceparent") {
		if recorded := a.Key != "" || a.Async; recorded == (a.Trace == "") || recorded && a.Trace == r.Trace {
			t.Errorf("%q: traces %q and %q", fields, a.Trace, r.Trace)
		}
		a.Trace, r.Trace = "", ""
	}
	if !reflect.DeepEqual(a, r) {
		t.Errorf("%q: alone it asks\n%+v, in a row\n%+v", fields, a, r)
	}
}

// answers sends a request for each input, all over one connection or each over
// one of its own, and returns the statuses and bodies of the answers.
func answers(t *testing.T, addr net.Addr, path, fields string, inputs []string, together bool) (all []string) {
	t.Helper()
	var c net.Conn
	var r *bufio.Reader
	for _, in := range inputs {
		if c == nil || !together {
			var err error
			if c, err = net.Dial("tcp", addr.String()); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			r = bufio.NewReader(c)
		}
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", path, fields, len(in), in); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, resp.Status+" "+resp.Header.Get("Content-Type")+" "+string(b))
	}
	return all
}

// A plan is for one program: when that is replaced, the head is read anew.
func TestSameHeadOfAnotherProgram(t *testing.T) {
	e := &noting{instantEngine: newInstant()}
	h := New(Platform{Engine: e}, Config{})
	x := &exchange{h: h}
	cat := h.catalogue()
	op, err := cat.method("counter", "add")
	if err != nil {
		t.Fatal(err)
	}
	x.head, x.plan = &h1.Head{Again: true}, plan{cat: cat, to: op.to, op: op}
	if !x.planned() {
		t.Error("the same program: the plan does not hold")
	}
	e.manifest = &host.Manifest{}
	if x.planned() {
		t.Error("another program: the plan holds")
	}
}
