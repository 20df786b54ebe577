// Package promise keeps the promises of one shard: callbacks that have an answer
// by a certain time. The first answer that comes is passed on to who waits, or,
// when the time is over, a failure; later ones are dropped. A call with a deadline
// of its own has one around its callback, and a callback token is one that
// somebody outside answers.
//
// A promise is a row and a timer, and in memory only until it is durable. Package
// core drives it from its goroutine; it never asks for the time, and sends nothing
// itself.
package promise

import (
	"fmt"
	"math"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
}

// Shard is what promises need of their shard.
type Shard interface {
	// Set has env, a timer, come to Lapse when it is Due, and returns its number.
	Set(env *wire.Envelope) wire.Seq
	// Remove takes a timer away.
	Remove(when wire.Time, seq wire.Seq)
	// Send sends an answer on.
	Send(reply *wire.Envelope)
}

// Promises is the promises of one shard.
type Promises struct {
	shard wire.ShardID
	boot  string // makes the names of this run different from other runs'
	keep  wire.Time
	rows  Rows
	home  Shard
	named uint64
	late  uint64
	fresh map[wire.InvocationID]entry // changed since the last Seal
	flown map[wire.InvocationID]entry // in the commit under way
}

// entry is what a promise is, ahead of its row.
type entry struct {
	p   *wire.Promise // nil: it is gone
	row bool          // of it, there or in the commit under way
}

// New returns the promises of a shard, to be read from committed. Boot makes the
// names of its run different from those of others. What became of a token is
// remembered for keep.
func New(shard wire.ShardID, boot string, keep time.Duration, committed Rows, home Shard) *Promises {
	return &Promises{shard: shard, boot: "p" + boot, keep: wire.Time(keep), rows: committed, home: home,
		fresh: map[wire.InvocationID]entry{}, flown: map[wire.InvocationID]entry{}}
}

// Deadline returns until when who makes a call has its answer, 0 for no deadline.
// The error, of kind fault.Invalid, says that this cannot be.
func Deadline(r *wire.Request, now wire.Time) (until wire.Time, err error) {
	switch until = r.Until; {
	case until == 0 && r.Within == 0:
		return 0, nil
	case r.Within < 0, until != 0 && until <= now:
		return 0, fault.New(fault.Invalid, "call", r.To.String(), "its deadline is past: give it one that is to come")
	}
	if r.Within > 0 {
		end := now + r.Within
		if end < now {
			end = math.MaxInt64
		}
		if until == 0 || end < until {
			until = end
		}
	}
	if until <= r.Due {
		return 0, fault.New(fault.Invalid, "call", r.To.String(), "its deadline, %s, is before it is to be delivered, %s: it would never run", instant(until), instant(r.Due))
	}
	return until, nil
}

func instant(t wire.Time) string { return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano) }

// Late returns how many answers came to promises that had one, or had lapsed.
func (ps *Promises) Late() uint64 { return ps.late }

// Guard puts a promise around the callback of env if that is a call with a deadline
// of its own.
func (ps *Promises) Guard(env *wire.Envelope, now wire.Time) {
	if !env.Guard() || env.Back == nil {
		return
	}
	env.Amend().Guard = false // once
	ps.named++
	id := rows.ID(ps.shard, ps.boot, ps.named)
	p := &wire.Promise{Back: env.Back, Made: now, Until: env.Deadline(), On: env.To.String()}
	env.Back = &wire.Callback{Kind: wire.ToPromise, ID: id, Shard: ps.shard, Format: env.Back.Format}
	ps.wait(id, p, false)
}

// Await makes the promise that a call of a callback token asks for. A token that
// was called before stays as it is: it is to be answered once.
func (ps *Promises) Await(env *wire.Envelope, now wire.Time) error {
	id := wire.InvocationID(env.To.Key)
	have, row, err := ps.find(id)
	switch {
	case err != nil:
		return err
	case have != nil && env.Back != nil:
		ps.home.Send(wire.ReplyTo(env.Back, wire.Payload{}, &wire.Failure{Kind: fault.Conflict.String(),
			Message: "the callback token is waited for already: a token is for one call"}))
		return nil
	case have != nil:
		return nil
	}
	p := &wire.Promise{Back: env.Back, Made: now, Until: env.Deadline(), Token: true, Schema: env.Body.Data, Every: env.Beat(), Beat: now}
	if !env.Free() { // else it cleans up after a cancel, and goes on
		p.Chain = env.Chain()
	}
	if env.Holds() {
		p.Holder = env.Holder()
		p.Token, p.Schema, p.On = false, nil, p.Holder.String()
	}
	ps.wait(id, p, row)
	return nil
}

