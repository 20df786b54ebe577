package control

import (
	"github.com/situ-dev/situ/internal/wire"
)

// Halt pauses the object of a message that became a dead letter, because its type
// asks for that. Why names the letter and what was wrong. An object that is paused
// already stays as it is.
func (p *Pauses) Halt(env *wire.Envelope, why string, now wire.Time) {
	s := wire.Scope{Type: env.To.Type, Key: env.To.Key}
	if g := p.all[s]; g != nil && !g.Draining {
		return
	}
	p.Pause(s, "dead letter "+cut(why), now)
	p.all[s].letter = env.Seq
}

// cut bounds what a pause keeps of a reason, in bytes.
func cut(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && s[n]&0xc0 == 0x80 { // not within a character
		n--
	}
	return s[:n] + "…"
}

// GoOn ends the pause that is for a dead letter whose message is run again: it is
// the first that is let go, and what waited behind it follows. One that somebody asked for
// stays.
func (p *Pauses) GoOn(env *wire.Envelope) error {
	s := wire.Scope{Type: env.To.Type, Key: env.To.Key}
	if g := p.all[s]; s.Type == "" || g == nil || g.Draining || g.letter != env.Seq {
		return nil
	}
	return p.Resume(s, 0)
}
