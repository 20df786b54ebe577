package flow

import (
	"encoding/json"
	"time"

	"github.com/situ-dev/situ"
	journal "github.com/situ-dev/situ/internal/flow"
	"github.com/situ-dev/situ/internal/view"
)

// A Line is one of a workflow's journal, for people: what its code asked for, or what
// came. Commands are numbered, for Reset.
type Line struct {
	Command *int            `json:"command,omitempty"` // its number, of a command
	Of      *int            `json:"of,omitempty"`      // of a result: the command that it is of
	Kind    string          `json:"kind"`              // "asked", "noted", "done", "signal", "update", "cancel"
	Name    string          `json:"name,omitempty"`
	At      time.Time       `json:"at"`
	Value   json.RawMessage `json:"value,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// maxLines is how many lines are told, the last ones; maxShown is how many bytes of a value.
const (
	maxLines = 1000
	maxShown = 4 << 10
)

// Journal describes a call that tells what is in the journal: the last thousand lines. Of
// a value that is longer than 4 KiB, its size is told.
func (h Handle) Journal() situ.Call[[]Line] { return h.m.journal.To(h.key, situ.None{}) }

// lines shows the journal.
func (s *state) lines() []Line {
	lines := []Line{}
	from, commands := s.Journal.Len()-maxLines, 0
	for i, e := range s.Journal.All() {
		l := Line{Kind: string(e.Kind), Name: e.Name, At: e.Time()}
		switch {
		case e.Kind.Command():
			n := commands
			l.Command = &n
			commands++
		case e.Kind == journal.Done:
			n := e.N
			l.Of = &n
		}
		if i < from {
			continue
		}
		if e.Fail != nil {
			l.Error = e.Fail.Message
		}
		l.Value = shown(e.Body)
		lines = append(lines, l)
	}
	return lines
}

// shown returns CBOR as JSON, or how much there is of it.
func shown(b []byte) json.RawMessage {
	if len(b) == 0 {
		return nil
	}
	text, err := view.Value(b)
	if err != nil || len(text) > maxShown {
		text, _ = json.Marshal(map[string]int{"bytes": len(b)}) // of a number
	}
	return text
}