// Cancel ends a promise whose chain was cancelled: it is answered no more. Tell is
// given who waits for it, if it was open.
func (ps *Promises) Cancel(id wire.InvocationID, now wire.Time, tell func(*wire.Callback)) error {
	p, row, err := ps.find(id)
	if err != nil || p == nil || p.Over != wire.Open {
		return err
	}
	ps.stop(p)
	ps.end(id, p, row, wire.Canceled, now)
	if p.Back != nil {
		tell(p.Back)
	}
	return nil
}

// wait keeps a promise that is waited for, with its timer if it ends by itself.
func (ps *Promises) wait(id wire.InvocationID, p *wire.Promise, row bool) {
	p.Due = p.Until
	if p.Every != 0 {
		p.Due = min(p.Due, p.Beat+p.Every)
	}
	if p.Due == 0 {
		ps.fresh[id] = entry{p, row}
		return
	}
	ps.put(id, p, row)
}

// stop takes the timer of a promise away.
func (ps *Promises) stop(p *wire.Promise) {
	if p.Due != 0 {
		ps.home.Remove(p.Due, p.Timer)
	}
}

// put keeps p, whose timer is set.
func (ps *Promises) put(id wire.InvocationID, p *wire.Promise, row bool) {
	p.Timer = ps.home.Set(&wire.Envelope{Kind: wire.Reply, Due: p.Due,
		Back: &wire.Callback{Kind: wire.ToPromise, ID: id, Shard: ps.shard}})
	ps.fresh[id] = entry{p, row}
}

// Answer takes an answer, and passes it on if somebody still waits.
func (ps *Promises) Answer(id wire.InvocationID, body wire.Payload, fail *wire.Failure, now wire.Time) error {
	p, row, err := ps.find(id)
	if err != nil || p == nil || p.Over != wire.Open {
		ps.late++
		return err
	}
	ps.stop(p)
	ps.end(id, p, row, wire.Answered, now)
	ps.reply(p, body, fail)
	return nil
}

// Lapse takes a timer that has fired, and tells who waited if it is for that.
func (ps *Promises) Lapse(env *wire.Envelope, now wire.Time) error {
	id := env.Back.ID
	p, row, err := ps.find(id)
	switch {
	case err != nil, p == nil, p.Timer != env.Seq:
		return err
	case p.Over != wire.Open: // it was remembered for long enough
		ps.drop(id, row)
		return nil
	case p.Until > now && p.Every != 0 && p.Beat+p.Every > now: // there was a sign of life
		next := *p
		ps.wait(id, &next, row)
		return nil
	}
	ps.end(id, p, row, wire.Expired, now)
	ps.reply(p, wire.Payload{}, lapsed(p, now))
	return nil
}

func (ps *Promises) reply(p *wire.Promise, body wire.Payload, fail *wire.Failure) {
	if p.Back != nil {
		ps.home.Send(wire.ReplyTo(p.Back, body, fail))
	}
}

// lapsed says why nobody answered.
func lapsed(p *wire.Promise, now wire.Time) *wire.Failure {
	f := &wire.Failure{Kind: fault.Timeout.String()}
	at := instant(p.Until)
	switch {
	case !p.Token:
		f.Message = fmt.Sprintf("%s did not answer before its deadline, %s", p.On, at)
	case p.Until <= now:
		f.Message = "the callback token expired at " + at + ": nobody answered"
	default:
		f.Message = fmt.Sprintf("who has the callback token has given no sign of life for %v", time.Duration(p.Every))
	}
	return f
}

