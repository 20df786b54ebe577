package flow

import (
	"container/list"
	"sync"

	"github.com/situ-dev/situ"
)

// maxLive is how many workflows of a type a process keeps where they stand. Others
// are run again from their journal when they are to go on.
const maxLive = 1000

// cache is the coroutines that no turn holds, those used last in front. Each has a
// goroutine, which runs nothing: hence the bound.
type cache struct {
	mu    sync.Mutex
	order list.List // of *coroutine
	at    map[*coroutine]*list.Element
}

// put takes a coroutine that no turn holds any more.
func (c *cache) put(co *coroutine) {
	c.mu.Lock()
	if c.at == nil {
		c.at = map[*coroutine]*list.Element{}
	}
	c.at[co] = c.order.PushFront(co)
	var old *coroutine
	if c.order.Len() > maxLive {
		old = c.last()
	}
	c.mu.Unlock()
	if old != nil {
		old.leave()
	}
}

// last takes out the coroutine that was not used for longest.
func (c *cache) last() *coroutine {
	co := c.order.Remove(c.order.Back()).(*coroutine)
	delete(c.at, co)
	return co
}

// take takes a coroutine out, and reports whether it was there.
func (c *cache) take(co *coroutine) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[co]
	if ok {
		c.order.Remove(e)
		delete(c.at, co)
	}
	return ok
}

// clear lets all coroutines go.
func (c *cache) clear() {
	for {
		c.mu.Lock()
		if c.order.Len() == 0 {
			c.mu.Unlock()
			return
		}
		co := c.last()
		c.mu.Unlock()
		co.leave()
	}
}

// enter returns the coroutine of a workflow for turn t: where it stands, or at its
// beginning.
func (s *state) enter(t *situ.Turn) *coroutine {
	co := s.co
	if co != nil && !co.held && !s.p.live.take(co) {
		co = nil // it has left memory
	}
	if co == nil || co.f.j.Len() != s.Journal.Len() {
		if co != nil {
			co.leave()
		}
		co = s.p.begin(s, t)
	}
	// If this turn fails, the state of before has no coroutine that has gone on.
	s.co, co.held = co, true
	co.f.t, co.f.s = t, s
	clear(co.f.answers)
	return co
}

// keep leaves the coroutine to the next turn, or to others.
func (s *state) keep(co *coroutine) {
	s.co, co.held, co.f.t, co.f.s = co, false, nil, nil
	s.p.live.put(co)
}

// drop forgets the coroutine.
func (s *state) drop() {
	if co := s.co; co != nil {
		if co.held || s.p.live.take(co) {
			co.leave()
		}
	}
	s.co = nil
}
