package simtest

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// op is one operation of a client. With a key it asks again until it has the
// answer. Without one it asks once, and when its connection breaks nobody
// knows what became of it.
type op struct {
	id     int
	method string
	to     wire.Address
	body   string
	arg    string // of a write: what is written
	old    string // of a compare and swap
	key    string
	async  bool
	due    wire.Time
	shard  int

	status  status
	asks    int
	again   int // the step after which it asks again
	waiter  *core.Waiter
	inv     wire.InvocationID
	answer  string
	fail    *wire.Failure
	recheck bool // it was answered, and asks again: the answer must be the same
	call    int
	ret     int
}

type status int

const (
	planned  status = iota // to be asked, or asked again
	waiting                // for an answer
	answered               // with answer or fail
	accepted               // async: it is durable, and its answer is to come
	unknown                // without a key, and its connection broke
	refused                // without a key, and nothing was done
)

func (s status) String() string {
	return [...]string{"planned", "waiting", "answered", "accepted", "unknown", "refused"}[s]
}

func (o *op) String() string {
	return fmt.Sprintf("op %d %s(%s) key %q: %v %q %v", o.id, o.to, o.body, o.key, o.status, o.answer, o.fail)
}

// ended reports whether the client is through with it.
func (o *op) ended() bool { return o.status >= answered && !o.recheck }

// did reports whether the operation must have had its effect.
func (o *op) did() bool { return o.status == accepted || o.status == answered && o.fail == nil }

// ask sends the request to its shard, if that is up.
func (w *world) ask(o *op) bool {
	s := w.shards[o.shard]
	if s.core == nil {
		return false
	}
	if o.asks == 0 {
		o.call = w.steps
	}
	o.asks++
	n, told := o.asks, false
	o.status = waiting
	o.waiter = &core.Waiter{}
	o.waiter.Done = func(resp *wire.Response, err error) {
		if told {
			w.fail("%v was told twice", o)
		}
		if told = true; o.asks == n && o.status == waiting {
			w.told(o, resp, err)
		}
	}
	if admin[o.method] {
		s.post(&operation{o, o.waiter})
		return true
	}
	r := &wire.Request{To: o.to, Body: text(o.body), Want: wire.CBOR, Key: o.key, Async: o.async, Due: o.due}
	s.post(&request{r, o.waiter})
	return true
}

// told takes the answer of a shard.
func (w *world) told(o *op, resp *wire.Response, err error) {
	kind := fault.KindOf(err)
	w.log("told", o.shard, "op", o.id, "error:", err != nil, kind.String())
	o.waiter = nil
	if err != nil {
		w.seen("told: " + kind.String())
		switch {
		case kind == fault.NotFound && admin[o.method]:
			o.status, o.answer, o.ret = answered, "none", w.steps
		case kind != fault.Busy && kind != fault.Conflict:
			w.fail("%v was told %v", o, err)
		case o.key == "":
			o.status = refused
		default:
			o.status, o.again = planned, w.steps+w.rand.IntN(60)
		}
		return
	}
	if !o.recheck {
		o.ret = w.steps
	}
	if admin[o.method] {
		if o.status = answered; o.method == "await" {
			w.awaited(o)
		}
		return
	}
	o.inv = resp.ID
	if !resp.Done {
		if o.status = accepted; !o.async {
			w.fail("%v: the answer is to come, though the call waits for it", o)
		}
		return
	}
	got, version, _ := strings.Cut(string(resp.Body.Data), "@")
	if n, _ := strconv.Atoi(version); n > w.durable(o) && o.method != "loose" {
		w.fail("%v was told of version %d, durable is %d", o, n, w.durable(o))
	}
	if o.recheck {
		o.recheck = false
		if !resp.Again || got != o.answer || (resp.Fail == nil) != (o.fail == nil) {
			w.fail("%v was asked again and answered %q %v, again: %v", o, got, resp.Fail, resp.Again)
		}
	}
	if resp.Again {
		w.seen("the same answer again")
	}
	o.status, o.answer, o.fail = answered, got, resp.Fail
}