// end closes a promise: a token is remembered for a while, so that who comes late
// is told what was.
func (ps *Promises) end(id wire.InvocationID, p *wire.Promise, row bool, how wire.Over, now wire.Time) {
	if !p.Token {
		ps.drop(id, row)
		return
	}
	ps.put(id, &wire.Promise{Made: p.Made, Until: p.Until, Token: true, Over: how, Ended: now, Due: now + ps.keep}, row)
}

// Beat notes that who has a token is alive. The error is as that of Token.
func (ps *Promises) Beat(id wire.InvocationID, now wire.Time) error {
	p, row, err := ps.find(id)
	if err == nil {
		err = Usable(p)
	}
	if err != nil {
		return err
	}
	next := *p
	next.Beat = now // the timer stays, and looks when it fires
	ps.fresh[id] = entry{&next, row}
	return nil
}

// Token returns the promise of a callback token that is waited for; it is not to
// be changed. The error is of kind fault.NotFound, fault.Used or fault.Gone.
func (ps *Promises) Token(id wire.InvocationID) (*wire.Promise, error) {
	p, _, err := ps.find(id)
	if err != nil {
		return nil, err
	}
	return p, Usable(p)
}

// AnswerToken is Answer for whoever has a callback token. The error is as that of
// Token.
func (ps *Promises) AnswerToken(id wire.InvocationID, body wire.Payload, fail *wire.Failure, now wire.Time) error {
	if _, err := ps.Token(id); err != nil {
		return err
	}
	return ps.Answer(id, body, fail, now)
}

// Usable returns why the token of p, nil if there is none, cannot be answered, and
// nil if it can. The token itself is in no message: it is a secret.
func Usable(p *wire.Promise) error {
	at := func() string { return time.Unix(0, int64(p.Ended)).UTC().Format(time.RFC3339) }
	switch {
	case p == nil || !p.Token:
		return fault.New(fault.NotFound, "callback", "", "there is no such callback token: it was never given out, or is over for long")
	case p.Over == wire.Answered:
		return fault.New(fault.Used, "callback", "", "the callback token was used at %s: it can be answered once", at())
	case p.Over == wire.Expired:
		return fault.New(fault.Gone, "callback", "", "the callback token expired at %s: its answer is not waited for any more", at())
	case p.Over == wire.Canceled:
		return fault.New(fault.Gone, "callback", "", "the call of the callback token was cancelled at %s: its answer is not waited for any more", at())
	}
	return nil
}

// find returns a promise as it is now, nil if there is none, and whether there is
// a row of it, or will be with the commit under way. It is not to be changed.
func (ps *Promises) find(id wire.InvocationID) (p *wire.Promise, row bool, err error) {
	if e, ok := ps.fresh[id]; ok {
		return e.p, e.row, nil
	}
	if e, ok := ps.flown[id]; ok {
		return e.p, true, nil
	}
	b, ok, err := ps.rows.Get(store.Promises, []byte(id))
	if err != nil || !ok {
		return nil, false, err
	}
	p, err = wire.DecodePromise(b)
	return p, true, err
}

// drop forgets a promise. Without a row nobody will ever know of it.
func (ps *Promises) drop(id wire.InvocationID, row bool) {
	if row {
		ps.fresh[id] = entry{nil, true}
	} else {
		delete(ps.fresh, id)
	}
}

// Dirty reports whether there is a reason to commit.
func (ps *Promises) Dirty() bool { return len(ps.fresh) > 0 }

// Seal writes into the commit what has changed.
func (ps *Promises) Seal(w *store.Batch) {
	for id, e := range ps.fresh {
		if e.p == nil {
			w.Delete(store.Promises, []byte(id))
		} else {
			w.Set(store.Promises, []byte(id), wire.AppendPromise(nil, e.p))
		}
	}
	ps.fresh, ps.flown = ps.flown, ps.fresh
}

// Committed says that the commit sealed last is durable. Its promises are rows
// only from now on.
func (ps *Promises) Committed() {
	if len(ps.flown) > spare {
		ps.flown = map[wire.InvocationID]entry{}
	}
	clear(ps.flown)
}

// spare bounds the memory that is kept for the promises of one commit.
const spare = 4096
