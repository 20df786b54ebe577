package worker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// The components that the worker processes of these tests host.
var (
	counterType = situ.NewType("counter")
	add         = situ.NewMethod[int, int](counterType, "add")
	get         = situ.NewMethod[situ.None, int](counterType, "get", situ.ReadOnly)
	put         = situ.NewMethod[string, int](counterType, "put")
	crash       = situ.NewMethod[int, int](counterType, "crash", situ.Retries(situ.RetryPolicy(3, 10*time.Millisecond, 10*time.Millisecond)))
	killMe      = situ.NewMethod[string, int](counterType, "killme")
	block       = situ.NewMethod[string, int](counterType, "block")
	fanout      = situ.NewMethod[int, int](counterType, "fanout")
	hoard       = situ.NewMethod[int, int](counterType, "hoard")
	boom        = situ.NewMethod[int, int](counterType, "boom", situ.Retries(situ.RetryPolicy(2, time.Millisecond, time.Millisecond)))
	whoami      = situ.NewFunc[situ.None, who]("whoami")
	speak       = situ.NewFunc[string, situ.None]("speak")
	spread      = situ.NewFunc[int, int]("spread")
	refuse      = situ.NewFunc[int, int]("refuse")
	burst       = situ.NewFunc[int, int]("burst", situ.Retries(situ.RetryPolicy(2, time.Millisecond, time.Millisecond)))
	quit        = situ.NewFunc[int, int]("quit", situ.Retries(situ.RetryPolicy(2, time.Millisecond, time.Millisecond)))
	hang        = situ.NewFunc[int, int]("hang", situ.Timeout(100*time.Millisecond), situ.Retries(situ.RetryPolicy(1, 0, 0)))
	await       = situ.NewFunc[string, int]("await")
	linger      = situ.NewMethod[int, string](counterType, "linger")
)

type who struct {
	PID     int    `json:"pid"`
	Program string `json:"program"`
}

type counter struct {
	N    int                   `json:"n"`
	Tags situ.Map[string, int] `json:"tags"`
	Big  []byte                `json:"big"`
}

func components() []situ.Component {
	return []situ.Component{
		situ.Object(counterType,
			situ.On(add, func(c *counter, _ *situ.Turn, n int) (int, error) { c.N += n; return c.N, nil }),
			situ.On(get, func(c *counter, _ *situ.Turn, _ situ.None) (int, error) { return c.N, nil }),
			situ.On(put, func(c *counter, _ *situ.Turn, tag string) (int, error) {
				n, _ := c.Tags.Get(tag)
				c.Tags.Set(tag, n+1)
				return c.Tags.Len(), nil
			}),
			situ.On(crash, func(*counter, *situ.Turn, int) (int, error) { os.Exit(7); return 0, nil }),
			situ.On(killMe, func(c *counter, t *situ.Turn, mark string) (int, error) {
				// The first run marks that it has begun, and waits for its end.
				if f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
					_ = f.Close()
					<-t.Done()
				}
				c.N++
				return c.N, nil
			}),
			situ.On(linger, func(c *counter, t *situ.Turn, n int) (string, error) {
				<-t.Done()
				c.N += n
				return t.Err().Error(), nil
			}),
			situ.On(block, func(c *counter, t *situ.Turn, gate string) (int, error) {
				f, err := os.Open(gate) // a named pipe: until somebody opens it to write
				if err != nil {
					return 0, err
				}
				c.N++
				return c.N, f.Close()
			}),
			situ.On(fanout, func(_ *counter, t *situ.Turn, n int) (int, error) {
				for i := range n {
					situ.Send(t, add.To("f"+strconv.Itoa(i), 1))
				}
				return n, nil
			}),
			situ.On(frail, func(c *counter, t *situ.Turn, in frailty) (int, error) { c.N += 100; return weaken(in, t.Done()), nil }),
			situ.On(hoard, func(c *counter, _ *situ.Turn, n int) (int, error) { c.Big = make([]byte, n); c.N++; return c.N, nil }),
			situ.On(boom, func(c *counter, _ *situ.Turn, n int) (int, error) { c.N = 99; panic("boom") }),
		),
		situ.Function(frailFunc, func(t *situ.Turn, in frailty) (int, error) { return weaken(in, t.Done()), nil }),
		situ.Function(whoami, func(*situ.Turn, situ.None) (who, error) {
			return who{os.Getpid(), os.Getenv("TEST_PROGRAM")}, nil
		}),
		situ.Function(spread, func(t *situ.Turn, n int) (int, error) {
			for i := range n {
				situ.Send(t, add.To("s"+strconv.Itoa(i), 1))
			}
			return situ.Tail(t, add.To("tail", n))
		}),
		situ.Function(refuse, func(*situ.Turn, int) (int, error) { return 0, situ.Errorf("no", "it is refused") }),
		situ.Function(burst, func(*situ.Turn, int) (int, error) { panic("burst") }),
		situ.Function(quit, func(*situ.Turn, int) (int, error) { os.Exit(7); return 0, nil }),
		situ.Function(hang, func(*situ.Turn, int) (int, error) { select {} }),
		situ.Function(await, func(_ *situ.Turn, gate string) (int, error) {
			f, err := os.Open(gate) // a named pipe: until somebody opens it to write
			if err != nil {
				return 0, err
			}
			if _, err := io.Copy(io.Discard, f); err != nil { // and closes it
				return 0, err
			}
			return 1, f.Close()
		}),
		situ.Function(speak, func(t *situ.Turn, text string) (situ.None, error) {
			t.Log().Info(text, "n", 1)
			fmt.Println("plain", text)
			return situ.None{}, nil
		}),
	}
}

