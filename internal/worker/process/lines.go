package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// maxLine bounds a line of output; what is longer is cut.
const maxLine = 16 << 10

// lines takes what a program prints apart into lines. One that is a record of
// log/slog as JSON (which is how a worker logs) becomes one of ours; others go
// to out, or are logged as they are.
type lines struct {
	log *slog.Logger
	out io.Writer

	mu   sync.Mutex
	buf  []byte
	skip bool // the rest of the line: it was too long
	last string
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		line, rest, found := bytes.Cut(b, []byte{'\n'})
		b = rest
		if room := maxLine - len(l.buf); len(line) > room && !l.skip {
			l.buf = append(append(l.buf, line[:room]...), " … (cut)"...)
			l.line()
			l.skip = true
		}
		if !l.skip {
			l.buf = append(l.buf, line...)
		}
		if found {
			if !l.skip {
				l.line()
			}
			l.skip = false
		}
	}
	return n, nil
}

// lastWords returns the last line in which Go's runtime says why it ends the
// program, "" if it did not.
func (l *lines) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// line deals with a complete line, and empties the buffer.
func (l *lines) line() {
	line := bytes.TrimRight(l.buf, "\r")
	defer func() { l.buf = l.buf[:0] }()
	if bytes.HasPrefix(line, []byte("fatal error: ")) || bytes.HasPrefix(line, []byte("panic: ")) {
		l.last = string(line[:min(len(line), 200)])
	}
	if r, ok := record(line); ok {
		if h := l.log.Handler(); h.Enabled(context.Background(), r.Level) {
			_ = h.Handle(context.Background(), r) // the log has nobody to tell
		}
		return
	}
	if l.out != nil {
		_, _ = fmt.Fprintf(l.out, "%s\n", line) // nobody to tell
		return
	}
	l.log.Info("the program printed", "line", string(line))
}

// record reads a record as slog.JSONHandler writes it.
func record(line []byte) (slog.Record, bool) {
	if len(line) == 0 || line[0] != '{' {
		return slog.Record{}, false
	}
	var head struct {
		Time  time.Time
		Level *slog.Level
		Msg   *string
	}
	var all map[string]any
	if json.Unmarshal(line, &head) != nil || head.Level == nil || head.Msg == nil || json.Unmarshal(line, &all) != nil {
		return slog.Record{}, false
	}
	r := slog.NewRecord(head.Time, *head.Level, *head.Msg, 0)
	names := make([]string, 0, len(all))
	for name := range all {
		if name != slog.TimeKey && name != slog.LevelKey && name != slog.MessageKey {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		r.AddAttrs(slog.Any(name, all[name]))
	}
	return r, true
}
