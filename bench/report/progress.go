package report

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress shows how far things are, on one line that is written again and
// again. The zero Progress, and a nil one, shows nothing. It is safe for
// concurrent use.
type Progress struct {
	w    io.Writer
	mu   sync.Mutex
	last time.Time
	was  string
}

// NewProgress returns a display on w, a terminal.
func NewProgress(w io.Writer) *Progress { return &Progress{w: w} }

// Show shows done of total, at most ten times a second, and always the end and
// the beginning of a stage.
func (p *Progress) Show(stage string, done, total int) {
	if p == nil || p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if stage == p.was && done != total && now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.was, p.last = stage, now
	const width = 30
	full := 0
	if total > 0 {
		full = min(max(done*width/total, 0), width)
	}
	bar := make([]byte, width)
	for i := range bar {
		bar[i] = ' '
		if i < full {
			bar[i] = '='
		}
	}
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%-10s [%s] %d/%d", stage, bar, done, total) // only for show
}

// Clear takes the line away.
func (p *Progress) Clear() {
	if p == nil || p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprint(p.w, "\r\x1b[K") // only for show
}
