package node

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/wire"
)

// Rates of messages, a second.
const (
	minRate = 0.01
	maxRate = 1e7
)

// checkRate refuses a rate that means nothing; 0 is any.
func checkRate(op string, rate float64) error {
	if rate != 0 && (math.IsNaN(rate) || rate < minRate || rate > maxRate) {
		return fault.New(fault.Invalid, op, "", "a rate of %v a second is out of range: %v to %v are allowed, and 0 is as fast as possible", rate, minRate, float64(maxRate))
	}
	return nil
}

// maxReason bounds the reason that is given for something, in bytes.
const maxReason = 1000

func checkReason(op, reason string) error {
	if len(reason) > maxReason {
		return fault.New(fault.Invalid, op, "", "the reason has %d bytes; at most %d are allowed", len(reason), maxReason)
	}
	return nil
}

// within returns the shards that a pause of a scope is of.
func (n *Node) within(s wire.Scope) []*shard.Shard {
	if s.Key != "" {
		return []*shard.Shard{n.shardOf(wire.ObjectID{Type: s.Type, Key: s.Key})}
	}
	return n.shards
}

// Pause has what arrives for a function, a type or an object parked as rows, from
// when it returns on. The error is of kind fault.NotFound if the program has no
// such thing. One that is paused stays so, and one that is being resumed stops.
func (n *Node) Pause(ctx context.Context, s wire.Scope, reason string) error {
	if err := cmp.Or(s.Check(), checkReason("pause", reason), n.exists(s), n.store.Writable()); err != nil {
		return err
	}
	for _, sh := range n.within(s) {
		if err := sh.Pause(ctx, s, reason); err != nil {
			return err
		}
	}
	return n.seePauses(ctx)
}

// exists reports whether the program has what a scope names.
func (n *Node) exists(s wire.Scope) error {
	o := n.offered.Load()
	if o == nil { // no program was ever there: who knows what comes
		return nil
	}
	ix := o.index
	switch {
	case s.Function != "" && !slices.Contains(ix.Methods(""), s.Function):
		if m, _ := ix.Method(wire.Address{Method: s.Function}); m == nil {
			return missing("function", s.Function, "functions", ix.Methods(""))
		}
	case s.Function == "" && !slices.Contains(ix.Types(), s.Type):
		return missing("type", s.Type, "types", ix.Types())
	}
	return nil
}

