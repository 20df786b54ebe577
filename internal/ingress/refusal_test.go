package ingress_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/wire"
)

// fullEngine has objects whose mailboxes are all full.
type fullEngine struct {
	manifest *host.Manifest
	begun    int
}

func (e *fullEngine) Begin(*wire.Request, func(*wire.Response, error)) (*wire.Response, func(), error) {
	e.begun++
	return nil, nil, errors.New("the door did not ask before")
}
func (e *fullEngine) Invocation(context.Context, wire.InvocationID, time.Duration) (*wire.Invocation, error) {
	return nil, fault.New(fault.NotFound, "", "", "none")
}
func (e *fullEngine) Manifest() *host.Manifest { return e.manifest }
func (e *fullEngine) Full(r *wire.Request) error {
	err := fault.New(fault.Busy, "call", r.To.String(), "the mailbox of the object is full: try again later")
	err.Retry = time.Second
	return err
}

// A call to an object that takes none is refused before its body is read, and
// costs little: under overload, most of what is done is to refuse.
func TestRefusalIsCheap(t *testing.T) {
	e := &fullEngine{manifest: &host.Manifest{Types: []host.TypeManifest{{Name: "counter",
		Methods: []host.MethodManifest{{Name: "add", In: json.RawMessage(`{"type":"integer"}`)}}}}}}
	s := ingress.Server(ingress.New(ingress.Platform{Engine: e}, ingress.Config{}), nil)
	body := `"` + strings.Repeat("not an integer ", 100) + `"`
	const n = 1000
	c := &lastAnswer{loop: loop{n: n, done: make(chan struct{}), req: []byte("POST /v1/objects/counter/hot/add HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n" +
		"Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(&one{c: c, gone: make(chan struct{})}) }()
	<-c.done
	runtime.ReadMemStats(&after)
	_ = s.Close()
	if err := <-ended; !errors.Is(err, h1.ErrClosed) && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	for _, want := range []string{"HTTP/1.1 429 Too Many Requests\r\n", "\r\nRetry-After: 1\r\n", "\r\nContent-Type: application/problem+json\r\n",
		`"type":"urn:situ:problem:busy"`, `"status":429`, "the mailbox of the object is full", `"instance":"/v1/objects/counter/hot/add"`} {
		if !strings.Contains(c.last, want) {
			t.Errorf("the refusal has no %q:\n%s", want, c.last)
		}
	}
	allocs, bytes := float64(after.Mallocs-before.Mallocs)/n, float64(after.TotalAlloc-before.TotalAlloc)/n
	t.Logf("%.1f allocations and %.0f bytes for a refusal", allocs, bytes)
	if e.begun > 0 || allocs > 15 || bytes > 1500 {
		t.Errorf("%d calls begun; %.1f allocations and %.0f bytes for a refusal", e.begun, allocs, bytes)
	}
}

// lastAnswer remembers what was written last.
type lastAnswer struct {
	loop
	last string
}

func (l *lastAnswer) Write(b []byte) (int, error) {
	l.last = string(b)
	return len(b), nil
}
