package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
	"github.com/situ-dev/situ/internal/workproto"
)

// lies are ways to answer a frame wrongly: each makes bytes of an honest
// report, or something else. What the engine says about it is beside.
var lies = map[string]struct {
	says string
	make func(f *turn.Frame, rep *turn.Report) []byte
}{
	"wrong index": {"is for task 17", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Results[0].Index = 17
		return encode(rep)
	}},
	"unknown frame": {"which is not expected", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Frame += 5
		return encode(rep)
	}},
	"double answer": {"which is not expected", func(_ *turn.Frame, rep *turn.Report) []byte {
		return append(encode(rep), encode(rep)...)
	}},
	"too many results": {"more than it has tasks", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Results = append(rep.Results, rep.Results...)
		return encode(rep)
	}},
	"unknown outcome": {"outcome 77", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Results[0].Outcome = 77
		return encode(rep)
	}},
	"late": {"which is not expected", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Late = true
		return encode(rep)
	}},
	"late twice": {"which is not expected", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Results[0] = turn.Result{Outcome: turn.Detached}
		late := &turn.Report{Frame: rep.Frame, Late: true, Results: []turn.Result{{Outcome: turn.Panicked, Fail: &wire.Failure{}}}}
		return append(append(encode(rep), encode(late)...), encode(late)...)
	}},
	"other object": {"a change of slot 99", func(_ *turn.Frame, rep *turn.Report) []byte {
		rep.Changes = append(rep.Changes, turn.Change{Slot: 99, Root: []byte{0xa0}})
		return encode(rep)
	}},
	"change by a failed turn": {"which no turn of the report may change", func(f *turn.Frame, rep *turn.Report) []byte {
		rep.Results[0] = turn.Result{Outcome: turn.Panicked, Fail: &wire.Failure{}}
		rep.Changes = append(rep.Changes, turn.Change{Slot: f.Tasks[0].Slot, Root: []byte{0xa0}})
		return encode(rep)
	}},
	"callback to nowhere": {"a callback to shard 9999", func(f *turn.Frame, rep *turn.Report) []byte {
		rep.Results[0].Outcome = turn.Done
		rep.Results[0].Sends = []*wire.Envelope{{Kind: wire.Reply, Back: &wire.Callback{Kind: wire.ToInvocation, Shard: 9999}}}
		return encode(rep)
	}},
	"bad address": {"the key is empty", func(f *turn.Frame, rep *turn.Report) []byte {
		rep.Results[0].Outcome = turn.Done
		rep.Results[0].Sends = []*wire.Envelope{{Kind: wire.Call, To: wire.Address{Type: "counter", Method: "add"}}}
		return encode(rep)
	}},
	"huge": {"at most", func(*turn.Frame, *turn.Report) []byte { return []byte{0xff, 0xff, 0xff, 0xff, 9} }},
	"garbage": {"a message of", func(*turn.Frame, *turn.Report) []byte {
		return []byte(strings.Repeat("\x08\x00\x00\x00\xeegarbage", 100))
	}},
	"garbled": {"cut short", func(_ *turn.Frame, rep *turn.Report) []byte {
		b := encode(rep)
		return workproto.End(b[:len(b)-1], 0)
	}},
	"closes": {"it closed a connection", nil},
}

func encode(rep *turn.Report) []byte {
	b, _ := workproto.AppendReport(nil, rep, workproto.MaxFrame)
	return b
}

// A worker that says what it must not is killed, and another takes its place,
// and nobody notices.
func TestLiar(t *testing.T) {
	for name, l := range lies {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			p := open(t, worker.Config{Backoff: time.Millisecond})
			p.load(self(t, "liar", fmt.Sprintf("TEST_LIE='%s'", name), "TEST_MARK="+filepath.Join(t.TempDir(), "mark")))
			p.want("a", "add", "1", "1")
			p.log.until(t, func(s string) bool { return strings.Contains(s, "it is started again") && strings.Contains(s, l.says) })
			p.want("a", "add", "1", "2")
			if st := p.pool.Status(); st.Restarts != 1 || st.State != worker.Running {
				t.Errorf("%v", st)
			}
		})
	}
}

// lie is a worker that lies on its first frame; in its next life it is honest.
func lie(name string) {
	f, err := os.OpenFile(os.Getenv("TEST_MARK"), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		situ.Main(components()...)
	}
	_ = f.Close()
	set, err := situ.Assemble(components()...)
	must(err)
	manifest, err := json.Marshal(set.Manifest())
	must(err)
	dial := func() *workproto.Conn {
		c, err := net.Dial("unix", os.Getenv(guest.EnvSocket))
		must(err)
		return workproto.NewConn(c)
	}
	control := dial()
	must(control.Send(&workproto.Hello{Version: workproto.Version, Token: os.Getenv(guest.EnvToken), Manifest: manifest}))
	m, err := control.Receive()
	must(err)
	w := m.(*workproto.Welcome)
	for i := range w.Shards + w.Lanes {
		c := dial()
		must(c.Send(&workproto.Attach{Token: w.Token, Shard: wire.ShardID(i)}))
		go lieOn(c, name)
	}
	for {
		if _, err := control.Receive(); err != nil {
			break
		}
	}
	time.Sleep(time.Hour) // until it is killed
}

func lieOn(c *workproto.Conn, name string) {
	for {
		_, body, err := c.Next()
		if err != nil {
			return
		}
		f := &turn.Frame{}
		if _, err := workproto.DecodeTasks(f, body); err != nil {
			return
		}
		rep := &turn.Report{Frame: f.Seq}
		for i := range f.Tasks {
			rep.Results = append(rep.Results, turn.Result{Index: i, Outcome: turn.Panicked, Fail: &wire.Failure{Message: "the liar's"}})
		}
		lie := lies[name].make
		if lie == nil {
			_ = c.Close()
			return
		}
		_, _ = c.Write(lie(f, rep))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A worker does not outlive the engine.
func TestOrphan(t *testing.T) {
	exe, err := os.Executable()
	must(err)
	engine := exec.Command(exe)
	engine.Env = append(os.Environ(), "TEST_PROGRAM=orphan", "TEST_DIR="+t.TempDir(), "TEST_CHILD="+self(t, "one"))
	out, err := engine.StdoutPipe()
	must(err)
	must(engine.Start())
	var line bytes.Buffer
	_, err = io.CopyN(&line, out, 8)
	must(err)
	pid, err := strconv.Atoi(strings.TrimSpace(line.String()))
	must(err)
	must(engine.Process.Kill())
	_ = engine.Wait()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); ; <-tick.C {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the worker lives on: %s", stat)
		}
	}
}

// orphanage is an engine that prints its worker's number and waits to be
// killed.
func orphanage() {
	n, err := node.Open(node.Config{Dir: os.Getenv("TEST_DIR")})
	must(err)
	p, err := worker.New(n.Program(node.Main), worker.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	must(err)
	go func() { _ = n.Run(context.Background()) }()
	go p.Run(context.Background())
	must(p.Replace(context.Background(), os.Getenv("TEST_CHILD")))
	for p.Status().PID == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("%8d", p.Status().PID)
	time.Sleep(time.Hour)
}
