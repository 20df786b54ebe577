package node

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Invocation returns the record of a call, after waiting up to wait for its
// answer. It is of kind fault.NotFound if there is no record (any more).
func (n *Node) Invocation(ctx context.Context, id wire.InvocationID, wait time.Duration) (*wire.Invocation, error) {
	sh, err := n.home(string(id))
	if err != nil {
		return nil, err
	}
	rec, err := sh.Invocation(id)
	if err != nil {
		return nil, err
	}
	if rec != nil && rec.Finished == 0 && wait > 0 {
		done := make(chan error, 1)
		leave := sh.Await(id, func(err error) { done <- err })
		defer leave()
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case err := <-done:
			if err != nil {
				return nil, err
			}
		case <-t.C:
		case <-ctx.Done():
		}
		if rec, err = sh.Invocation(id); err != nil {
			return nil, err
		}
	}
	if rec == nil || rec.Expires != 0 && rec.Expires <= wire.Time(time.Now().UnixNano()) {
		return nil, fault.New(fault.NotFound, "invocation", string(id), "there is no such record: records of asynchronous calls and of calls with an idempotency key are kept for a time")
	}
	return rec, nil
}

// home returns the shard that an invocation's name begins with.
func (n *Node) home(id string) (*shard.Shard, error) {
	num, _, ok := strings.Cut(id, "-")
	i, err := strconv.ParseUint(num, 16, 16)
	if !ok || err != nil || int(i) >= len(n.shards) {
		return nil, fault.New(fault.NotFound, "invocation", id, "there is no such record")
	}
	return n.shards[i], nil
}

// record returns the record of an invocation, nil if there is none any more.
func (n *Node) record(id wire.InvocationID) (*wire.Invocation, error) {
	sh, err := n.home(string(id))
	if err != nil {
		return nil, nil // it is none of ours
	}
	return sh.Invocation(id)
}

func (n *Node) shardOf(id wire.ObjectID) *shard.Shard {
	return n.shards[place.Shard(id, len(n.shards))]
}

// Object returns an object's durable state; fault.NotFound if it has none.
func (n *Node) Object(ctx context.Context, id wire.ObjectID) (*turn.State, wire.ObjectInfo, error) {
	return n.shardOf(id).View(ctx, id)
}

// Delete removes an object's state; fault.NotFound if it has none.
func (n *Node) Delete(ctx context.Context, id wire.ObjectID) error {
	if err := n.store.Writable(); err != nil {
		return err
	}
	return n.shardOf(id).Remove(ctx, id)
}

// List returns up to limit objects of a type whose keys begin with prefix, in
// order, after the key cursor; next is "" after the last.
func (n *Node) List(ctx context.Context, typ, prefix, cursor string, limit int) (infos []wire.ObjectInfo, next string, err error) {
	for _, sh := range n.shards {
		if err := ctx.Err(); err != nil {
			return nil, "", fault.Wrap(fault.Canceled, "list", typ, err)
		}
		have := 0
		err := sh.List(typ, prefix, cursor, func(info wire.ObjectInfo) bool {
			infos = append(infos, info)
			have++
			return have <= limit
		})
		if err != nil {
			return nil, "", err
		}
	}
	slices.SortFunc(infos, func(a, b wire.ObjectInfo) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
	if len(infos) > limit {
		infos = infos[:limit]
		next = infos[limit-1].ID.Key
	}
	return infos, next, nil
}

func (n *Node) deadHome(id string) (*shard.Shard, wire.Seq, error) {
	num, seq, ok := strings.Cut(id, "-")
	i, err := strconv.ParseUint(num, 10, 16)
	s, err2 := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil || err2 != nil || int(i) >= len(n.shards) {
		return nil, 0, fault.New(fault.NotFound, "dead letter", id, "there is no such dead letter")
	}
	return n.shards[i], wire.Seq(s), nil
}

// DeadLetter returns one dead letter; fault.NotFound if there is none.
func (n *Node) DeadLetter(_ context.Context, id string) (found *wire.DeadLetter, err error) {
	sh, seq, err := n.deadHome(id)
	if err != nil {
		return nil, err
	}
	err = sh.DeadLetters(seq-1, func(s wire.Seq, d *wire.DeadLetter) bool {
		if s == seq {
			found = d
		}
		return false
	})
	if err == nil && found == nil {
		err = fault.New(fault.NotFound, "dead letter", id, "there is no such dead letter")
	}
	return found, err
}

// RetryDead runs a dead letter's message again.
func (n *Node) RetryDead(ctx context.Context, id string) error {
	sh, _, err := n.deadHome(id)
	if err := cmp.Or(err, n.store.Writable()); err != nil {
		return err
	}
	return sh.Redrive(ctx, id)
}

// DropDead removes a dead letter.
func (n *Node) DropDead(ctx context.Context, id string) error {
	sh, _, err := n.deadHome(id)
	if err != nil {
		return err
	}
	return sh.ForgetDead(ctx, id)
}

// Figures returns what each shard did and has.
func (n *Node) Figures(ctx context.Context) ([]shard.Stats, error) {
	all := make([]shard.Stats, len(n.shards))
	for i, sh := range n.shards {
		var err error
		if all[i], err = sh.Stats(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}
