package host

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// shard is the least that can drive a runner: mailboxes, and what each object
// has committed.
type shard struct {
	*rig
	rand   *rand.Rand
	sent   wire.Seq
	objs   []*object
	frames map[uint64][]flying
	flying bool
	left   int // messages to be made
}

type object struct {
	slot     turn.Slot
	key      string
	box      turn.Mailbox
	resident bool
	detached int
	state    []byte
	sum      int      // of what was answered to add: what the state must be
	last     wire.Seq // of what was done with
}

type flying struct {
	o    *object
	env  *wire.Envelope
	open bool // its result is still to come
}

// TestRunnerModel lets random frames run, with handlers that are slow, fail,
// panic, stick, lose their instance and make too large a state, and checks
// that every message is done with once and in order, and that the state is
// what the answers say.
func TestRunnerModel(t *testing.T) {
	s := seed.New(t)
	for round := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(s, round)), 600, "11ms") })
	}
}

// TestRunnerModelRealTime does so with a clock that does not wait, for races.
func TestRunnerModelRealTime(t *testing.T) {
	runModel(t, rand.New(rand.NewPCG(seed.New(t), 99)), 3000, "300us")
}

func runModel(t *testing.T, rnd *rand.Rand, messages int, slow string) {
	d, err := time.ParseDuration(slow)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, gate: make(chan struct{})}
	r.r = NewRunner(r.set(), Config{MaxState: 100, Patience: d / 6, Slice: d / 2, Timeout: 3 * d, Grace: d})
	defer r.close()
	s := &shard{rig: r, rand: rnd, frames: map[uint64][]flying{}, left: messages}
	for i := range 6 {
		s.objs = append(s.objs, &object{slot: turn.Slot(i + 1), key: string(rune('a' + i))})
	}
	for !t.Failed() {
		s.arrive(slow)
		if !s.flying {
			s.submit()
		}
		if len(s.frames) == 0 {
			if s.left == 0 {
				break
			}
			continue
		}
		s.apply(<-s.r.Reports())
	}
	for _, o := range s.objs {
		if o.box.Len() > 0 || string(o.state) != fmt.Sprint(o.sum) && o.sum != 0 {
			t.Errorf("%s: %d messages are left, the state is %s, want %d", o.key, o.box.Len(), o.state, o.sum)
		}
	}
}

// arrive puts a few messages into mailboxes.
func (s *shard) arrive(slow string) {
	for range min(s.rand.IntN(12), s.left) {
		s.left--
		s.sent++
		env := &wire.Envelope{Kind: wire.Call, Seq: s.sent}
		o := s.objs[min(s.rand.IntN(len(s.objs)), s.rand.IntN(len(s.objs)))]
		env.To = wire.Address{Type: "cell", Key: o.key, Method: "add"}
		arg := fmt.Sprint(1 + s.rand.IntN(9))
		switch s.rand.IntN(24) {
		case 0:
			env.To.Method, arg = "sleep", slow
		case 1:
			env.To.Method, arg = "panic", "oh"
		case 2:
			env.To.Method, arg = "fail", "no"
		case 3:
			env.To.Method = "lose"
		case 4:
			env.To.Method, arg = "grow", "101"
		case 5:
			env.To.Method = "nosuch"
		case 6:
			if s.rand.IntN(4) == 0 {
				env.To.Method = "stick"
			}
		case 7:
			if s.rand.IntN(4) == 0 {
				env.To.Method = "wait"
			}
		}
		env.Body.Data = []byte(arg)
		o.box.Put(env)
	}
}

// submit composes a frame of what is ready.
func (s *shard) submit() {
	f := &turn.Frame{Seq: s.nextSeq()}
	var fl []flying
	for _, i := range s.rand.Perm(len(s.objs)) {
		o := s.objs[i]
		env := o.box.Queue()
		n, solo := o.box.Take(0, 1+s.rand.IntN(8))
		for ; n > 0; n, env = n-1, env.Next {
			task := turn.Task{Slot: o.slot, Env: env, Solo: solo}
			if !o.resident {
				o.resident = true
				task.Load = &turn.State{Root: o.state}
			}
			f.Tasks = append(f.Tasks, task)
			fl = append(fl, flying{o: o, env: env})
		}
	}
	if len(fl) > 0 {
		s.flying = true
		s.frames[f.Seq] = fl
		s.r.Submit(f)
	}
}

// apply takes a report, as the shard does.
func (s *shard) apply(rep *turn.Report) {
	fl := s.frames[rep.Frame]
	if fl == nil || !rep.Late && !s.flying {
		s.t.Fatalf("a report that nobody waits for: %s", text(rep))
	}
	s.flying = s.flying && rep.Late
	for _, c := range rep.Changes {
		s.objs[c.Slot-1].state = c.Root
	}
	for _, res := range rep.Results {
		f := &fl[res.Index]
		s.result(f.o, f.env, &res, rep.Late)
		f.open = res.Outcome == turn.Detached
	}
	open := false
	for _, res := range rep.Results {
		if o := fl[res.Index].o; o.detached == 0 && o.box.Running() {
			o.box.Return(0)
		}
	}
	for _, f := range fl {
		open = open || f.open
	}
	if !open {
		delete(s.frames, rep.Frame)
	}
}

func (s *shard) result(o *object, env *wire.Envelope, res *turn.Result, late bool) {
	if late {
		o.detached--
	}
	if o.detached < 0 {
		s.t.Fatalf("%v: a late result of what was not detached", env.To)
	}
	o.resident = o.resident && !res.Unloaded
	switch res.Outcome {
	case turn.Detached:
		o.detached++
	case turn.Redo:
		o.box.ReturnSolo()
	case turn.Panicked:
		env.Attempt++
		if env.Attempt < 3 {
			o.box.Return(0)
			return
		}
		s.done(o, env)
	case turn.Done:
		if res.Fail == nil && env.To.Method != "grow" && env.To.Method != "lose" {
			switch env.To.Method {
			case "add":
				o.sum += s.number(string(env.Body.Data))
			default:
				o.sum++
			}
			if string(res.Answer.Data) != fmt.Sprint(o.sum) {
				s.t.Errorf("%v %d answered %s, want %d", env.To, env.Seq, res.Answer.Data, o.sum)
			}
		}
		s.done(o, env)
	}
}

// done checks that results come in order.
func (s *shard) done(o *object, env *wire.Envelope) {
	var first *wire.Envelope
	for e := range o.box.All() {
		first = e
		break
	}
	if first != env || !o.box.Running() || env.Seq <= o.last {
		s.t.Fatalf("%v %d has a result out of order", env.To, env.Seq)
	}
	o.last = env.Seq
	o.box.Finish()
}
