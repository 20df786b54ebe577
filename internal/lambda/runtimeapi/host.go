package runtimeapi

import (
	"context"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// Event is one invocation.
type Event struct {
	Payload []byte // JSON
	Request string // its id
	ARN     string // of the function, as it was invoked
	Trace   string // X-Ray's header, "" if there is none
	Client  string // JSON of the client context, "" if there is none
}

// Result is what came of it.
type Result struct {
	Payload []byte // JSON: what the handler returned, or its error
	Failed  bool   // it is an error
}

// Host runs one function: as many instances as there is work for, up to a
// bound. Close it.
type Host struct {
	Function
	cfg Config
	cmd command

	mu     sync.Mutex
	idle   []*instance // the last was used last
	count  int         // instances, with those that start
	freed  chan struct{}
	closed bool
	group  sync.WaitGroup // instances
}

// NewHost checks f and returns its host. The error, of kind fault.Invalid, says
// what is wrong with f. Nothing is started before there is work.
func NewHost(f Function, cfg Config) (*Host, error) {
	cfg = cfg.withDefaults()
	cmd, err := cfg.prepare(&f)
	if err != nil {
		return nil, err
	}
	return &Host{Function: f, cfg: cfg, cmd: cmd, freed: make(chan struct{})}, nil
}

// Invoke has an instance carry out e. An invocation that fails, and an instance
// that ends or takes too long, are results; the error says that e was not
// carried out, or that ctx was done meanwhile.
func (h *Host) Invoke(ctx context.Context, e Event) (Result, error) {
	in, err := h.take(ctx)
	if err != nil {
		return Result{}, err
	}
	res, err := in.invoke(ctx, e)
	h.give(in)
	return res, err
}

// take returns an instance that has no work, when there is one or may be one
// more.
func (h *Host) take(ctx context.Context) (*instance, error) {
	for {
		h.mu.Lock()
		if h.closed {
			h.mu.Unlock()
			return nil, fault.New(fault.Unavailable, "lambda.invoke", h.Name, "the platform stops")
		}
		if n := len(h.idle); n > 0 {
			in := h.idle[n-1]
			h.idle = h.idle[:n-1]
			h.mu.Unlock()
			if in.wanted() {
				return in, nil
			}
			continue // it has ended meanwhile
		}
		if h.count < h.Most {
			h.count++
			h.group.Add(1)
			h.mu.Unlock()
			in, err := h.start(ctx)
			if err != nil {
				h.gone()
			}
			return in, err
		}
		freed := h.freed
		h.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, fault.New(fault.Timeout, "lambda.invoke", h.Name, "all %d instances were busy all the time", h.Most)
		}
	}
}

// give takes an instance back after an invocation.
func (h *Host) give(in *instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !in.usable() || h.closed {
		in.kill()
		return // gone tells that there is room for another
	}
	in.rest = time.AfterFunc(h.cfg.Idle, in.kill)
	h.idle = append(h.idle, in)
	h.wake()
}

// wake tells those who wait for an instance. The lock is held.
func (h *Host) wake() {
	close(h.freed)
	h.freed = make(chan struct{})
}

// gone says that an instance has ended.
func (h *Host) gone() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	h.wake()
	h.group.Done()
}

// Close ends all instances, whatever they do, and waits for that. It may be
// called twice.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	for _, in := range h.idle {
		in.kill()
	}
	h.wake()
	h.mu.Unlock()
	h.group.Wait()
}