// TestMain makes the test binary the program that the tests host, too.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_PROGRAM") {
	case "":
	case "liar":
		lie(os.Getenv("TEST_LIE"))
	case "deaf":
		time.Sleep(time.Hour) // it is killed
	case "quits":
		fmt.Fprintln(os.Stderr, "no database")
		os.Exit(3)
	case "orphan":
		orphanage()
	case "poison":
		poisonedMain()
	default:
		situ.Main(components()...)
	}
	os.Exit(m.Run())
}

// platform is a node with a pool, running.
type platform struct {
	t    *testing.T
	dir  string
	node *node.Node
	pool *worker.Pool
	log  *logs
	out  *logs
	stop func()
}

// self is a program that is this test binary, as the program of that name:
// a script, so that it can be replaced by another.
func self(t *testing.T, name string, env ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexport TEST_PROGRAM=" + name + "\n"
	for _, kv := range env {
		script += "export " + kv + "\n"
	}
	path := filepath.Join(t.TempDir(), name)
	syscall.ForkLock.RLock() // a process that is forked meanwhile would hold it open for writing, and nobody could start it
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(script+"exec "+exe+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// open starts a node and a pool without a program.
func open(t *testing.T, cfg worker.Config) *platform {
	t.Helper()
	return openIn(t, t.TempDir(), cfg)
}

func openIn(t *testing.T, dir string, cfg worker.Config) *platform {
	t.Helper()
	return openShards(t, dir, cfg, 4)
}

func openShards(t *testing.T, dir string, cfg worker.Config, shards int) *platform {
	t.Helper()
	p := &platform{t: t, dir: dir, log: newLogs(), out: newLogs()}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(p.log, t.Output()), &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	p.node, err = node.Open(node.Config{Dir: p.dir, Store: store.Options{Shards: shards}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dir, cfg.Log, cfg.Output = p.dir, log, p.out
	cfg.Env = append(cfg.Env, "GORACE=atexit_sleep_ms=0") // or each death takes a second under the race detector
	if p.pool, err = worker.New(p.node.Program(node.Main), cfg); err != nil {
		t.Fatal(err)
	}
	nodeCtx, stopNode := context.WithCancel(context.Background())
	poolCtx, stopPool := context.WithCancel(context.Background())
	var nodeGroup, poolGroup sync.WaitGroup
	nodeGroup.Go(func() {
		if err := p.node.Run(nodeCtx); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	poolGroup.Go(func() { p.pool.Run(poolCtx) })
	p.stop = sync.OnceFunc(func() {
		stopNode()
		nodeGroup.Wait()
		stopPool()
		poolGroup.Wait()
	})
	t.Cleanup(p.stop)
	return p
}

// load makes a program the worker.
func (p *platform) load(path string) {
	p.t.Helper()
	if err := p.pool.Replace(p.t.Context(), path); err != nil {
		p.t.Fatal(err)
	}
}

// call calls a method of counter/key, and fails the test on a refusal.
func (p *platform) call(key, method, in string) *wire.Response {
	p.t.Helper()
	resp, err := p.try(wire.Address{Type: "counter", Key: key, Method: method}, in)
	if err != nil {
		p.t.Fatalf("%s.%s: %v", key, method, err)
	}
	return resp
}

func (p *platform) try(to wire.Address, in string) (*wire.Response, error) {
	ctx, stop := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer stop()
	return p.node.Invoke(ctx, &wire.Request{To: to, Body: wire.Payload{Format: wire.JSON, Data: []byte(in)}, Want: wire.JSON})
}

// want calls and compares the answer.
func (p *platform) want(key, method, in, want string) {
	p.t.Helper()
	resp := p.call(key, method, in)
	if got := string(resp.Body.Data); resp.Fail != nil || got != want {
		p.t.Errorf("%s.%s(%s): got %s, %v; want %s", key, method, in, got, resp.Fail, want)
	}
}

func (p *platform) who() string {
	p.t.Helper()
	resp, err := p.try(wire.Address{Method: "whoami"}, `{}`)
	if err != nil || resp.Fail != nil {
		p.t.Fatal(err, resp)
	}
	return string(resp.Body.Data)
}

// logs collects what is written, and lets tests wait for it.
type logs struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{}
}

func newLogs() *logs { return &logs{changed: make(chan struct{})} }

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(b), nil
}

func (l *logs) state() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text), l.changed
}

// until waits until ok of the text.
func (l *logs) until(t *testing.T, ok func(string) bool) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		text, changed := l.state()
		if ok(text) {
			return text
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("it was never said in:\n%s", text)
		}
	}
}

// byHand runs the components in this process, attached as if by hand. The
// number of shards comes on ready; done returns when it has ended.
func (p *platform) byHand() (ready <-chan int, detach func(), done func() error) {
	p.t.Helper()
	s, err := situ.Assemble(components()...)
	if err != nil {
		p.t.Fatal(err)
	}
	addr, err := guest.Find(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, detach := context.WithCancel(context.Background())
	taken, ended := make(chan int, 1), make(chan error, 1)
	go func() {
		ended <- guest.Serve(ctx, guest.Config{Addr: addr, Set: s, Log: slog.New(slog.DiscardHandler), Ready: func(n int) { taken <- n }})
	}()
	done = sync.OnceValue(func() error { return <-ended })
	p.t.Cleanup(func() { detach(); _ = done() })
	return taken, detach, done
}
