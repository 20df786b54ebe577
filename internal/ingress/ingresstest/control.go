package ingresstest

import (
	"context"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Pause notes a pause; two messages are parked at once.
func (p *Platform) Pause(ctx context.Context, s wire.Scope, reason string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.Check(); err != nil {
		return err
	}
	if s.Type != "counter" && s.Function != "echo" {
		return fault.New(fault.NotFound, "pause", s.String(), "there is no such type or function")
	}
	p.Paused = append(p.Paused, wire.Pause{Scope: s, Reason: reason, Since: Epoch, Parked: 2, Bytes: 300})
	return nil
}

// Resume notes the rate of a pause.
func (p *Platform) Resume(ctx context.Context, s wire.Scope, rate float64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.Paused {
		if p.Paused[i].Scope == s {
			p.Paused[i].Draining, p.Paused[i].Rate = true, rate
			return nil
		}
	}
	return fault.New(fault.NotFound, "resume", "", "%s is not paused", s.Words())
}

// Pauses lists them.
func (p *Platform) Pauses(ctx context.Context) ([]wire.Pause, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]wire.Pause(nil), p.Paused...), nil
}

// Redrive drops the letters, or runs them, at once.
func (p *Platform) Redrive(ctx context.Context, j wire.Redrive, dry bool) (wire.Redrive, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := j.Filter.Check(); err != nil {
		return j, err
	}
	for _, id := range keys(p.Dead) {
		if !j.Filter.Match(p.Dead[id]) {
			continue
		}
		if j.Total++; !dry {
			delete(p.Dead, id)
		}
	}
	if dry {
		return j, nil
	}
	j.ID, j.Done, j.Made, j.Finished = "r1", j.Total, Epoch, Epoch+1e9
	p.Driven = append(p.Driven, j)
	return j, nil
}

// Redrives lists them.
func (p *Platform) Redrives(ctx context.Context) ([]wire.Redrive, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]wire.Redrive(nil), p.Driven...), nil
}

// StopRedrive finds them all finished.
func (p *Platform) StopRedrive(ctx context.Context, id string) error {
	return fault.New(fault.Conflict, "redrive", id, "the redrive is finished")
}

// Cancel cancels a call that has no answer.
func (p *Platform) Cancel(ctx context.Context, id wire.InvocationID, reason string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	inv := p.Calls[id]
	if inv == nil {
		return fault.New(fault.NotFound, "cancel", string(id), "there is no such record")
	}
	if inv.Finished != 0 {
		return &fault.Error{Kind: fault.Conflict, Op: "cancel", On: string(id), Msg: "the call is over: it was answered", Code: "over"}
	}
	inv.Finished, inv.Expires = Epoch+1e9, Epoch+24*3600e9
	inv.Fail = &wire.Failure{Kind: "canceled", Code: "canceled", Message: "the call " + string(id) + " was cancelled: " + reason}
	return nil
}
