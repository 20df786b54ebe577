package worker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/workproto"
)

// The object that is poisoned. A message says how, each in its own way; the
// timeout of dregs stands for the minute that a method has when it does not
// say.
var (
	victimType = situ.NewType("victim", situ.Retries(venomPolicy()))
	drink      = situ.NewMethod[venom, int](victimType, "drink")
	dregs      = situ.NewMethod[venom, int](victimType, "dregs", situ.Timeout(dregsTimeout())) // what does not return
	sip        = situ.NewMethod[int, int](victimType, "sip")
)

// venomPolicy is quick in tests; the table has the platform's own.
func venomPolicy() situ.Retry {
	if os.Getenv("TEST_POLICY") == "default" {
		return situ.Retry{}
	}
	return situ.RetryPolicy(3, 20*time.Millisecond, 20*time.Millisecond)
}

func dregsTimeout() time.Duration {
	if os.Getenv("TEST_POLICY") == "default" {
		return time.Second
	}
	return 200 * time.Millisecond
}

type victim struct {
	N    int  `json:"n"`
	Bomb bomb `json:"bomb"`
}

// bomb cannot be encoded once it is armed.
type bomb struct{ armed bool }

func (b bomb) MarshalCBOR() ([]byte, error) {
	if b.armed {
		panic("the bomb is encoded")
	}
	return []byte{0xf5}, nil
}

func (b *bomb) UnmarshalCBOR([]byte) error { return nil }

// venom is an input. One of them cannot even be decoded.
type venom struct{ kind string }

func (v venom) MarshalJSON() ([]byte, error) { return json.Marshal(v.kind) }

func (v *venom) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &v.kind); err != nil {
		return err
	}
	if v.kind == "undecodable input" {
		panic("the input is decoded")
	}
	return nil
}

func poisoned() situ.Component {
	return situ.Object(victimType,
		situ.On(sip, func(v *victim, _ *situ.Turn, n int) (int, error) { v.N += n; return v.N, nil }),
		situ.On(dregs, func(v *victim, t *situ.Turn, in venom) (int, error) { return 0, swallow(v, in.kind) }),
		situ.On(drink, func(v *victim, t *situ.Turn, in venom) (int, error) { v.N = 99; return 99, swallow(v, in.kind) }),
	)
}

var sink int

// swallow does to this process what user code may do to it.
func swallow(v *victim, kind string) error {
	switch kind {
	case "panic":
		panic("the poison works")
	case "endless loop":
		for {
			sink++
		}
	case "deadlock":
		var mu sync.Mutex
		mu.Lock()
		mu.Lock()
	case "too much memory":
		for hoard := [][]byte{}; ; {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
			sink += len(hoard)
		}
	case "exit 0":
		os.Exit(0)
	case "fatal error":
		var mu sync.Mutex
		mu.Unlock()
	case "stack overflow":
		return recurse(1)
	case "kill -9":
		must(proc.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	case "stops itself":
		must(proc.Kill(os.Getpid(), syscall.SIGSTOP))
		select {}
	case "closes the sockets":
		closeSockets()
		time.Sleep(time.Hour)
	case "leaves children":
		for _, group := range []bool{false, true} {
			cmd := exec.Command("sleep", "7200") // it holds our standard output open
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group}
			must(cmd.Start())
		}
		os.Exit(1)
	case "floods its log":
		line := strings.Repeat("all work and no play ", 10) + "\n"
		for range 20_000 {
			_, _ = os.Stderr.WriteString(line)
		}
		panic("the poison works")
	case "unencodable state":
		v.Bomb.armed = true
	}
	return nil
}

func recurse(n int) error {
	if n < 0 {
		return nil
	}
	var room [1 << 10]byte
	err := recurse(n + 1)
	sink += int(room[n%len(room)])
	return errors.Join(err)
}

// closeSockets closes what the runtime believes to be open.
func closeSockets() {
	for fd := 3; fd < 1000; fd++ {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFSOCK {
			_ = syscall.Close(fd)
		}
	}
}

// forgeries are what a poisoned worker says instead of its honest report (b,
// as bytes). All else that it says is honest.
var forgeries = map[string]func(rep *turn.Report, b []byte) []byte{
	"answers twice": func(_ *turn.Report, b []byte) []byte { return append(b[:len(b):len(b)], b...) },
	"answers for another object": func(rep *turn.Report, _ []byte) []byte {
		rep.Changes = []turn.Change{{Slot: 4711, Root: []byte{0xa0}}}
		return encode(rep)
	},
	"never answers":  func(*turn.Report, []byte) []byte { return nil },
	"half a message": func(_ *turn.Report, b []byte) []byte { return b[:len(b)/2] },
	"garbage":        func(*turn.Report, []byte) []byte { return []byte(strings.Repeat("no message at all ", 100)) },
	"endless message": func(*turn.Report, []byte) []byte {
		return []byte{0xff, 0xff, 0xff, 0xff, byte(workproto.TypeReport)}
	},
	"corrupt result": func(_ *turn.Report, b []byte) []byte {
		c := append([]byte(nil), b...)
		c[len(c)-1] ^= 0xff
		c[len(c)/2] ^= 0x55
		return workproto.End(c[:len(c)-1], 0)
	},
}

// poisonedMain is a worker with a go-between: a process that is honest but for
// the reports on poisoned frames.
func poisonedMain() {
	ln, err := net.Listen("unix", fmt.Sprintf("@situ-venom-%d", os.Getpid())) // no file: nobody is left to remove it
	must(err)
	engine := os.Getenv(guest.EnvSocket)
	must(os.Setenv(guest.EnvSocket, ln.Addr().String()))
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", engine)
			if err != nil {
				return
			}
			b := &between{guest: workproto.NewConn(in), engine: workproto.NewConn(out), marked: map[uint64]string{}}
			go b.down()
			go b.up()
		}
	}()
	situ.Main(append(components(), poisoned())...)
}

// between passes on what the two sides of a connection say.
type between struct {
	guest, engine *workproto.Conn
	mu            sync.Mutex
	marked        map[uint64]string // poisoned frames
}

func (b *between) down() {
	defer func() { _ = b.guest.Close() }()
	f := &turn.Frame{}
	for {
		t, body, err := b.engine.Next()
		if err != nil {
			return
		}
		raw := message(t, body)
		if t == workproto.TypeTasks {
			last, err := workproto.DecodeTasks(f, body)
			must(err)
			if last {
				b.mark(f)
				f = &turn.Frame{}
			}
		}
		if _, err := b.guest.Write(raw); err != nil {
			return
		}
	}
}

func (b *between) mark(f *turn.Frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, task := range f.Tasks {
		var kind string
		if task.Env.To.Method == "drink" && json.Unmarshal(task.Env.Body.Data, &kind) == nil && forgeries[kind] != nil {
			b.marked[f.Seq] = kind
		}
	}
}

func (b *between) up() {
	defer func() { _ = b.engine.Close() }()
	for {
		t, body, err := b.guest.Next()
		if err != nil {
			return
		}
		raw := message(t, body)
		if t == workproto.TypeReport {
			rep := &turn.Report{}
			if _, err := workproto.DecodeReport(rep, body); err != nil {
				panic(fmt.Sprint("an honest report: ", err))
			}
			b.mu.Lock()
			if kind := b.marked[rep.Frame]; kind != "" {
				raw = forgeries[kind](rep, raw)
			}
			b.mu.Unlock()
		}
		if _, err := b.engine.Write(raw); err != nil {
			return
		}
	}
}

func message(t workproto.Type, body []byte) []byte {
	return workproto.End(append(workproto.Begin(nil, t), body...), 0)
}
