package core

import (
	"log/slog"

	"github.com/situ-dev/situ/internal/due"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/shard/change"
	"github.com/situ-dev/situ/internal/shard/channel"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/control"
	"github.com/situ-dev/situ/internal/shard/crowd"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/shard/mail"
	"github.com/situ-dev/situ/internal/shard/record"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/shard/table"
	"github.com/situ-dev/situ/internal/shard/timer"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what a core reads of its shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
	ScanReverse(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// object is one object that is resident or has work. Others are rows only.
type object struct {
	*work         // nil while it rests: most residents do
	typ   *string // one string for all objects of a type
	key   string
	slot  turn.Slot // 0: the host does not have it
	size  uint32    // bytes of its state
	used  wire.Time
	next  *object // in the list of idle residents, least recently used first
	prev  *object
}

// work is what there is to know of an object that does not rest.
type work struct {
	box      turn.Mailbox
	pend     *change.Change // changed since the last seal
	sealed   *change.Change // changed in the commit under way
	busy     int32          // index in core.busy, -1 if its mailbox is empty
	detached int32          // tasks that run on beside their frame
	ready    bool
	touched  bool      // by the report being applied
	ran      bool      // in that: it was not all skipped
	since    wire.Time // tick at which it became ready
	paused   wire.Time // the end of the pause it waits for
	pace     turn.Pace // of its mailbox
}

func (o *object) id() wire.ObjectID { return wire.ObjectID{Type: *o.typ, Key: o.key} }

// resting returns whether o has no work.
func (o *object) resting() bool { return o == nil || o.work == nil }

// flight is a frame that the host has, or of which tasks run on detached.
type flight struct {
	frame  turn.Frame
	tasks  []flightTask
	open   int
	trial  bool // one suspect, alone
	unsent bool // nobody got it
}

type flightTask struct {
	obj *object // nil for a function or a copy
	env *wire.Envelope
	ro  bool
}

// Core is the state machine of a shard. One goroutine drives it.
type Core struct {
	cfg  conf.Config
	id   wire.ShardID
	rows Rows
	log  *slog.Logger

	now     wire.Time // what the clock has shown at the latest
	wall    wire.Time // what it shows
	tick    wire.Time // goes on when the clock is set back: pauses are measured in it
	arrival wire.Seq  // number of the last envelope that arrived
	boot    string    // makes the names of invocations of this run different

	set     *host.Index // what the host can run; nil while there is no host
	objects table.Table[*object]
	works   []*work // for objects that get some
	slots   []*object
	free    []turn.Slot
	drops   []turn.Slot
	ready   []*object // in the order in which they became so
	busy    []*object // with a mailbox that is not empty
	idle    object    // ring of resident objects without work
	nidle   int
	bytes   int // state of idle residents

	funcs   []*wire.Envelope // functions called by message, waiting
	running map[*wire.Envelope]struct{}
	retries *due.Queue[*wire.Envelope]  // functions to be run again after a pause
	paused  map[*wire.Envelope]struct{} // the same
	readers []*wire.Envelope            // read-only calls that go around a busy object

	crowds    crowd.Crowds // of objects, those that refused a call
	crowdsNew bool         // one came since they were told

	suspects int       // messages marked wire.Suspect
	trialAt  wire.Time // when to ask for a trial again, 0 is never

	frames map[uint64]*flight
	frame  uint64    // number of the last frame
	flying bool      // the last frame has not been reported
	landed *flight   // an earlier one, to be used again
	hands  []*object // that a report touched, while it is applied

	timers   *timer.Timers
	pauses   *due.Queue[*object]
	pauseSeq wire.Seq

	in      *channel.Inbox
	out     *channel.Outbox
	records *record.Records
	dead    *dead.Letters
	ctl     *control.Control
	mail    int        // envelopes in mailboxes and queues
	held    int        // their bytes
	post    *mail.Mail // mail as rows

	batch   *batch
	flown   *batch // the commit under way
	spent   *batch // of an earlier commit, to be used again
	buf     []byte // of keys and values on their way into rows
	stats   conf.Stats
	rescues int // of the outbox, that were logged
	events  Effects
	err     error
	second  wire.Time // of the warnings counted by warned
	warned  int
}

// Effects is what a core wants done.
type Effects struct {
	Segments []Delivery
	Acks     []Ack
	Answers  []Answer
}

// Delivery is a segment on its way to a shard, and Ack the answer to it. Waiter
// is a caller outside that waits in this process.
type (
	Delivery = channel.Delivery
	Ack      = channel.Ack
	Waiter   = record.Waiter
)

// Answer is what a caller outside is told.
type Answer struct {
	To   *Waiter
	Resp *wire.Response
	Err  error
}

// New returns the core of a shard whose committed state is to be read from
// committed. Open it, then drive it:
//
//	take what arrived (TakeRequest, TakeSegment, TakeAck, TakeTime)
//	have NextFrame run, and Apply its report
//	Seal what is Wanted, commit it, and say that it is Committed
//	carry out the Effects
//
// name makes the names of this run's invocations different from other runs'.
func New(cfg conf.Config, committed Rows, name string, now wire.Time) *Core {
	cfg = cfg.WithDefaults()
	c := &Core{cfg: cfg, id: cfg.ID, rows: committed, log: cfg.Log,
		boot: name, now: now, wall: now, tick: now,
		objects: table.New[*object](), slots: make([]*object, 1),
		running: map[*wire.Envelope]struct{}{}, paused: map[*wire.Envelope]struct{}{},
		retries: due.NewQueue[*wire.Envelope](1 << 30), frames: map[uint64]*flight{},
		pauses: due.NewQueue[*object](1 << 30), timers: timer.New(cfg.TimerWindow, committed),
		in: channel.NewInbox(cfg.ID), out: channel.NewOutbox(cfg.ID, cfg.ChannelWindow, committed),
		post: mail.New(committed), records: record.New(cfg.KeepAnswers, committed), dead: dead.New(committed),
	}
	c.ctl = control.New(cfg.MaxParked, c.dead, committed)
	c.idle.next, c.idle.prev = &c.idle, &c.idle
	c.batch = &batch{}
	return c
}

// Fail stops the shard: its rows cannot be read or are wrong. Law: never serve
// past a gap.
func (c *Core) Fail(err error) {
	if c.err == nil && err != nil {
		c.err = fault.Wrap(fault.KindOf(err), "shard.run", c.id.String(), err)
	}
}

// SetProgram says what the host can run from now on.
func (c *Core) SetProgram(m *host.Manifest) { c.set = host.NewIndex(m) }

// Effects returns what is to be done now, and forgets it.
func (c *Core) Effects() Effects {
	ev := c.events
	c.events = Effects{}
	return ev
}

// Err returns what stopped the core, nil while it runs.
func (c *Core) Err() error { return c.err }

// Flying reports whether a frame has not been reported.
func (c *Core) Flying() bool { return c.flying }

// Frame returns the number of the last frame.
func (c *Core) Frame() uint64 { return c.frame }

// Running reports whether any turn is under way, detached ones included.
func (c *Core) Running() bool { return len(c.frames) > 0 }

// Committing reports whether a commit is under way.
func (c *Core) Committing() bool { return c.flown != nil }

// Full reports whether the core takes no more messages until some are done.
func (c *Core) Full() bool { return c.mail >= c.cfg.MaxQueued || c.held >= c.cfg.MaxQueuedBytes }

// object returns the object that gets work to do, making it known if needed.
func (c *Core) object(id wire.ObjectID) *object {
	o := c.objects.Get(id)
	if o == nil {
		k := c.objects.Kind(id.Type)
		o = &object{typ: &k.Name, key: id.Key}
		k.Set(id.Key, o)
	}
	if o.work == nil {
		if n := len(c.works); n > 0 {
			o.work, c.works = c.works[n-1], c.works[:n-1]
		} else {
			o.work = &work{busy: -1}
		}
	}
	return o
}

// put gives an envelope to the mailbox of its object, or to the queue of
// functions.
func (c *Core) put(env *wire.Envelope) {
	c.hold(env)
	c.sort(env)
}

// later keeps an envelope until the batch is durable.
func (c *Core) later(env *wire.Envelope) {
	c.hold(env)
	c.batch.later = append(c.batch.later, env)
}

// hold counts an envelope that is to be run.
func (c *Core) hold(env *wire.Envelope) {
	c.mail++
	c.held += envelopeSize(env)
	if mail.Unsaved(env) {
		c.post.Add(env)
	}
}

// sort brings an envelope that is held to where it waits for its turn. What is
// paused does not come so far: nothing that is let go may find a later one there.
func (c *Core) sort(env *wire.Envelope) {
	if !c.ctl.Idle() && c.stop(env) {
		return
	}
	if env.To.Function() {
		c.funcs = append(c.funcs, env)
		return
	}
	o := c.object(env.To.Object())
	if o.detached > 0 && env.Note&wire.Volatile != 0 {
		if m, _ := c.set.Method(env.To); m != nil && m.ReadOnly {
			c.readers = append(c.readers, env)
			return
		}
	}
	c.mailTo(o, env)
}

// putBack puts a read-only call that did not end beside its object among the
// object's own mail.
func (c *Core) putBack(env *wire.Envelope) { c.mailTo(c.object(env.To.Object()), env) }

func (c *Core) mailTo(o *object, env *wire.Envelope) {
	o.box.Put(env)
	if o.busy < 0 {
		c.unlink(o)
		o.busy = int32(len(c.busy))
		c.busy = append(c.busy, o)
		o.pace.Begin(c.tick)
	}
	c.wake(o)
}

// done notes that an envelope was consumed: it is neither in a mailbox nor in
// the mail table any more.
func (c *Core) done(env *wire.Envelope) {
	c.mail--
	c.held -= envelopeSize(env)
	env.Note |= wire.Gone
	c.clear(env)
	c.post.Gone(env)
	if env.Note&wire.InTimers != 0 {
		c.batch.drop(store.Timers, rows.TimerKey(env.Due, env.Seq))
	}
}

// wake puts an object with runnable mail in the ready list.
func (c *Core) wake(o *object) {
	if o.ready {
		return
	}
	if o.box.Ready(c.tick) {
		if c.cfg.Lose != nil && c.cfg.Lose(conf.Ready) {
			return
		}
		o.ready, o.since = true, c.tick
		c.ready = append(c.ready, o)
		return
	}
	if until := o.box.Until(); until > c.tick && o.paused != until && !o.box.Running() {
		o.paused = until
		c.pauseSeq++
		c.pauses.Add(due.Item[*object]{Due: until, Seq: c.pauseSeq, Value: o})
	}
}

// rest takes an object out of the busy list when its mailbox is empty.
func (c *Core) rest(o *object) {
	if o.busy < 0 || o.box.Len() > 0 {
		return
	}
	last := c.busy[len(c.busy)-1]
	c.busy[o.busy], last.busy = last, o.busy
	c.busy = c.busy[:len(c.busy)-1]
	o.busy = -1
	c.settle(o)
}

// name names a call from outside that has no key.
func (c *Core) name() wire.InvocationID {
	c.stats.Calls++
	return rows.ID(c.id, c.boot, c.stats.Calls)
}

// place returns the shard of a message's receiver. Functions run where they
// are called: they have no state to be near to.
func (c *Core) place(env *wire.Envelope) wire.ShardID {
	switch {
	case env.To == (wire.Address{}) && env.Back != nil:
		return env.Back.Shard
	case env.To.Function():
		return c.id
	}
	return place.Shard(env.To.Object(), c.cfg.Shards)
}

// warn logs, but at most ten lines a second: what goes wrong often must not
// bury the rest.
func (c *Core) warn(msg string, args ...any) {
	if now := c.now / 1e9; now != c.second {
		if c.warned > 10 {
			c.log.Warn("more warnings were left out", "count", c.warned-10)
		}
		c.second, c.warned = now, 0
	}
	if c.warned++; c.warned <= 10 {
		c.log.Warn(msg, args...)
	}
}

func envelopeSize(env *wire.Envelope) int {
	return 200 + len(env.Body.Data) + len(env.Carry.Data) + len(env.To.Key)
}

// Count returns the stats with what there is now.
func (c *Core) Count() conf.Stats {
	st := c.stats
	st.Resident = len(c.slots) - 1 - len(c.free)
	st.Queued = c.mail
	st.Waiting = c.records.Waiting()
	st.Dead = c.dead.Len()
	st.Parked = c.ctl.Pauses.Parked()
	st.Timers = c.timers.Len()
	st.Outbox = c.out.Waiting()
	st.Rescued += uint64(c.out.Rescued())
	st.Overdue = c.overdue()
	return st
}

// Abandon tells everybody who still waits that the answer is not to be had.
func (c *Core) Abandon(err error) {
	told := map[*Waiter]bool{}
	tell := func(w *Waiter) {
		if w != nil && !told[w] {
			told[w] = true
			w.Done(nil, err)
		}
	}
	for _, a := range c.events.Answers {
		told[a.To] = true
		a.To.Done(a.Resp, a.Err)
	}
	for _, b := range []*batch{c.flown, c.batch} {
		if b != nil {
			for _, a := range b.answers {
				tell(a.To)
			}
		}
	}
	c.records.Waiters(tell)
	local := func(env *wire.Envelope) {
		if w, ok := env.Local.(*Waiter); ok {
			tell(w)
		}
	}
	c.eachMail(local)
	for _, env := range c.readers {
		local(env)
	}
	for _, fl := range c.frames {
		for _, t := range fl.tasks {
			if t.env != nil {
				local(t.env)
			}
		}
	}
}
