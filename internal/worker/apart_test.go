package worker_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	engine "github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/wire"
)

// steady is an object of the platform, in the process of the engine.
type steady struct{ N int }

var (
	steadyType = situ.NewType("situ.steady")
	steadyAdd  = situ.NewMethod[int, int](steadyType, "add")
)

// unhurt calls an object of the platform all the time, until it is stopped.
type unhurt struct {
	end   chan struct{}
	group sync.WaitGroup
	worst time.Duration // that an answer took
	n     int
}

// unhurt runs a program of the platform beside the worker, and calls it. Every
// answer is to be right.
func (p *platform) unhurt() *unhurt {
	p.t.Helper()
	set, err := situ.Assemble(situ.Object(steadyType, situ.On(steadyAdd, func(o *steady, _ *situ.Turn, n int) (int, error) { o.N += n; return o.N, nil })))
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := engine.Run(p.node.Program(node.Platform), set, host.Config{}, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	u := &unhurt{end: make(chan struct{})}
	u.group.Go(func() {
		for {
			select {
			case <-u.end:
				return
			default:
			}
			began := time.Now()
			resp, err := p.try(wire.Address{Type: "situ.steady", Key: "s", Method: "add"}, "1")
			u.worst = max(u.worst, time.Since(began))
			if u.n++; err != nil || resp.Fail != nil || string(resp.Body.Data) != strconv.Itoa(u.n) {
				p.t.Errorf("call %d of the platform's object: %+v, %v", u.n, resp, err)
				return
			}
		}
	})
	p.t.Cleanup(func() {
		u.stop()
		p.stop()
		l.Close()
	})
	return u
}

func (u *unhurt) stop() {
	select {
	case <-u.end:
	default:
		close(u.end)
	}
	u.group.Wait()
}

// undelayed is how long an answer may take at most that has nothing to do with a
// worker: much less than the silence after which a worker is given up, and
// much more than it does take.
const undelayed = 5 * time.Second

// check fails the test if an answer had to wait for the worker.
func (u *unhurt) check(t *testing.T) {
	t.Helper()
	if u.stop(); u.worst > undelayed || u.n == 0 {
		t.Errorf("an object of the platform was called %d times, and took up to %v", u.n, u.worst)
	}
}
