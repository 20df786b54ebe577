// Package shown makes the documents of the API out of what the platform tells.
package shown

import (
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/wire"
)

// Instant shows a time; 0 is none.
func Instant(t wire.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Pause shows a pause.
func Pause(p *wire.Pause) api.Pause {
	return api.Pause{ID: p.String(), Function: p.Function, Type: p.Type, Key: p.Key, Reason: p.Reason, Since: Instant(p.Since),
		Draining: p.Draining, Rate: p.Rate, Parked: p.Parked, Bytes: p.Bytes}
}

// Filter reads a filter of dead letters.
func Filter(d *api.DeadFilter) wire.DeadFilter {
	f := wire.DeadFilter{Function: d.Function, Type: d.Type, Key: d.Key, Method: d.Method, Kind: d.Kind, Text: d.Text, Chain: wire.InvocationID(d.Chain)}
	if !d.Since.IsZero() {
		f.Since = wire.Time(d.Since.UnixNano())
	}
	if !d.Until.IsZero() {
		f.Until = wire.Time(d.Until.UnixNano())
	}
	return f
}

func filterDoc(f *wire.DeadFilter) api.DeadFilter {
	return api.DeadFilter{Function: f.Function, Type: f.Type, Key: f.Key, Method: f.Method, Kind: f.Kind, Text: f.Text, Chain: string(f.Chain),
		Since: Instant(f.Since), Until: Instant(f.Until)}
}

// Redrive shows how far a redrive is.
func Redrive(j *wire.Redrive) api.Redrive {
	d := api.Redrive{ID: j.ID, Action: "retry", Filter: filterDoc(&j.Filter), Rate: j.Rate, Status: "running", Total: j.Total, Done: j.Done,
		Started: Instant(j.Made), Finished: Instant(j.Finished)}
	if j.Drop {
		d.Action = "drop"
	}
	switch {
	case j.ID == "":
		d.Status = "counted"
	case j.Stopped:
		d.Status = "stopped"
	case j.Finished != 0:
		d.Status = "done"
	}
	return d
}

// Failure shows an error, without its stack.
func Failure(f *wire.Failure) *api.Failure {
	if f == nil {
		return nil
	}
	return &api.Failure{Kind: f.Kind, Code: f.Code, Message: f.Message}
}

// Letter shows a dead letter as in a list.
func Letter(l *wire.DeadLetter) api.DeadLetter {
	d := api.DeadLetter{ID: l.ID, At: Instant(l.At), Paused: l.Halts}
	if f := Failure(l.Reason); f != nil {
		d.Reason = *f
	}
	if e := l.Envelope; e != nil {
		d.Kind, d.Target, d.Attempts, d.Trace, d.Chain, d.Made = "call", e.To.String(), int(e.Attempt), e.Trace(), string(e.Chain()), Instant(e.Made)
		if e.Kind == wire.Reply {
			d.Kind = "reply"
		}
	}
	return d
}
