package host

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Turn is what user code may see of the turn it takes. It is the context of
// that turn: done when the turn's time is up or its runner closes.
type Turn struct {
	Env    *wire.Envelope
	Method *Method
	Now    wire.Time
	// Attempt is how often the message was run before. That of the envelope counts on
	// when a handler is given up that does not return.
	Attempt uint32
	Shard   wire.ShardID // which commits what the turn leaves
	Seed    uint64
	Log     *slog.Logger
	Verify  bool // check what is otherwise trusted: that read-only methods write nothing
	User    any  // the user's side of the turn, of who made it; see Set.Turns

	base    *time.Time
	began   time.Duration // since base
	timeout time.Duration // negative: never
	limited bool          // the timeout is what is left until the deadline of the call
	apart   *apart        // set when the run is detached
	mu      sync.Mutex
	done    chan struct{}
	err     error
}

var _ context.Context = (*Turn)(nil)

// Deadline returns the time at which the turn counts as failed.
func (t *Turn) Deadline() (deadline time.Time, ok bool) {
	if t.timeout <= 0 {
		return deadline, false
	}
	return t.base.Add(t.began + t.timeout), true
}

// Done returns a channel that is closed when the turn should end.
func (t *Turn) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done == nil {
		t.done = make(chan struct{})
		if t.err != nil {
			close(t.done)
		}
	}
	return t.done
}

// Err returns why the turn should end, nil while it may go on.
func (t *Turn) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Value returns nil: a turn carries nothing but itself.
func (t *Turn) Value(any) any { return nil }

// limit gives the turn a time limit, and none beyond the deadline of the call
// that it takes. What goes on after an answer has none: it may be there to clean
// up.
func (t *Turn) limit(timeout time.Duration) {
	t.timeout = timeout
	if t.Env.Deadline() == 0 || t.Env.Kind != wire.Call {
		return
	}
	if left := time.Duration(t.Env.Deadline() - t.Now); timeout <= 0 || left < timeout {
		t.timeout, t.limited = left, true
	}
}

// Limited reports whether the turn's time is over when the deadline of its call is.
func (t *Turn) Limited() bool { return t.limited }

// overdue returns the failure of a call whose deadline has come before it was run,
// nil for others.
func overdue(env *wire.Envelope, now wire.Time) *wire.Failure {
	if env.Deadline() == 0 || env.Deadline() > now || env.Kind != wire.Call {
		return nil
	}
	return &wire.Failure{Kind: fault.Timeout.String(), Message: env.To.String() + " was not run: its deadline was over before it could begin"}
}

func (t *Turn) cancel(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	t.err = err
	if t.done != nil {
		close(t.done)
	}
}

// expired returns the failure of a turn whose time is up.
func expired(on wire.Address, d time.Duration) *wire.Failure {
	return &wire.Failure{Kind: fault.Timeout.String(),
		Message: "the handler of " + on.String() + " did not return within " + d.String()}
}
