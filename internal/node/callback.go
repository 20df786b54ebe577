package node

import (
	"context"

	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/shard/promise"
	"github.com/situ-dev/situ/internal/wire"
)

// Token returns what a callback token is waited for with. The error is of kind
// fault.NotFound, fault.Used or fault.Gone if it cannot be answered.
func (n *Node) Token(ctx context.Context, token wire.InvocationID) (*wire.Promise, error) {
	sh, err := n.tokenHome(token)
	if err != nil {
		return nil, err
	}
	return sh.Token(ctx, token)
}

// AnswerToken answers for whoever has a callback token, with a value or a failure,
// once. It returns when that is durable. The error is as that of Token.
func (n *Node) AnswerToken(ctx context.Context, token wire.InvocationID, body wire.Payload, fail *wire.Failure) error {
	sh, err := n.writable(token)
	if err != nil {
		return err
	}
	return sh.AnswerToken(ctx, token, body, fail)
}

// BeatToken notes that whoever has a callback token is at work. The error is as
// that of Token.
func (n *Node) BeatToken(ctx context.Context, token wire.InvocationID) error {
	sh, err := n.writable(token)
	if err != nil {
		return err
	}
	return sh.BeatToken(ctx, token)
}

func (n *Node) writable(token wire.InvocationID) (*shard.Shard, error) {
	if err := n.store.Writable(); err != nil {
		return nil, err
	}
	return n.tokenHome(token)
}

// tokenHome returns the shard that has the promise of a token, if there is one.
func (n *Node) tokenHome(token wire.InvocationID) (*shard.Shard, error) {
	id, ok := wire.TokenShard(token)
	if !ok || int(id) >= len(n.shards) {
		return nil, promise.Usable(nil)
	}
	return n.shards[id], nil
}
