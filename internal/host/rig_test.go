package host

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// cell is an object of the tests: a number. Its methods do what their names
// say; the message's body is their argument.
type cell struct {
	rig  *rig
	n    int
	size int // of the state, if it is not to be told from n
	bad  string
}

func (c *cell) Load(st *turn.State) (err error) {
	switch string(st.Root) {
	case "":
	case "panic":
		panic("a decoder's")
	default:
		c.n, err = strconv.Atoi(string(st.Root))
	}
	return err
}

func (c *cell) Run(t *Turn) Outcome {
	arg := string(t.Env.Body.Data)
	c.rig.note("%v %s", t.Env.To, arg)
	before := *c
	out := c.rig.act(t, arg, &c.n)
	switch t.Env.To.Method {
	case "get":
		out.Wrote = false
	case "grow":
		c.size = c.rig.number(arg)
	case "spoil":
		c.bad = arg
	case "lose": // fails, and cannot take back what it did
		return Outcome{Lost: true, Fail: &wire.Failure{Message: "lost"}}
	}
	if out.Fail != nil {
		*c = before
	}
	return out
}

func (c *cell) Changes(ch *turn.Change) error {
	switch c.bad {
	case "panic":
		panic("an encoder's")
	case "error":
		return errors.New("cannot be encoded")
	}
	ch.Root = []byte(strconv.Itoa(c.n))
	ch.Size = max(c.size, len(ch.Root))
	return nil
}

// act is what handlers of objects and functions have in common.
func (r *rig) act(t *Turn, arg string, n *int) Outcome {
	switch t.Env.To.Method {
	case "add":
		*n += r.number(arg)
	case "sleep", "brief": // a slow handler that does not look at its context
		d, err := time.ParseDuration(arg)
		if err != nil {
			r.t.Error(err)
		}
		time.Sleep(d)
		*n++
	case "wait": // one that does
		<-t.Done()
		return Outcome{Panic: true, Fail: &wire.Failure{Message: "told: " + t.Err().Error()}}
	case "stick": // one that does not return until the test lets it
		*n++
		<-r.gate
	case "fail":
		return Outcome{Fail: &wire.Failure{Message: arg}}
	case "panic":
		panic(arg)
	}
	return Outcome{Wrote: true, Answer: wire.Payload{Format: wire.JSON, Data: []byte(strconv.Itoa(*n))}}
}

// rig is a runner of cells in a bubble.
type rig struct {
	t    *testing.T
	r    *Runner
	gate chan struct{}
	seq  uint64
	once sync.Once

	mu  sync.Mutex
	log []string
}

// inBubble runs f with a runner, and checks that nothing is left of it.
func inBubble(t *testing.T, cfg Config, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, gate: make(chan struct{})}
		r.r = NewRunner(r.set(), cfg)
		f(r)
		r.close()
		time.Sleep(1000 * time.Hour) // handlers that sleep end
		// The bubble ends when all its goroutines have: a leak is a failure.
	})
}

func (r *rig) set() *Set {
	s := &Set{Types: map[string]*Type{"cell": {Name: "cell", Methods: map[string]*Method{}, New: func() Instance { return &cell{rig: r} }}},
		Functions: map[string]*Function{}}
	for _, name := range []string{"add", "get", "sleep", "brief", "wait", "stick", "fail", "panic", "grow", "spoil", "lose"} {
		m := &Method{Name: name, ReadOnly: name == "get"}
		if name == "brief" {
			m.Timeout = 100 * time.Millisecond
		}
		s.Types["cell"].Methods[name] = m
		s.Functions[name] = &Function{Method: *m, Run: func(t *Turn) Outcome {
			arg := string(t.Env.Body.Data)
			r.note("%v %s", t.Env.To, arg)
			var n int
			return r.act(t, arg, &n)
		}}
	}
	return s
}

// close lets stuck handlers go and closes the runner.
func (r *rig) close() {
	r.r.Close()
	r.open()
}

// open lets stuck handlers go.
func (r *rig) open() { r.once.Do(func() { close(r.gate) }) }

func (r *rig) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// ran returns what has run since it was asked last.
func (r *rig) ran() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.Join(r.log, ", ")
	r.log = nil
	return s
}

func (r *rig) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		r.t.Error(err)
	}
	return n
}

// send submits a frame. Each task is "who method [argument]": who is a
// function if it is "fn", a copy if it ends in '?', and else the key of a cell
// of slot 1 for a, 2 for b and so on. A '+' after the key loads an empty
// state, "+x" the state x.
func (r *rig) send(tasks ...string) {
	r.t.Helper()
	f := &turn.Frame{Seq: r.nextSeq(), Now: wire.Time(time.Now().UnixNano())}
	for _, s := range tasks {
		w := strings.Fields(s + " ")
		who, state, load := strings.Cut(w[0], "+")
		env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "cell", Key: strings.TrimSuffix(who, "?"), Method: w[1]}}
		if len(w) > 2 {
			env.Body.Data = []byte(w[2])
		}
		t := turn.Task{Env: env}
		switch {
		case who == "fn":
			env.To = wire.Address{Method: w[1]}
		case strings.HasSuffix(who, "?"):
			t.Copy, load = true, true
		default:
			t.Slot = turn.Slot(who[0]-'a') + 1
		}
		if load {
			t.Load = &turn.State{Root: []byte(state)}
		}
		f.Tasks = append(f.Tasks, t)
	}
	r.r.Submit(f)
}

func (r *rig) nextSeq() uint64 { r.seq++; return r.seq }

// want waits for the next report and compares it. A report is its results and
// changes, separated by " | ": "0 done 5" is an answer, "0 done !why" an
// error, '-' after the outcome says that the object was unloaded, "a=5" is a
// change of a's state.
func (r *rig) want(want string) {
	r.t.Helper()
	select {
	case rep := <-r.r.Reports():
		if got := text(rep); got != want {
			r.t.Errorf("report:\n got %s\nwant %s", got, want)
		}
	case <-time.After(time.Hour):
		r.t.Fatalf("no report; want %s", want)
	}
}

// nothing checks that no report comes, however long one waits.
func (r *rig) nothing() {
	r.t.Helper()
	select {
	case rep := <-r.r.Reports():
		r.t.Errorf("an unexpected report: %s", text(rep))
	case <-time.After(time.Hour):
	}
}

func text(rep *turn.Report) string {
	names := map[turn.Outcome]string{turn.Done: "done", turn.Panicked: "panicked", turn.Detached: "detached", turn.Skipped: "skipped", turn.Redo: "redo"}
	var parts []string
	for _, res := range rep.Results {
		s := fmt.Sprintf("%d %s", res.Index, names[res.Outcome])
		if res.Unloaded {
			s += "-"
		}
		if res.Fail != nil {
			s += " !" + res.Fail.Message
		} else if len(res.Answer.Data) > 0 {
			s += " " + string(res.Answer.Data)
		}
		parts = append(parts, s)
	}
	for _, c := range rep.Changes {
		parts = append(parts, fmt.Sprintf("%c=%s", 'a'+rune(c.Slot)-1, c.Root))
	}
	s := strings.Join(parts, " | ")
	if rep.Late {
		s = "late " + s
	}
	return s
}
