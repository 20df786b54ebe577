package simtest

import (
	"slices"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// shard drives one core, as internal/shard does, but in pieces: between any
// two of them something else may happen.
type shard struct {
	w       *world
	id      int
	core    *core.Core // nil while it is down
	resent  bool
	inbox   []any // *request, *operation, rows.Segment, core.Ack
	host    *simHost
	lost    int // the host is gone, and the core does not know
	frame   *turn.Frame
	reports []*turn.Report
	stale   []*turn.Report // of a host that is gone
	pending *store.Batch
	synced  bool // the commit is durable, and the core does not know
	boots   int
	woken   bool      // something was posted, reported or committed since the last step
	wakeAt  wire.Time // when it wants to be woken by time
	sweepAt wire.Time // when to sweep next
}

// How a host is lost.
const (
	lostDied = 1 + iota
	lostReplaced
)

type request struct {
	r *wire.Request
	w *core.Waiter
}

// open starts the shard from its rows.
func (s *shard) open() {
	w := s.w
	cfg := w.cfg
	cfg.ID, cfg.Shards = wire.ShardID(s.id), len(w.shards)
	if !w.node {
		cfg.Trials = &conf.Trials{}
	}
	s.boots++
	w.log("open", s.id, "at commit", w.disk.shard(s.id).Last())
	s.core = core.New(cfg, w.disk.shard(s.id), "boot"+string(rune('a'+s.boots%26))+string(rune('a'+s.boots/26)), w.wall)
	s.resent, s.woken, s.wakeAt, s.sweepAt = false, true, 0, 0
	if err := s.core.Open(); err != nil {
		w.fail("%v does not open: %v", s.id, err)
	}
}

// attach gives the shard a host.
func (s *shard) attach() {
	s.w.log("host", s.id)
	s.host = newHost(s.w, s)
	s.core.SetProgram(s.core.Program(conf.Main), manifest)
	s.woken = true
}

// down is the end of the shard's memory. Its pending commit is the disk's to
// decide.
func (s *shard) down() {
	s.rescues()
	s.core, s.host, s.lost, s.frame, s.reports, s.stale, s.pending = nil, nil, 0, nil, nil, nil, nil
	s.inbox, s.synced = nil, false
	s.w.hangUp(s)
}

func (s *shard) post(v any) {
	s.inbox = append(s.inbox, v)
	if !s.w.loses(conf.Posted) {
		s.woken = true
	}
}

// poke does one random thing, if it can be done now.
func (s *shard) poke() {
	if s.core == nil {
		if s.w.chance(300) {
			s.open()
		}
		return
	}
	if !s.resent {
		s.resend()
		return
	}
	if s.host == nil && s.lost == 0 && s.w.chance(200) {
		s.attach()
	}
	switch s.w.rand.IntN(13) {
	case 0, 1:
		s.takeOne()
	case 2:
		s.core.TakeTime(s.w.wall)
	case 3:
		s.seal(s.w.chance(100))
	case 4:
		s.compose()
	case 5:
		s.runFrame()
	case 6, 7:
		s.apply()
	case 8:
		if s.w.chance(s.w.syncs) {
			s.commit()
		}
	case 9:
		s.flush()
	case 10:
		if s.w.chance(300) {
			s.endLate()
		}
	case 11:
		if s.w.chance(100) {
			s.sweepAt = s.w.wall
		}
		s.sweep()
	default:
		s.step()
	}
	s.check()
}

func (s *shard) resend() {
	s.resent = true
	s.core.Resend()
	s.check()
}

func (s *shard) check() {
	if s.core != nil && s.core.Err() != nil {
		s.w.fail("shard %d stopped: %v", s.id, s.core.Err())
	}
}

// takeOne gives the core what was posted first. It reports false if there is
// nothing, or if that must wait for the report of a frame.
func (s *shard) takeOne() bool {
	if len(s.inbox) == 0 {
		return false
	}
	if _, ok := s.inbox[0].(*operation); ok && s.core.Flying() {
		return false
	}
	v := s.inbox[0]
	s.inbox = s.inbox[1:]
	switch v := v.(type) {
	case *operation:
		s.w.log("do", s.id, v.o.method, v.o.to.String())
		v.do(s.core)
	case *request:
		s.w.log("take", s.id, v.r.To.String(), string(v.r.Body.Data), v.r.Key)
		s.core.TakeRequest(v.r, v.w)
	case rows.Segment:
		s.w.log("segment", s.id, "from", int(v.From), v.First, v.Last())
		s.core.TakeSegment(v)
	case core.Ack:
		s.w.log("ack", s.id, "from", int(v.From), v.Last, "want", v.Want, "told", v.Told)
		s.core.TakeAck(v)
	}
	return true
}

// compose gives the host a frame.
func (s *shard) compose() bool {
	if s.host == nil {
		return false
	}
	f := s.core.NextFrame(s.core.Program(conf.Main))
	if f == nil {
		return false
	}
	if s.frame != nil {
		s.w.fail("a frame before the report of the one before")
	}
	s.w.log("frame", s.id, f.Seq, "tasks", len(f.Tasks))
	for _, t := range f.Tasks {
		if t.Copy {
			s.w.seen("read beside a detached turn")
		}
		if t.Solo {
			s.w.seen("turn alone in its frame")
		}
	}
	s.frame = f
	return true
}

func (s *shard) runFrame() {
	if s.frame == nil {
		return
	}
	rep := s.host.run(s.frame)
	s.w.log("ran", s.id, s.frame.Seq, outcomes(rep))
	s.frame = nil
	s.reports = append(s.reports, rep)
}

func (s *shard) endLate() {
	if s.host == nil || len(s.host.late) == 0 || s.frame != nil {
		return
	}
	i := s.w.rand.IntN(len(s.host.late))
	l := s.host.late[i].String()
	rep := s.host.end(i)
	s.w.log("late", s.id, l, outcomes(rep))
	s.reports = append(s.reports, rep)
}

func outcomes(rep *turn.Report) (out []byte) {
	for _, r := range rep.Results {
		out = append(out, " DPLSR"[r.Outcome])
	}
	return out
}

// apply gives the core a report, or tells it that its host is gone.
func (s *shard) apply() bool {
	switch {
	case len(s.reports) > 0:
		rep := s.reports[0]
		s.reports = s.reports[1:]
		s.w.log("apply", s.id, rep.Frame, rep.Late)
		s.core.Apply(rep)
	case s.lost != 0:
		s.w.log("lost host", s.id, "died", s.lost == lostDied)
		if s.core.Flying() {
			s.w.seen("host lost with a frame in flight")
		}
		s.core.LostHost(s.core.Program(conf.Main), s.lost == lostDied)
		s.lost = 0
	case len(s.stale) > 0:
		s.w.seen("report of a host that is gone")
		s.core.Apply(s.stale[0])
		s.stale = s.stale[1:]
		return false
	default:
		return false
	}
	s.woken = true
	return true
}

// lose takes the host away. What it had reported may still arrive.
func (s *shard) lose(how int) {
	if s.host == nil {
		return
	}
	s.w.seen("host lost")
	s.w.log("host goes", s.id, how)
	if s.frame != nil && s.w.chance(500) {
		s.runFrame() // it is gone before it has told all
	}
	n := s.w.rand.IntN(len(s.reports) + 1)
	s.stale = append(s.stale, s.reports[n:]...)
	s.reports = s.reports[:n:n]
	s.host, s.frame, s.lost = nil, nil, how
	s.woken = true
}

func (s *shard) seal(hurry bool) {
	if !s.core.SealNow(hurry) {
		return
	}
	b := s.w.disk.shard(s.id).NewBatch(0)
	if !s.core.Seal(b) {
		b.Close()
		s.core.Committed()
		s.woken = true
		return
	}
	s.w.log("seal", s.id, "changes", b.Count())
	s.pending = b
}

// commit makes the commit under way durable, and, when it is called again,
// tells the core. In between the core reads rows of which it was not told.
func (s *shard) commit() bool {
	switch {
	case s.synced:
		s.synced = false
		s.w.log("committed", s.id)
		s.core.Committed()
		s.woken = true
		return true
	case s.pending == nil:
		return false
	}
	seq, err := s.w.disk.shard(s.id).Commit(s.pending)
	if err != nil {
		s.w.fail("commit: %v", err)
	}
	s.pending.Close()
	s.pending, s.synced = nil, true
	s.w.log("synced", s.id, seq)
	return true
}

// flush carries out what the core wants done. The shard may go down in the
// middle of it.
func (s *shard) flush() {
	ev := s.core.Effects()
	n := len(ev.Answers) + len(ev.Segments) + len(ev.Acks)
	if n > 1 && s.w.chance(s.w.faults.crash) {
		n = s.w.rand.IntN(n)
		s.w.seen("crash between the effects of a commit")
		defer s.w.crashAt(s)
	}
	// Effects for different shards have no order.
	slices.SortStableFunc(ev.Segments, func(a, b core.Delivery) int { return int(a.To) - int(b.To) })
	slices.SortStableFunc(ev.Acks, func(a, b core.Ack) int { return int(a.To) - int(b.To) })
	for _, a := range ev.Answers {
		if n--; n >= 0 {
			a.To.Done(a.Resp, a.Err)
		}
	}
	if len(ev.Answers) > 0 && (s.pending != nil || s.core.Wanted()) && s.w.chance(15*s.w.faults.crash) {
		s.w.seen("crash after an answer, with more to commit")
		defer s.w.crashAt(s)
	}
	for _, d := range ev.Segments {
		if n--; n >= 0 && !s.w.loses(conf.Segment) {
			s.w.log("send", s.id, "to", int(d.To), d.Segment.First, d.Segment.Last())
			s.w.channel(s.id, int(d.To)).send(d.Segment)
		}
	}
	for _, a := range ev.Acks {
		if n--; n >= 0 && !s.w.loses(conf.Ack) {
			c := s.w.channel(int(a.To), s.id)
			c.acks = append(c.acks, a)
		}
	}
}

// step is the whole of what a shard's goroutine does when it wakes up.
func (s *shard) step() {
	c := s.core
	s.sweep()
	c.TakeTime(s.w.wall)
	for s.takeOne() {
	}
	s.seal(false)
	if s.host != nil {
		if !s.compose() {
			s.seal(false)
		}
	}
	s.flush()
	if s.core != nil {
		s.wakeAt = s.core.NextTime()
		if s.core.Full() || s.core.Flying() {
			s.wakeAt = max(s.wakeAt, s.w.wall+1e6)
		}
		if s.w.loses(conf.Alarm) {
			s.wakeAt = never
		}
		if s.w.cfg.Sweep >= 0 {
			s.wakeAt = min(s.wakeAt, s.sweepAt)
		}
	}
}

// never is a time that does not come.
const never = wire.Time(1 << 62)

// sweep is the net under the wake-ups, now and then.
func (s *shard) sweep() {
	every, now := wire.Time(s.w.cfg.Sweep), s.w.wall
	if every < 0 || now < s.sweepAt && s.sweepAt-now <= every {
		return
	}
	s.sweepAt = now + every
	s.w.log("sweep", s.id)
	s.core.TakeTime(now)
	s.core.Sweep()
}

// rescues counts what sweeps have found. In one node, where nothing is lost on
// the way, that is nothing unless a wake-up was lost on purpose.
func (s *shard) rescues() {
	if s.core == nil {
		return
	}
	n := int(s.core.Count().Rescued)
	s.w.count["found by a sweep"] += n
	if n > 0 && s.w.node && s.w.edges == 0 {
		s.w.fail("a sweep of shard %d found work %d times, and no wake-up was lost", s.id, n)
	}
}
