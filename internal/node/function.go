package node

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/shard/figure"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// drain takes no more calls, and lets functions that run beside the shards
// finish, because the shards may have to commit what they leave.
func (n *Node) drain(ctx context.Context) {
	n.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Drain)
	defer cancel()
	n.drainFunctions(ctx)
	_ = n.Flush(ctx) // a shard that has stopped says why itself
}

// besides returns the program that runs r without a shard, and what decides that,
// nil if a shard is needed: for a record, for a timer or a deadline, or because nothing
// else runs functions.
func (n *Node) besides(r *wire.Request) (p *Program, stick uint64) {
	if !r.To.Function() || r.Key != "" || r.Async || r.Due != 0 || r.Until != 0 || r.Within != 0 {
		return nil, 0
	}
	if names := n.paused.Load(); names != nil && (*names)[r.To.Method] {
		return nil, 0 // its shard says what becomes of it
	}
	o := n.offered.Load()
	if o == nil {
		return nil, 0
	}
	if stick = r.Stick; stick == 0 && len(o.functions[r.To.Method]) > 1 {
		stick = rand.Uint64() | 1 // each its own
	}
	if p = o.runs(r.To.Method, stick); p == nil || p.functions.Load() == nil {
		return nil, 0
	}
	return p, stick
}

// functionCall is a function that runs beside the shards. Should it need one,
// it gets that of its callback.
type functionCall struct {
	begun
	env   wire.Envelope
	back  wire.Callback
	shard *shard.Shard
	seed  uint64
	resp  wire.Response
	what  *host.MethodManifest
	count *figure.Figures // nil: nobody wants it

	mu   sync.Mutex
	away bool // nobody waits
}

// function runs a function and returns as Begin does. With a result that
// leaves nothing behind, no shard ever hears of it (law 1 asks for a commit
// only of what is to last).
func (n *Node) function(p *Program, stick uint64, m *host.MethodManifest, r *wire.Request, size int64, done func(*wire.Response, error)) (*wire.Response, func(), error) {
	i := n.turnstile.Add(1)
	id := wire.ShardID(i % uint64(len(n.shards)))
	now := wire.Time(time.Now().UnixNano())
	c := &functionCall{begun: begun{n: n, size: size, done: done}, shard: n.shards[id], what: m, count: p.figures, seed: rand.Uint64() | 1}
	c.back = wire.Callback{Kind: wire.ToInvocation, ID: rows.ID(id, n.boot, i), Shard: id, Format: r.Want}
	c.env = wire.Envelope{Kind: wire.Call, To: r.To, Body: r.Body, Back: &c.back, Policy: r.Policy, Lineage: wire.Lineage{Trace: r.Trace, Stick: stick}.Some(), Made: now, Note: wire.Volatile}
	res, err := p.run(&c.env, now, c.seed, c)
	switch {
	case err != nil:
		c.release()
		return nil, nil, err
	case res == nil:
		return nil, c.left, nil
	}
	if c.ran(res); c.plain(res) {
		c.release()
		return c.response(res), nil, nil
	}
	c.gone = c.shard.Finish(&c.env, res, c.seed, c.answered)
	return nil, c.leave, nil
}

// run runs a call of a function. A program that has lost its worker meanwhile gives
// it back.
func (p *Program) run(env *wire.Envelope, now wire.Time, seed uint64, later turn.Taker) (*turn.Result, error) {
	f := p.functions.Load()
	if f == nil {
		return &turn.Result{Outcome: turn.Skipped}, nil
	}
	return (*f).Run(env, now, seed, later)
}

// plain reports whether a result is an answer and nothing else: not one that a
// policy has run again, or told to somebody.
func (c *functionCall) plain(res *turn.Result) bool {
	if res.Outcome != turn.Done || len(res.Sends) > 0 || res.Moved {
		return false
	}
	if res.Fail == nil {
		return true
	}
	p := c.n.offered.Load().index.Policy(&c.env)
	return p.OnFail == wire.Address{} && !turn.Retried(p, res.Fail)
}

func (c *functionCall) response(res *turn.Result) *wire.Response {
	c.n.Ran(c.what, res)
	c.resp = wire.Response{Done: true, Body: res.Answer, Fail: res.Fail}
	return &c.resp
}

// ran counts a result for its version.
func (c *functionCall) ran(res *turn.Result) {
	if c.count != nil {
		c.count.Result(res)
	}
}

// Take implements turn.Taker: the result did not come at once.
func (c *functionCall) Take(res *turn.Result) {
	c.ran(res)
	if res != nil && c.plain(res) {
		c.answered(c.response(res), nil)
		return
	}
	leave := c.shard.Finish(&c.env, res, c.seed, c.answered)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone = leave; c.away {
		leave()
	}
}

// left says that nobody waits any more.
func (c *functionCall) left() {
	c.release()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away = true; c.gone != nil {
		c.gone()
	}
}

// invoke runs a function for a caller who may leave before it returns: on a
// goroutine of its own.
func (n *Node) invoke(r *wire.Request, done func(*wire.Response, error)) (*wire.Response, func(), error) {
	if p, _ := n.besides(r); p == nil {
		return n.Begin(r, done)
	}
	go func() { // ends with the handler
		if resp, leave, err := n.Begin(r, done); leave == nil {
			done(resp, err)
		}
	}()
	return nil, func() {}, nil
}