// durable returns the version of the operation's object that is on disk, or
// one that no answer exceeds where that cannot be known.
func (w *world) durable(o *op) int {
	if o.to.Function() || o.to.Key[0] == 'r' { // registers are cleared
		return math.MaxInt
	}
	b, ok, err := w.disk.shard(o.shard).Get(store.Objects, rows.ObjectKey(o.to.Object()))
	if err != nil || !ok {
		return 0
	}
	row, err := rows.DecodeObject(b)
	if err != nil {
		w.fail("%v: %v", o.to, err)
	}
	_, after, _ := strings.Cut(string(row.Root), "\nver=")
	n, _, _ := strings.Cut(after, "\n")
	v, _ := strconv.Atoi(n)
	return v
}

// hangUp breaks the connections to a shard that went down.
func (w *world) hangUp(s *shard) {
	for _, o := range w.ops {
		if o.status == waiting && o.shard == s.id {
			w.broken(o)
		}
	}
}

func (w *world) broken(o *op) {
	o.waiter = nil
	if o.key == "" {
		o.status = unknown
		w.seen("outcome unknown")
		return
	}
	o.status, o.again = planned, w.steps+w.rand.IntN(60)
}

// leave makes a random caller hang up.
func (w *world) leave() {
	for _, i := range w.rand.Perm(len(w.ops)) {
		if o := w.ops[i]; o.status == waiting {
			w.log("leave", o.shard, o.id)
			w.seen("caller left")
			o.waiter.Leave()
			w.broken(o)
			return
		}
	}
}

// client asks one operation again, or makes new ones, now and then many.
func (w *world) client() {
	open, burst := 0, 1
	if w.chance(150) {
		burst = 2 + w.rand.IntN(10)
	}
	for _, o := range w.ops {
		if o.status == planned && o.again <= w.steps && w.chance(500) {
			w.ask(o)
			return
		}
		if !o.ended() {
			open++
		}
	}
	for ; burst > 0 && open < w.clients && len(w.ops) < w.budget; burst-- {
		w.ask(w.plan())
		open++
	}
}

// plan makes a random operation.
func (w *world) plan() *op {
	r := w.rand
	method := w.mix[r.IntN(len(w.mix))]
	o := w.newOp(method, "")
	any := func(letter string, n int) string { return fmt.Sprint(letter, r.IntN(min(n, w.spread))) }
	key := any("c", 3)
	switch method {
	case "pay", "payw":
		key = any("a", 5)
		o.body = fmt.Sprint(o.id, " ", any("a", 5), " ", 1+r.IntN(60))
	case "emit":
		key = any("e", 3)
		o.body = fmt.Sprint(o.id, " ", any("x", 2), " ", any("y", 2))
	case "await":
		if o.inv = w.anyAccepted(); o.inv == "" {
			o.method, method = "add", "add"
			break
		}
		n, _ := strconv.ParseUint(string(o.inv[:4]), 16, 16)
		o.shard = int(n)
		return o
	case "write", "cas", "read", "clear", "view", "remove":
		key = w.register(any("r", 3))
		o.arg = fmt.Sprint("v", o.id)
		o.body = o.arg
		if method == "cas" {
			o.old = w.lastWrite(key)
			o.body = o.old + " " + o.arg
		}
	case "remind":
		key = any("t", 2)
		o.body = fmt.Sprint(o.id, " ", 1+r.Int64N(1<<(10+r.IntN(22))))
	case "hold", "free":
		key = any("h", 2)
	case "relay":
		o.body = fmt.Sprint(o.id, " ", any("c", 3))
	case "pair":
		o.body = fmt.Sprint(o.id, " ", any("c", 3), " ", any("d", 3))
	}
	if method == "relay" || method == "pair" {
		o.to = wire.Address{Method: method}
		o.shard = r.IntN(len(w.shards))
	} else {
		w.aim(o, key)
	}
	if admin[method] {
		return o
	}
	if w.chance(550) {
		o.key = fmt.Sprint("key-", o.id)
	}
	if w.chance(100) {
		o.due = w.wall + wire.Time(r.Int64N(1<<(10+r.IntN(22))))
	}
	o.async = w.chance(100) && key[0] != 'r' && method != "hold"
	return o
}

