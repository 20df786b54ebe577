// Package conf is how a shard is configured, and what it counts. It does
// nothing.
package conf

import (
	"log/slog"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/shard/figure"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// Config says which shard this is and what bounds it keeps. Zero fields get
// the defaults.
type Config struct {
	ID     wire.ShardID
	Shards int // of the data directory
	Log    *slog.Logger
	Now    func() time.Time // default time.Now

	FrameTasks       int           // tasks in a frame; default 512
	MaxCommit        int           // bytes after which a batch waits for the commit before it; default 1 MiB
	RunAhead         time.Duration // how long a batch waits for turns that are ready; default 1 ms
	FrameWait        time.Duration // how long a commit waits for a frame that is out; default 20 ms
	MaxQueued        int           // messages in memory; default 100,000
	MaxQueuedBytes   int           // their bytes; default 64 MiB
	MaxMailbox       int           // messages of one object, for callers outside; default 10,000
	MaxWait          time.Duration // how long who waits for an answer may have to wait in a long queue; default 500 ms
	LongQueue        int           // messages of one object, or objects that are ready, that are a long queue; default 100
	MaxParked        int           // messages for what is paused, for callers outside; default 10,000,000
	MaxOutbox        int           // bytes not acknowledged by one shard, for callers outside; default 64 MiB
	MaxFunctions     int           // functions running at once; default 256
	ChannelWindow    int           // bytes under way to another shard; default 4 MiB
	TimerWindow      int           // timers in memory; default 4,096
	MaxResident      int           // idle objects in memory; default 250,000
	MaxResidentBytes int           // their bytes of state; default 256 MiB
	IdleAfter        time.Duration // idle objects leave memory; default 10 minutes, negative is never
	Sweep            time.Duration // how often to look for work that no wake-up told of; default 2 s, negative is never
	KeepAnswers      time.Duration // records of calls with a key and of asynchronous calls; default 24 h
	MaxSpans         int           // calls of one chain that are told of; default 10,000
	Retry            wire.Policy   // the platform's; zero fields are turn.DefaultPolicy's

	// Trials is shared by the shards of a node.
	Trials *Trials
	// BeforeCommit, if set, is called before each commit with its number and
	// may stop it by an error: a crash, as a test wants it.
	BeforeCommit func(wire.Seq) error
	// Trace, if set, is told of every turn whose effects count.
	Trace func(env *wire.Envelope, fail *wire.Failure)
	// Record returns the record of an invocation, whichever shard has it, nil if
	// there is none any more. Default: there is always one.
	Record func(wire.InvocationID) (*wire.Invocation, error)
	// Ended, if set, is told of the calls of chains that have ended, when that is
	// durable. It must not block.
	Ended func([]span.Told)
	// Figures, if set, returns what counts the calls of a program, nil for nothing.
	Figures func(program string) *figure.Figures
	// Lose, if set, is asked before each wake-up whether to lose it: a bug, as a
	// test wants it. It is called from any goroutine.
	Lose func(Signal) bool
}

// Signal is a kind of wake-up.
type Signal int

// The wake-ups whose loss the sweep makes good.
const (
	Posted  Signal = iota // something is in the inbox of a shard
	Segment               // messages come from another shard
	Ack                   // another shard has taken messages
	Alarm                 // something is due
	Ready                 // an object may run
)

func (s Signal) String() string {
	return [...]string{"posted", "segment", "ack", "alarm", "ready"}[s]
}

// WithDefaults returns c with the defaults in its zero fields.
func (c Config) WithDefaults() Config {
	def(&c.Shards, 1)
	def(&c.FrameTasks, 512)
	def(&c.MaxCommit, 1<<20)
	def(&c.RunAhead, time.Millisecond)
	def(&c.FrameWait, 20*time.Millisecond)
	def(&c.MaxQueued, 100_000)
	def(&c.MaxQueuedBytes, 64<<20)
	def(&c.MaxMailbox, 10_000)
	def(&c.MaxWait, 500*time.Millisecond)
	def(&c.LongQueue, 100)
	def(&c.MaxParked, 10_000_000)
	def(&c.MaxOutbox, 64<<20)
	def(&c.MaxFunctions, 256)
	def(&c.ChannelWindow, 4<<20)
	def(&c.TimerWindow, 1<<12)
	def(&c.MaxResident, 250_000)
	def(&c.MaxResidentBytes, 256<<20)
	def(&c.IdleAfter, 10*time.Minute)
	def(&c.Sweep, 2*time.Second)
	def(&c.KeepAnswers, 24*time.Hour)
	def(&c.MaxSpans, 10_000)
	if c.Record == nil {
		c.Record = func(id wire.InvocationID) (*wire.Invocation, error) { return &wire.Invocation{ID: id}, nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Stats counts what a shard did since it was opened.
type Stats struct {
	Calls, Turns, Sends, Frames, Commits uint64
	Loads, Evicted, Fired                uint64
	Detached, Failures, Buried, Unheard  uint64
	Resident, Queued, Timers, Outbox     int
	Parked                               int    // messages for what is paused
	Dead, Waiting                        int    // dead letters; callers outside whose call moved on
	Late                                 uint64 // answers to promises that had one, or had lapsed
	Seq                                  wire.Seq
	Rescued                              uint64        // times that a sweep found work which no wake-up had told of
	Overdue                              time.Duration // age of the oldest timer, message or row of the outbox that is due
}

// Main is the name of the program that has what no other is known to have:
// that of the user, if there is one only.
const Main = "main"

// Trials lets one shard of a node at a time run a message that may have killed
// a worker, of each program.
type Trials struct{ busy sync.Map }

// Begin reports whether a trial of a program may begin; End ends it.
func (t *Trials) Begin(program string) bool {
	if t == nil {
		return true
	}
	_, busy := t.busy.LoadOrStore(program, true)
	return !busy
}

// End ends a trial that was begun.
func (t *Trials) End(program string) {
	if t != nil {
		t.busy.Delete(program)
	}
}
