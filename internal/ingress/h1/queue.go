package h1

import (
	"bytes"
	"runtime"
	"sync"
	"time"
)

// packed is how many busy connections for each processor make a server packed:
// there are far more than work at a time, and the others wait in a queue. With
// fewer, what one goroutine more costs is less than what the queue does.
const packed = 768

// walkers is how many goroutines for each processor serve one connection after
// another of the queue. They keep its processor's caches warm: what a
// connection of its own has, a goroutine with its stack above all, is cold
// when its turn comes after thousands of others.
const walkers = 32

// A queue is the connections of a packed server that are new, or were answered,
// and whose next request has not been looked for, in the order of that. They
// have no goroutine: one that has answered goes on with the first of them.
//
// Calls that wait for long keep their goroutines, and there may be none to go
// on. So as long as there is a queue there is an usher, who starts goroutines
// for as many as the processors have time for.
type queue struct {
	mu          sync.Mutex
	first, last *Conn
	length      int
	walking     int  // goroutines that go from one connection to the next
	ushered     bool // there is an usher
}

// add puts c, which has no goroutine, at the end.
func (q *queue) add(c *Conn) {
	c.enter(queued)
	q.mu.Lock()
	q.push(c)
	q.mu.Unlock()
}

// swap puts c at the end, and returns the first whose next request is there
// for the goroutine to go on with; nil if it is to end. Walks says that it was
// one of the walkers. Then c is another's, whatever is returned.
func (q *queue) swap(c *Conn, walks bool) *Conn {
	c.rewind()
	c.enter(queued)
	s := c.s
	q.mu.Lock()
	q.push(c)
	if !walks {
		if q.walking >= walkers*runtime.GOMAXPROCS(0) {
			q.mu.Unlock()
			return nil
		}
		q.walking++
		s.looking.Add(1)
	}
	c = q.pop()
	q.mu.Unlock()
	for c != nil && !c.peek() {
		go c.run() // as it would outside of the queue
		q.mu.Lock()
		c = q.pop()
		q.mu.Unlock()
	}
	if c == nil {
		q.leave(s)
	}
	return c
}

// leave says that a walker is one no more.
func (q *queue) leave(s *Server) {
	q.mu.Lock()
	q.walking--
	q.mu.Unlock()
	s.looking.Done()
}

// push puts c at the end, and sees to it that there is an usher.
func (q *queue) push(c *Conn) {
	if q.last == nil {
		q.first = c
	} else {
		q.last.behind = c
	}
	q.last = c
	q.length++
	if !q.ushered {
		q.ushered = true
		c.s.looking.Go(func() { q.usher(c.s) })
	}
}

// pop takes the first, nil if there is none.
func (q *queue) pop() *Conn {
	c := q.first
	if c == nil {
		return nil
	}
	if q.first, c.behind = c.behind, nil; q.first == nil {
		q.last = nil
	}
	q.length--
	return c
}

// What an usher does each time: few when the processors are busy, so that the
// queue moves even if all walkers wait for long; many, and the next at once,
// when they are not.
const (
	fewUshered  = 2
	manyUshered = 32
	usherPause  = time.Millisecond
	usherBusy   = 20 * time.Microsecond // until a goroutine that lets others go first is back
)

// usher sees to it that the queue moves, until there is none.
func (q *queue) usher(s *Server) {
	n := 0
	for {
		q.mu.Lock()
		for ; n > 0 && q.length > 0; n-- {
			go q.pop().run()
		}
		left := q.length
		q.ushered = left > 0
		q.mu.Unlock()
		if left == 0 {
			return
		}
		asked := time.Now()
		runtime.Gosched()
		switch {
		case !s.packed.Load() || s.stopping.Load():
			n = left
		case time.Since(asked) < usherBusy:
			n = manyUshered
		default:
			time.Sleep(usherPause)
			n = fewUshered
		}
	}
}

// peek reads what is there, and reports whether a whole head is.
func (c *Conn) peek() bool {
	p := c.peeker
	if p.into = c.buf[c.w:]; len(p.into) > 0 {
		if p.n = 0; p.raw.Read(p.read) == nil && p.n > 0 {
			c.w += p.n
		}
	}
	return bytes.Contains(c.buf[c.r:c.w], headEnd)
}

var headEnd = []byte("\r\n\r\n")
