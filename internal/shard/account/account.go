// Package account is what one shard remembers of its turns beside their
// effects: counts by method (package tally), and the calls of chains (package
// spans). Package core tells it of each thing that happens to a message, from
// its goroutine. It never asks for the time.
package account

import (
	"errors"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/spans"
	"github.com/situ-dev/situ/internal/shard/tally"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows = spans.Rows

// Account is the counts and spans of one shard.
type Account struct {
	spans *spans.Book
	tally *tally.Tally
	now   wire.Time
	at    wire.Time // when the run was over that is being applied
	err   error
}

// New returns the account of a shard, to be read from committed. Name makes the
// names of this run different from other runs'.
func New(cfg conf.Config, name string, committed Rows, now wire.Time) *Account {
	return &Account{tally: tally.New(committed), now: now, at: now, spans: spans.New(spans.Config{Max: cfg.MaxSpans,
		Keep: wire.Time(cfg.KeepAnswers), Name: name, Record: cfg.Record, Told: cfg.Ended}, committed)}
}

// Program says that another program runs.
func (a *Account) Program() { a.tally.Program() }

// Time says what time it is, and has go what is kept no longer.
func (a *Account) Time(now wire.Time) error {
	a.now, a.at = now, now
	return errors.Join(a.err, a.spans.Expire(now), a.tally.Look(now))
}

// Now returns when the run was over whose effects are being applied, or what
// time it is, whichever is later.
func (a *Account) Now() wire.Time { return max(a.now, a.at) }

// Next returns when Time has something to do.
func (a *Account) Next() wire.Time {
	next := a.spans.NextLook()
	if t := a.tally.NextFlush(); t != 0 {
		next = min(next, t)
	}
	return next
}

// Arrive takes a message that came to this shard.
func (a *Account) Arrive(env *wire.Envelope) {
	if env.Asked() != nil && env.Span() == nil { // else it was here before
		for q := env.Asked(); q != nil; q = q.Tail {
			if q.Begun == 0 {
				continue // a guard answers for it, too, or it never ran
			}
			answered(a.tally.Named(q.Type, q.Method, a.now), q.Made, q.Begun, env.Made)
		}
	}
	if env.Chain() != "" && env.To != (wire.Address{}) {
		a.err = errors.Join(a.err, a.spans.Arrive(env))
	}
}

// Begin says that a message is run now.
func (a *Account) Begin(env *wire.Envelope) { a.spans.Begin(env, a.now) }

// Ran takes the result of a task of a frame that began at began. Tasks run one
// after another, and clock is for how long they have; a late one ran beside.
func (a *Account) Ran(env *wire.Envelope, res *turn.Result, began wire.Time, clock *wire.Time, late bool) {
	if a.at = began + res.Took; !late {
		*clock += res.Took
		a.at = began + *clock
	}
	if res.Outcome != turn.Panicked {
		return
	}
	n := a.tally.Named(env.To.Type, env.To.Method, a.now)
	n.Active += uint64(res.Took)
	a.own(env, n, res.Took)
	if env.Span() != nil {
		env.Span().Active += res.Took
	}
}

// Took counts a turn that takes effect. What is sent until Leave is of it. M,
// if there is one, describes its method.
func (a *Account) Took(m *host.MethodManifest, env *wire.Envelope, res *turn.Result) {
	n := a.tally.Of(m, env.To, a.now)
	n.Turns++
	n.Active += uint64(res.Took)
	if res.Fail != nil {
		n.Errors++
	}
	if env.Span() == nil {
		return
	}
	a.own(env, n, res.Took)
	if a.spans.End(env, res, a.at); env.Back == nil && env.Kind == wire.Call {
		answered(n, env.Made, env.Span().Begun, a.at)
	}
}

// own counts a run for the call that it was made for: a turn that took an
// answer ran for the call that it goes on with.
func (a *Account) own(env *wire.Envelope, n *meter.Counts, took wire.Time) {
	if env.Span() == nil {
		return
	}
	if cb := env.Back; env.Kind == wire.Reply && cb != nil && cb.Asked != nil {
		n = a.tally.Named(cb.Asked.Type, cb.Asked.Method, a.now)
	}
	n.Own += uint64(took)
}

func answered(n *meter.Counts, made, begun, at wire.Time) {
	n.Calls++
	n.Wall += uint64(max(at-made, 0))
	if begun != 0 {
		n.Sync += uint64(max(at-begun, 0))
	}
}

// Sent takes what is sent.
func (a *Account) Sent(env *wire.Envelope) {
	if env.Chain() != "" || env.Asked() != nil {
		a.spans.Sent(env, a.now)
	}
}

// Leave ends what Took began.
func (a *Account) Leave() { a.spans.Leave() }

// Failed counts a run that had no effect: the message is run again, after a
// pause, or given up.
func (a *Account) Failed(env *wire.Envelope, fail *wire.Failure, again bool, after wire.Time) {
	n := a.tally.Named(env.To.Type, env.To.Method, a.now)
	next := wire.Time(0)
	if again {
		n.Retries++
		next = a.now + after
	} else {
		n.Dead++
	}
	a.spans.Failed(env, fail, a.at, next)
}

// Add counts what ran beside the shards.
func (a *Account) Add(lines []meter.Line) {
	for i := range lines {
		a.tally.Named(lines[i].Type, lines[i].Method, a.now).Add(&lines[i].Counts)
	}
	a.Hurry()
}

// Hurry makes what was counted a reason to commit.
func (a *Account) Hurry() { a.tally.Hurry() }

// Dirty reports whether there is a reason to commit. Counts alone are none
// until they have waited for long enough.
func (a *Account) Dirty() bool { return a.spans.Dirty() || a.tally.Due(a.now) }

// Seal writes into the commit what has changed. It comes last.
func (a *Account) Seal(w *store.Batch) error {
	a.spans.Seal(w)
	if w.Count() == 0 && !a.tally.Due(a.now) {
		return nil
	}
	return a.tally.Seal(w, a.now)
}

// Committed says that the commit sealed last is durable.
func (a *Account) Committed() { a.spans.Committed() }
