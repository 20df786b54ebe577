package shard

import (
	"context"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/wire"
)

// alarm is what the loop's timer was set for. It belongs to the loop.
type alarm struct {
	sweep wire.Time // when to sweep next
	at    wire.Time // when the timer was to ring, 0 if it was for what is due next
	rang  bool      // and it did, and nothing else has happened
}

// pulse is what others see of the loop while it runs, and while it does not.
type pulse struct {
	live   atomic.Bool
	beats  atomic.Uint64
	commit atomic.Uint64 // number of the commit under way, 0 for none
	frame  atomic.Uint64 // number of the oldest frame under way, 0 for none
	stats  atomic.Pointer[Stats]
}

// Pulse says how far a shard is. While Live, Beats grows every few seconds, work
// or not; a Commit or a Frame that stays the same has not ended.
type Pulse struct {
	Live          bool
	Beats         uint64
	Commit, Frame uint64
}

// Pulse returns how far the shard is, whatever it is doing.
func (s *Shard) Pulse() Pulse {
	p := &s.pulse
	return Pulse{Live: p.live.Load() && s.cfg.Sweep >= 0, Beats: p.beats.Load(), Commit: p.commit.Load(), Frame: p.frame.Load()}
}

// LastStats returns the stats of the last sweep, for when Stats does not return.
func (s *Shard) LastStats() Stats {
	if st := s.pulse.stats.Load(); st != nil {
		return *st
	}
	return Stats{}
}

// beat tells that the loop is alive.
func (s *Shard) beat() {
	s.pulse.beats.Add(1)
	s.pulse.frame.Store(s.core.Oldest())
}

// pause returns how long there is nothing to do without an event, but not
// longer than until the next sweep.
func (s *Shard) pause() time.Duration {
	c := s.core
	now := wire.Time(s.cfg.Now().UnixNano())
	d := time.Duration(c.NextTime() - now)
	if s.cfg.Lose != nil && s.cfg.Lose(conf.Alarm) {
		d = time.Hour
	}
	if c.Full() || c.Flying() {
		d = max(d, time.Millisecond)
	}
	s.alarm.at = 0
	if s.cfg.Sweep >= 0 {
		// A clock that was set back must not put the sweep off.
		until := min(time.Duration(s.alarm.sweep-now), s.cfg.Sweep)
		if until < d {
			d, s.alarm.at = until, now+wire.Time(max(until, 0))
		}
	}
	return max(d, 0)
}

// slack is how late a timer may be before it counts as lost: those of the wall
// clock and of the runtime do not agree to the microsecond.
const slack = wire.Time(100 * time.Millisecond)

// sweep is the net under the wake-ups. It counts the unannounced posts that the
// loop has come across, and every cfg.Sweep looks at everything.
func (s *Shard) sweep(unannounced int) {
	c := s.core
	if unannounced > 0 {
		c.Rescue("posts to the inbox of the shard", "count", unannounced)
	}
	now := wire.Time(s.cfg.Now().UnixNano())
	if s.cfg.Sweep < 0 || now < s.alarm.sweep && s.alarm.sweep-now <= wire.Time(s.cfg.Sweep) {
		return
	}
	// What was due when the timer was set, and set for later, was forgotten. If
	// only the clock has jumped since, it was not.
	if due := c.NextTime(); s.alarm.rang && s.alarm.at != 0 && due <= s.alarm.at-slack {
		c.Rescue("something due", "late", time.Duration(now-due))
	}
	c.TakeTime(now)
	c.Sweep()
	st := c.Count()
	st.Seq = s.store.Last()
	s.pulse.stats.Store(&st)
	s.alarm.sweep = now + wire.Time(s.cfg.Sweep)
}

// labelled runs f so that a dump of goroutines says whose it is.
func (s *Shard) labelled(ctx context.Context, part string, f func()) {
	pprof.Do(ctx, pprof.Labels("shard", s.cfg.ID.String(), "part", part), func(context.Context) { f() })
}