// admin are the operations of those who look after objects. They are no turns.
var admin = map[string]bool{"view": true, "remove": true, "await": true, "redrive": true, "forget": true}

// operation is one of them on its way. It is done between frames, and answered
// when what it saw and did is durable, as internal/shard does it: to see that
// something is not there is to see something.
type operation struct {
	o *op
	w *core.Waiter
}

func (v *operation) do(c *core.Core) {
	if v.o.method == "await" {
		c.Await(v.o.inv, v.w)
		return
	}
	answer, err := v.look(c)
	c.AnswerLater(&core.Waiter{Done: func(resp *wire.Response, e error) {
		v.o.answer = answer
		v.w.Done(resp, cmp.Or(e, err))
	}})
}

func (v *operation) look(c *core.Core) (answer string, err error) {
	switch v.o.method {
	case "view":
		st, _, err := c.View(v.o.to.Object())
		if err != nil {
			return "", err
		}
		s, err := loadState(st)
		if err != nil {
			return "", err
		}
		return (&act{s: s}).read(), nil
	case "remove":
		return "ok", c.Remove(v.o.to.Object())
	case "redrive":
		return "ok", c.Redrive(v.o.body)
	default: // forget
		return "ok", c.ForgetDead(v.o.body)
	}
}

// anyAccepted returns a call that was accepted, "" if there is none.
func (w *world) anyAccepted() wire.InvocationID {
	for _, i := range w.rand.Perm(len(w.ops)) {
		if w.ops[i].status == accepted {
			return w.ops[i].inv
		}
	}
	return ""
}

// awaited checks that the call for which somebody waited is finished.
func (w *world) awaited(o *op) {
	w.seen("awaited")
	b, ok, err := w.disk.shard(o.shard).Get(store.Invocations, []byte(o.inv))
	if err != nil || !ok {
		w.fail("%v: the record is not there: %v", o, err)
	} else if rec, err := rows.DecodeInvocation(o.inv, b); err != nil || rec.Finished == 0 {
		w.fail("%v: it is not finished: %+v %v", o, rec, err)
	}
}

// register returns a register with that name, or a fresh one if so many of its
// operations overlap that more would take porcupine for ever.
func (w *world) register(name string) string {
	key := name
	for n := 1; ; n++ {
		open, lost := 0, 0
		for _, o := range w.ops {
			switch {
			case o.to.Key != key:
			case !o.ended():
				open++
			case o.status == unknown && o.method != "read" && o.method != "view":
				lost++
			}
		}
		if open < 4 && lost < 4 {
			return key
		}
		key = fmt.Sprint(name, "-", n)
	}
}

// newOp makes an operation that is to be asked.
func (w *world) newOp(method, key string) *op {
	o := &op{id: len(w.ops), method: method}
	o.body = fmt.Sprint(o.id)
	if key != "" {
		w.aim(o, key)
	}
	w.ops = append(w.ops, o)
	return o
}

func (w *world) aim(o *op, key string) {
	o.to = object(key, o.method)
	o.shard = int(place.Shard(o.to.Object(), len(w.shards)))
}

// lastWrite guesses what a register holds.
func (w *world) lastWrite(key string) string {
	v := "none"
	for _, o := range w.ops {
		if o.to.Key == key && (o.method == "write" || o.method == "cas") && w.chance(700) {
			v = o.arg
		}
	}
	return v
}