// Resume lets go what is parked, in the order in which it arrived at its object,
// rate messages a second in all; 0 is as fast as possible. What arrives meanwhile
// comes after. The error is of kind fault.NotFound if it is not paused.
func (n *Node) Resume(ctx context.Context, s wire.Scope, rate float64) error {
	if err := cmp.Or(s.Check(), checkRate("resume", rate), n.store.Writable()); err != nil {
		return err
	}
	shards := n.within(s)
	parked, total, found := make([]int, len(shards)), 0, false
	for i, sh := range shards {
		list, err := sh.Pauses(ctx)
		if err != nil {
			return err
		}
		for _, p := range list {
			if p.Scope == s {
				parked[i], total, found = p.Parked, total+p.Parked, true
			}
		}
	}
	if !found {
		return fault.New(fault.NotFound, "resume", "", "%s is not paused", s.Words())
	}
	for i, sh := range shards {
		err := sh.Resume(ctx, s, share(rate, parked[i], total, len(shards)))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return n.seePauses(ctx)
}

// share is the part of a rate that a shard gets with so many messages of all: so
// all end at the same time.
func share(rate float64, of, total, shards int) float64 {
	if total == 0 {
		return rate / float64(shards)
	}
	if rate == 0 {
		return 0
	}
	return max(rate*float64(of)/float64(total), minRate/float64(shards))
}

// Pauses returns what is paused, in the order of names.
func (n *Node) Pauses(ctx context.Context) ([]wire.Pause, error) {
	var all []wire.Pause
	for _, sh := range n.shards {
		list, err := sh.Pauses(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return merge(all), nil
}

// merge makes one pause of those that several shards have of a scope.
func merge(all []wire.Pause) (merged []wire.Pause) {
	slices.SortStableFunc(all, func(a, b wire.Pause) int { return strings.Compare(a.String(), b.String()) })
	for _, p := range all {
		if len(merged) == 0 || merged[len(merged)-1].Scope != p.Scope {
			merged = append(merged, p)
			continue
		}
		m := &merged[len(merged)-1]
		m.Since, m.Reason = min(m.Since, p.Since), cmp.Or(m.Reason, p.Reason)
		m.Draining = m.Draining && p.Draining
		m.Rate, m.Parked, m.Bytes = m.Rate+p.Rate, m.Parked+p.Parked, m.Bytes+p.Bytes
	}
	return merged
}

// openPauses makes what is paused in one shard paused in all that it is about: a
// crash may have come between.
func (n *Node) openPauses() {
	var all []wire.Pause
	for _, sh := range n.shards {
		all = append(all, sh.PausedBefore()...)
	}
	all = merge(all)
	for _, p := range all {
		for _, sh := range n.within(p.Scope) {
			if !p.Draining {
				sh.PauseBefore(p)
			}
		}
	}
	n.notePauses(all)
}

// seePauses notes which functions are paused: their calls go through a shard.
func (n *Node) seePauses(ctx context.Context) error {
	all, err := n.Pauses(ctx)
	if err == nil {
		n.notePauses(all)
	}
	return err
}

func (n *Node) notePauses(all []wire.Pause) {
	var names map[string]bool
	for _, p := range all {
		if p.Function != "" {
			if names == nil {
				names = map[string]bool{}
			}
			names[p.Function] = true
		}
	}
	if names == nil {
		n.paused.Store(nil)
		return
	}
	n.paused.Store(&names)
}

// watchPauses looks whether functions that were paused still are.
func (n *Node) watchPauses() {
	names := n.paused.Load()
	if names == nil || slices.ContainsFunc(n.shards, (*shard.Shard).FunctionsPaused) {
		return
	}
	n.paused.CompareAndSwap(names, nil)
}

// Cancel cancels the chain of a recorded call: who waits for it is told, once, and
// what is work for it is not run any more, but what cleans up. It returns when that
// is durable where the record is; the other shards follow. The error is of kind
// fault.NotFound if there is no such record, and of kind fault.Conflict if the call
// is over.
func (n *Node) Cancel(ctx context.Context, id wire.InvocationID, reason string) error {
	if err := cmp.Or(checkReason("cancel", reason), n.store.Writable()); err != nil {
		return err
	}
	sh, err := n.home(string(id))
	if err != nil {
		return err
	}
	return sh.Cancel(ctx, id, reason)
}

// Dead returns up to limit dead letters, to objects of a type if typ is set, as
// Letters does.
func (n *Node) Dead(ctx context.Context, typ, cursor string, limit int) (letters []wire.DeadLetter, next string, err error) {
	return n.Letters(ctx, &wire.DeadFilter{Type: typ}, cursor, limit)
}

// Letters returns up to limit dead letters that a filter chooses, after the one that
// cursor names; next is "" after the last.
func (n *Node) Letters(ctx context.Context, f *wire.DeadFilter, cursor string, limit int) (letters []wire.DeadLetter, next string, err error) {
	if err := f.Check(); err != nil {
		return nil, "", err
	}
	first, after := 0, wire.Seq(0)
	if cursor != "" {
		var seq uint64
		if _, err := fmt.Sscanf(cursor, "%d-%d", &first, &seq); err != nil || first < 0 {
			return nil, "", fault.New(fault.Invalid, "dead letters", cursor, "this is no cursor of a list of dead letters")
		}
		after = wire.Seq(seq)
	}
	for i := first; i < len(n.shards); i++ {
		err := n.shards[i].DeadLetters(after, func(_ wire.Seq, d *wire.DeadLetter) bool {
			if !f.Match(d) {
				return ctx.Err() == nil
			}
			if len(letters) == limit {
				next = letters[limit-1].ID
				return false
			}
			letters = append(letters, *d)
			return true
		})
		if err := ctx.Err(); err != nil {
			return nil, "", fault.Wrap(fault.Canceled, "dead letters", "", err)
		}
		if err != nil || next != "" {
			return letters, next, err
		}
		after = 0
	}
	return letters, "", nil
}

// Redrive has the dead letters that j's filter chooses run again, or dropped, at
// j's rate; 0 is as fast as possible. It returns what there is to do, and that it has
// begun durably: it goes on after a restart. With dry it only counts.
func (n *Node) Redrive(ctx context.Context, j wire.Redrive, dry bool) (wire.Redrive, error) {
	if err := cmp.Or(j.Filter.Check(), checkRate("redrive", j.Rate), n.store.Writable()); err != nil {
		return j, err
	}
	counts := make([]int, len(n.shards))
	for i, sh := range n.shards {
		err := sh.DeadLetters(0, func(_ wire.Seq, d *wire.DeadLetter) bool {
			if j.Filter.Match(d) {
				counts[i]++
			}
			return ctx.Err() == nil
		})
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return j, fault.Wrap(fault.KindOf(err), "redrive", "", err)
		}
		j.Total += counts[i]
	}
	if dry {
		return j, nil
	}
	j.ID, j.Made = "r"+strconv.FormatUint(rand.Uint64(), 36), wire.Time(time.Now().UnixNano())
	for i, sh := range n.shards {
		if counts[i] == 0 && (j.Total > 0 || i > 0) { // one remembers it, even if there is nothing to do
			continue
		}
		part := j
		part.Total, part.Rate = counts[i], share(j.Rate, counts[i], j.Total, 1)
		if err := sh.BeginRedrive(ctx, part); err != nil {
			return j, err
		}
	}
	return j, nil
}

// Redrives returns the redrives that go on and the last that ended, oldest first.
func (n *Node) Redrives(ctx context.Context) ([]wire.Redrive, error) {
	at := map[string]int{}
	var all []wire.Redrive
	for _, sh := range n.shards {
		list, err := sh.Redrives(ctx)
		if err != nil {
			return nil, err
		}
		for _, j := range list {
			i, known := at[j.ID]
			if !known {
				at[j.ID] = len(all)
				all = append(all, j)
				continue
			}
			m := &all[i]
			m.Total, m.Done, m.Rate, m.Stopped = m.Total+j.Total, m.Done+j.Done, m.Rate+j.Rate, m.Stopped || j.Stopped
			if m.Finished == 0 || j.Finished == 0 {
				m.Finished = 0
			} else {
				m.Finished = max(m.Finished, j.Finished)
			}
		}
	}
	slices.SortFunc(all, func(a, b wire.Redrive) int { return cmp.Or(cmp.Compare(a.Made, b.Made), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// StopRedrive stops a redrive: what it has not come to stays. The error is of kind
// fault.NotFound if there is none, and of kind fault.Conflict if it is finished.
func (n *Node) StopRedrive(ctx context.Context, id string) error {
	var last error = fault.New(fault.NotFound, "redrive", id, "there is no such redrive")
	stopped := false
	for _, sh := range n.shards {
		switch err := sh.StopRedrive(ctx, id); {
		case err == nil:
			stopped = true
		case fault.Is(err, fault.Conflict):
			last = err
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	if stopped {
		return nil
	}
	return last
}
