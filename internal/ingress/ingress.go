package ingress

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Engine carries out calls.
type Engine interface {
	// Begin begins to carry out r. If the answer is there at once, it is
	// returned, leave is nil, and r is not looked at any more. Else done is called once with it, from any
	// goroutine and perhaps before Begin returns; leave says that nobody waits
	// for it any more. An error means that the call was refused, or that its
	// outcome is unknown (fault.Timeout); a handler's own error is in the
	// response. A function may run on the goroutine that calls Begin.
	Begin(r *wire.Request, done func(*wire.Response, error)) (resp *wire.Response, leave func(), err error)
	// Invocation returns the record of a call, after waiting up to wait for
	// its answer. It is of kind fault.NotFound if there is no record.
	Invocation(ctx context.Context, id wire.InvocationID, wait time.Duration) (*wire.Invocation, error)
	// Manifest returns what the loaded program announces, nil if there is
	// none. The same pointer means the same program.
	Manifest() *host.Manifest
}

// Crowded is what an Engine may also be: it knows of objects that take no calls
// now, so that a call to one is refused before its input is read.
type Crowded interface {
	// Full returns the refusal, of kind fault.Busy, or nil. R has no input yet.
	Full(r *wire.Request) error
}

// Objects shows and deletes objects.
type Objects interface {
	// Object returns committed state; fault.NotFound if there is none.
	Object(ctx context.Context, id wire.ObjectID) (*turn.State, wire.ObjectInfo, error)
	Delete(ctx context.Context, id wire.ObjectID) error
	// List returns up to limit objects of a type whose keys begin with prefix,
	// in order, from cursor ("" is the first); next is "" after the last.
	List(ctx context.Context, typ, prefix, cursor string, limit int) (infos []wire.ObjectInfo, next string, err error)
}

// DeadLetters shows and settles messages that were given up.
type DeadLetters interface {
	// Letters returns up to limit letters that f chooses, after the one that cursor
	// names; next is "" after the last.
	Letters(ctx context.Context, f *wire.DeadFilter, cursor string, limit int) (letters []wire.DeadLetter, next string, err error)
	DeadLetter(ctx context.Context, id string) (*wire.DeadLetter, error)
	RetryDead(ctx context.Context, id string) error
	DropDead(ctx context.Context, id string) error
}

// Status is what a Monitor tells. It is api.Status, so that clients have it.
type Status = api.Status

// Monitor tells how the node is doing.
type Monitor interface {
	Status(ctx context.Context) (*Status, error)
}

// Healthy is what a Monitor may also be: it returns an error of kind
// fault.Unavailable while calls are taken and some may not be carried out.
type Healthy interface {
	Healthy() error
}

// Platform is all that a Handler needs. The parts may be one thing.
type Platform struct {
	Engine      Engine
	Objects     Objects
	DeadLetters DeadLetters
	Monitor     Monitor
	Chains      Chains      // nil: the door shows none
	Deployments Deployments // nil: nothing can be deployed
}

// Config says what a Handler allows. Its zero value works.
type Config struct {
	// MaxBody bounds the payload of a call, in bytes. Default 1 MiB.
	MaxBody int64
	// Patience is how long a call may take before its caller is told that the
	// outcome is unknown. Default 1 minute.
	Patience time.Duration
	// MaxWait bounds how long a request may ask to wait. Default 1 minute.
	MaxWait time.Duration
	// Local refuses requests that name another host than this machine: set it
	// when listening on a loopback address, so that a web page cannot reach
	// the door by giving its own name that address.
	Local bool
	// CallbackURL returns why answers are not posted to a URL, nil if they are.
	// Default: to none.
	CallbackURL func(url string) error
	// Price is what time costs in a usage report. Default: meter.DefaultPrice.
	Price meter.Price
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Log receives one line for each schema that cannot be used and each
	// failure of ours. Default: discarded.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.MaxWait == 0 {
		c.MaxWait = time.Minute
	}
	if c.Price == (meter.Price{}) {
		c.Price = meter.DefaultPrice
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Handler serves the HTTP API. It is an h1.Handler and an http.Handler, safe
// for concurrent use.
type Handler struct {
	p        Platform
	cfg      Config
	full     func(r *wire.Request) error // of Crowded; nil if the engine is not
	controls Controls                    // nil if the engine is none
	cross    *http.CrossOriginProtection
	cat      atomic.Pointer[catalogue]
}

// New returns a handler in front of p.
func New(p Platform, cfg Config) *Handler {
	h := &Handler{p: p, cfg: cfg.withDefaults(), cross: http.NewCrossOriginProtection()}
	if c, ok := p.Engine.(Crowded); ok {
		h.full = c.Full
	}
	h.controls, _ = p.Engine.(Controls)
	return h
}

// Server returns a server for h with the limits that an open port needs. Log
// receives failures of ours; nil is nobody.
func Server(h *Handler, log *slog.Logger) *h1.Server {
	return &h1.Server{Handler: h, Log: log, Limits: h1.Limits{Answer: h.cfg.Patience + h.cfg.MaxWait, Body: bodyTimeout}}
}
