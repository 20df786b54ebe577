// Package witness has components that remember what was done to them, so that
// a test can tell what was lost, what was done twice and what came in the
// wrong order. They check nothing themselves.
package witness

import (
	"strings"
	"time"

	"github.com/situ-dev/situ"
)

// A counter remembers by which calls it was increased.
var (
	counters = situ.NewType("counter", situ.Doc("counts calls, and remembers which"))
	Add      = situ.NewMethod[string, int](counters, "add", situ.Doc("takes the id of a call"))
	Applied  = situ.NewMethod[situ.None, Tally](counters, "applied", situ.ReadOnly)
)

// A sender numbers its messages; receivers keep a log of what arrives.
var (
	senders   = situ.NewType("sender", situ.Doc("sends numbered messages to all receivers"))
	Burst     = situ.NewMethod[int, int](senders, "burst", situ.Doc("sends the next n messages"))
	Sent      = situ.NewMethod[situ.None, int](senders, "sent", situ.ReadOnly)
	receivers = situ.NewType("receiver")
	Receive   = situ.NewMethod[Message, situ.None](receivers, "receive")
	Received  = situ.NewMethod[situ.None, []Message](receivers, "received", situ.ReadOnly)
)

// A job is work in three turns on two objects: it adds itself to a counter,
// and answers when that has answered.
var (
	jobs     = situ.NewType("job")
	Run      = situ.NewMethod[Work, Outcome](jobs, "run")
	Finished = situ.NewMethod[situ.Reply[int, Work], Outcome](jobs, "finished")
)

// An alarm rings later, and remembers when it rang for whom.
var (
	alarms = situ.NewType("alarm")
	Set    = situ.NewMethod[Order, situ.None](alarms, "set", situ.Doc("sends ring to itself after a while"))
	Ring   = situ.NewMethod[string, situ.None](alarms, "ring")
	Rung   = situ.NewMethod[situ.None, map[string]Rings](alarms, "rung", situ.ReadOnly)
)

// A register has one value.
var (
	registers = situ.NewType("register")
	Write     = situ.NewMethod[int, int](registers, "write")
	Read      = situ.NewMethod[situ.None, int](registers, "read", situ.ReadOnly)
)

// Receivers is the number of receivers of each sender.
const Receivers = 5

// Receiver returns the key of a receiver of a sender, from 0. Senders whose
// keys are the same up to the first dash have the same receivers.
func Receiver(sender string, i int) string {
	group, _, _ := strings.Cut(sender, "-")
	return group + "-to-" + string(rune('a'+i))
}

// Tally is what a counter has.
type Tally struct {
	Count   int            `json:"count"`
	Applied map[string]int `json:"applied"` // id to how often
}

// Message is the nth message of its sender.
type Message struct {
	From string `json:"from"`
	N    int    `json:"n"`
}

// Work is the input of a job.
type Work struct {
	Counter string `json:"counter"`
	X       int    `json:"x"`
}

// Outcome is the answer of a job. Times is how often it has finished.
type Outcome struct {
	Square int `json:"square"`
	Times  int `json:"times"`
}

// Order sets an alarm.
type Order struct {
	ID    string        `json:"id"`
	After time.Duration `json:"after"`
}

// Rings says when an alarm rang first, by the clock of the machine and not by
// that of the turn, and how often.
type Rings struct {
	At    time.Time `json:"at"`
	Times int       `json:"times"`
}

// Components returns the components.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(counters, situ.On(Add, (*counter).add), situ.On(Applied, (*counter).applied)),
		situ.Object(senders, situ.On(Burst, (*sender).burst), situ.On(Sent, (*sender).sent)),
		situ.Object(receivers, situ.On(Receive, (*receiver).receive), situ.On(Received, (*receiver).received)),
		situ.Object(jobs, situ.On(Run, (*job).run), situ.On(Finished, (*job).finished)),
		situ.Object(alarms, situ.On(Set, (*alarm).set), situ.On(Ring, (*alarm).ring), situ.On(Rung, (*alarm).rung)),
		situ.Object(registers, situ.On(Write, (*register).write), situ.On(Read, (*register).read)),
	}
}

type counter struct {
	Count   int                   `json:"count"`
	Applied situ.Map[string, int] `json:"applied"`
}

func (c *counter) add(_ *situ.Turn, id string) (int, error) {
	n, _ := c.Applied.Get(id)
	c.Applied.Set(id, n+1)
	c.Count++
	return c.Count, nil
}

func (c *counter) applied(*situ.Turn, situ.None) (Tally, error) {
	t := Tally{Count: c.Count, Applied: make(map[string]int, c.Applied.Len())}
	for id, n := range c.Applied.All() {
		t.Applied[id] = n
	}
	return t, nil
}

type sender struct {
	Sent int `json:"sent"`
}

func (s *sender) burst(t *situ.Turn, n int) (int, error) {
	for range n {
		s.Sent++
		for i := range Receivers {
			situ.Send(t, Receive.To(Receiver(t.Key(), i), Message{From: t.Key(), N: s.Sent}))
		}
	}
	return s.Sent, nil
}

func (s *sender) sent(*situ.Turn, situ.None) (int, error) { return s.Sent, nil }

type receiver struct {
	Log situ.List[Message] `json:"log"`
}

func (r *receiver) receive(_ *situ.Turn, m Message) (none situ.None, err error) {
	r.Log.Append(m)
	return none, nil
}

func (r *receiver) received(*situ.Turn, situ.None) ([]Message, error) {
	log := make([]Message, r.Log.Len())
	for i := range log {
		log[i] = r.Log.At(i)
	}
	return log, nil
}

type job struct {
	Times int `json:"times"`
}

func (j *job) run(t *situ.Turn, in Work) (Outcome, error) {
	return situ.Then(t, Add.To(in.Counter, t.Key()), Finished, in)
}

func (j *job) finished(_ *situ.Turn, r situ.Reply[int, Work]) (Outcome, error) {
	if err := r.Err(); err != nil {
		return Outcome{}, err
	}
	j.Times++
	return Outcome{Square: r.Carry.X * r.Carry.X, Times: j.Times}, nil
}

type alarm struct {
	Rung situ.Map[string, Rings] `json:"rung"`
}

func (a *alarm) set(t *situ.Turn, in Order) (none situ.None, err error) {
	situ.Send(t, Ring.To(t.Key(), in.ID).After(in.After))
	return none, nil
}

func (a *alarm) ring(_ *situ.Turn, id string) (none situ.None, err error) {
	r, ok := a.Rung.Get(id)
	if !ok {
		r.At = time.Now().UTC()
	}
	r.Times++
	a.Rung.Set(id, r)
	return none, nil
}

func (a *alarm) rung(*situ.Turn, situ.None) (map[string]Rings, error) {
	all := make(map[string]Rings, a.Rung.Len())
	for id, r := range a.Rung.All() {
		all[id] = r
	}
	return all, nil
}

type register struct {
	Value int `json:"value"`
}

func (r *register) write(_ *situ.Turn, v int) (int, error) {
	r.Value = v
	return v, nil
}

func (r *register) read(*situ.Turn, situ.None) (int, error) { return r.Value, nil }
