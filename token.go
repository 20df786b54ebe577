package situ

import (
	"crypto/rand"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Token returns a call whose callee is whoever has the token: somebody outside,
// who is told it by the turn (in a message, say, or in the state), and answers
// with POST /v1/callbacks/{token} or `situ callback`. Make the call with Then,
// Tail or Ask, as any other; its result is the answer, which fits O, or an error:
// of Kind "failed" if that is the answer, of Kind "timeout" if nobody answers
// before the token expires, after it.
//
// A token is a secret of 128 random bits, and is answered once. A turn that is run
// again, because its first run failed, makes another one: the first is worth
// nothing. So hand a token to what sends it by a message of the turn.
func Token[O any](t *Turn, expiry time.Duration) (call Call[O], token string) {
	t.live()
	token = string(t.newToken())
	return Callback[O](token, expiry), token
}

// Callback returns the call of a token that Token has returned to an earlier turn
// of the same object, and that was not called yet.
func Callback[O any](token string, expiry time.Duration) Call[O] {
	id := wire.InvocationID(token)
	c := Call[O]{to: wire.Address{Type: wire.TokenType, Key: token, Method: "wait"}, in: wire.Payload{Format: wire.JSON, Data: schemaOf[O]()}}
	if _, ok := wire.TokenShard(id); !ok {
		c.err = fault.New(fault.Invalid, "call", "callback token", "it is no callback token: use what situ.Token has returned")
	}
	return c.Within(expiry)
}

// Heartbeat bounds how long whoever has a callback token may be silent: if there
// is neither an answer nor a heartbeat for d, the call is answered with Kind
// "timeout". Other calls have no heartbeat: it is an error of the verb.
func (c Call[O]) Heartbeat(d time.Duration) Call[O] {
	switch c.beat = d; {
	case c.err != nil:
	case c.to.Type != wire.TokenType:
		c.err = fault.New(fault.Invalid, "call", c.String(), "only the call of a callback token has a heartbeat")
	case d <= 0:
		c.err = fault.New(fault.Invalid, "call", c.String(), "a heartbeat every %v cannot be", d)
	}
	return c
}

// newToken returns a name for a promise that nobody can guess.
func (t *Turn) newToken() wire.InvocationID {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	return wire.NewToken(t.h.Shard, secret)
}

// keep returns the callback that answers back later. If the chain of the call may be
// cancelled meanwhile, that is a promise of the shard: it tells who waits, who is then answered
// once. A caller outside is told by its record.
func (t *Turn) keep(back *wire.Callback) *wire.Callback {
	env := t.h.Env
	if back == nil || back.Kind == wire.ToInvocation || env.Chain() == "" || env.Free() || env.To.Function() || t.h.Method.Tells {
		return back
	}
	hold, promise := wire.HoldCall(t.newToken(), t.h.Shard, back, env.To.Object())
	hold.Made = t.h.Now
	line := wire.Lineage{Chain: env.Chain(), Deadline: t.deadline()}
	hold.Lineage = line.Some()
	t.send(hold, nil)
	return promise
}
