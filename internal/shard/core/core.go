package core

import (
	"github.com/situ-dev/situ/internal/due"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/shard/account"
	"github.com/situ-dev/situ/internal/shard/channel"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/control"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/shard/mail"
	"github.com/situ-dev/situ/internal/shard/promise"
	"github.com/situ-dev/situ/internal/shard/record"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/shard/timer"
	"github.com/situ-dev/situ/internal/shard/warn"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what a core reads of its shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
	ScanReverse(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// What there is of programs and objects is data of package resident.
type (
	Program = resident.Program
	object  = resident.Object
)

// Core is the state machine of a shard. One goroutine drives it.
type Core struct {
	cfg  conf.Config
	id   wire.ShardID
	rows Rows

	now     wire.Time // what the clock has shown at the latest
	wall    wire.Time // what it shows
	tick    wire.Time // goes on when the clock is set back: pauses are measured in it
	arrival wire.Seq  // number of the last envelope that arrived
	boot    string    // makes the names of invocations of this run different

	programs []*Program
	main     *Program
	routes   resident.Routes  // who runs what
	strays   []*wire.Envelope // for what no program has, while main has no host
	timely   func(*wire.Envelope) bool

	objects resident.Table
	works   []*resident.Work // for objects that get some
	busy    []*object        // with a mailbox that is not empty
	idle    *resident.Idle

	retries *due.Queue[*wire.Envelope]  // functions to be run again after a pause
	paused  map[*wire.Envelope]struct{} // the same

	crowds    Crowds // of objects, those that refused a call
	crowdsNew bool   // one came since they were told

	frames resident.Flights
	frame  uint64    // number of the last frame
	hands  []*object // that a report touched, while it is applied

	timers   *timer.Timers
	pauses   *due.Queue[*object]
	pauseSeq wire.Seq

	in      *channel.Inbox
	out     *channel.Outbox
	records *record.Records
	dead    *dead.Letters
	ctl     *control.Control
	proms   *promise.Promises
	mail    int        // envelopes in mailboxes and queues
	held    int        // their bytes
	post    *mail.Mail // mail as rows
	account *account.Account

	batch   *batch
	flown   *batch // the commit under way
	spent   *batch // of an earlier commit, to be used again
	buf     []byte // of keys and values on their way into rows
	stats   conf.Stats
	rescues int // of the outbox, that were logged
	events  Effects
	err     error
	log     warn.Log
}

// Effects is what a core wants done.
type Effects struct {
	Segments []Delivery
	Acks     []Ack
	Answers  []Answer
	Ends     []resident.Run // whose answer nobody needs any more
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
//	have the NextFrame of each program run, and Apply its report
//	Seal what is Wanted, commit it, and say that it is Committed
//	carry out the Effects
//
// name makes the names of this run's invocations different from other runs'.
func New(cfg conf.Config, committed Rows, name string, now wire.Time) *Core {
	cfg = cfg.WithDefaults()
	c := &Core{cfg: cfg, id: cfg.ID, rows: committed, log: warn.Log{To: cfg.Log},
		boot: name, now: now, wall: now, tick: now,
		idle: resident.NewIdle(), paused: map[*wire.Envelope]struct{}{},
		retries: due.NewQueue[*wire.Envelope](1 << 30), frames: resident.Flights{},
		pauses: due.NewQueue[*object](1 << 30), timers: timer.New(cfg.TimerWindow, committed),
		in: channel.NewInbox(cfg.ID), out: channel.NewOutbox(cfg.ID, cfg.ChannelWindow, committed),
		post: mail.New(committed), records: record.New(cfg.KeepAnswers, committed), dead: dead.New(committed),
		account: account.New(cfg, name, committed, now),
	}
	c.proms = promise.New(cfg.ID, name, cfg.KeepAnswers, committed, home{c})
	c.ctl = control.New(cfg.MaxParked, c.dead, committed)
	c.batch = &batch{}
	c.main = c.Program(conf.Main)
	c.timely = func(env *wire.Envelope) bool { // a program takes what is for it when its frame is back: else that would be written
		p := c.program(env)
		return p == nil || !c.awaited(p)
	}
	return c
}

// Fail stops the shard: its rows cannot be read or are wrong. Law: never serve
// past a gap.
func (c *Core) Fail(err error) {
	if c.err == nil && err != nil {
		c.err = fault.Wrap(fault.KindOf(err), "shard.run", c.id.String(), err)
	}
}

// Effects returns what is to be done now, and forgets it.
func (c *Core) Effects() Effects {
	ev := c.events
	c.events = Effects{}
	return ev
}

// Err returns what stopped the core, nil while it runs.
func (c *Core) Err() error { return c.err }

// Running reports whether any turn is under way, detached ones included.
func (c *Core) Running() bool { return len(c.frames) > 0 }

// Committing reports whether a commit is under way.
func (c *Core) Committing() bool { return c.flown != nil }

// Full reports whether the core takes no more messages until some are done.
func (c *Core) Full() bool { return c.mail >= c.cfg.MaxQueued || c.held >= c.cfg.MaxQueuedBytes }

// object returns the object that gets work to do, making it known if needed.
func (c *Core) object(id wire.ObjectID) *object {
	o := c.objects.Find(id)
	if o == nil {
		o = c.objects.Add(id)
	}
	if o.Work == nil {
		if n := len(c.works); n > 0 {
			o.Work, c.works = c.works[n-1], c.works[:n-1]
		} else {
			o.Work = &resident.Work{Busy: -1}
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
		if p := c.program(env); p != nil {
			p.PutFunction(env)
		} else {
			c.stray(env)
		}
		return
	}
	o := c.object(env.To.Object())
	if o.Kind.Program == nil {
		c.settle(o)
		c.stray(env)
		return
	}
	if o.Detached > 0 && env.Note&wire.Volatile != 0 {
		if m, _ := o.Kind.Program.Index.Method(env.To); m != nil && m.ReadOnly {
			o.Kind.Program.Readers = append(o.Kind.Program.Readers, env)
			return
		}
	}
	c.mailTo(o, env)
}

// putBack puts a read-only call that did not end beside its object among the
// object's own mail.
func (c *Core) putBack(env *wire.Envelope) { c.mailTo(c.object(env.To.Object()), env) }

func (c *Core) mailTo(o *object, env *wire.Envelope) {
	o.Box.Put(env)
	if o.Busy < 0 {
		c.idle.Take(o)
		o.Busy = int32(len(c.busy))
		c.busy = append(c.busy, o)
		o.Pace.Begin(c.tick)
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
	c.drop(env)
}

// drop drops the row of a timer.
func (c *Core) drop(env *wire.Envelope) {
	if env.Note&wire.InTimers != 0 {
		c.batch.drop(store.Timers, rows.TimerKey(env.Due, env.Seq))
	}
}

// wake puts an object with runnable mail in the ready list.
func (c *Core) wake(o *object) {
	if o.Ready {
		return
	}
	if o.Moves && !c.moved(o) {
		return
	}
	if o.Box.Ready(c.tick) {
		if c.cfg.Lose != nil && c.cfg.Lose(conf.Ready) {
			return
		}
		o.Ready, o.Since = true, c.tick
		o.Kind.Program.PutReady(o)
		return
	}
	if until := o.Box.Until(); until > c.tick && o.Paused != until && !o.Box.Running() {
		o.Paused = until
		c.pauseSeq++
		c.pauses.Add(due.Item[*object]{Due: until, Seq: c.pauseSeq, Value: o})
	}
}

// rest takes an object out of the busy list when its mailbox is empty.
func (c *Core) rest(o *object) {
	if o.Busy < 0 || o.Box.Len() > 0 {
		return
	}
	last := c.busy[len(c.busy)-1]
	c.busy[o.Busy], last.Busy = last, o.Busy
	c.busy = c.busy[:len(c.busy)-1]
	o.Busy = -1
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
	case env.To.Function(), env.To.Type == wire.TokenType:
		return c.id
	}
	return place.Shard(env.To.Object(), c.cfg.Shards)
}

func envelopeSize(env *wire.Envelope) int {
	return 200 + len(env.Body.Data) + len(env.Carry.Data) + len(env.To.Key)
}

// Count returns the stats with what there is now.
func (c *Core) Count() conf.Stats {
	st := c.stats
	for _, p := range c.programs {
		st.Resident += p.Resident()
	}
	st.Queued = c.mail
	st.Waiting = c.records.Waiting()
	st.Dead = c.dead.Len()
	st.Parked = c.ctl.Pauses.Parked()
	st.Timers = c.timers.Len()
	st.Outbox = c.out.Waiting()
	st.Rescued += uint64(c.out.Rescued())
	st.Overdue = c.overdue()
	st.Late = c.proms.Late()
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
	for _, p := range c.programs {
		for _, env := range p.Readers {
			local(env)
		}
	}
	for _, fl := range c.frames {
		for _, t := range fl.Tasks {
			if t.Env != nil {
				local(t.Env)
			}
		}
	}
}
