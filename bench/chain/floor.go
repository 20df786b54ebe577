package chain

import (
	"sync"
	"sync/atomic"
	"time"
)

// hop is a message of the floor.
type hop struct {
	left  int
	links int
	reply chan int // to the caller
}

// floor makes the same chains on goroutines and channels, in memory: each link
// is a goroutine with a channel. It returns how long they took. The links of a
// nested chain also take the answer back, one by one; a function is a
// goroutine that is started for the call.
func (c Config) floor(kind string) time.Duration {
	var links, callers sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(c.Chains))
	var all []chan hop
	heads := make([]func(hop), c.Callers)
	for i := range heads {
		if kind == "funcs" {
			heads[i] = function
			continue
		}
		chain := make([]chan hop, c.Links)
		for at := range chain {
			chain[at] = make(chan hop, 1)
		}
		for at := range chain {
			links.Go(func() { link(kind, chain, at) })
		}
		all = append(all, chain...)
		heads[i] = func(h hop) { chain[0] <- h }
	}
	begin := time.Now()
	for i := range heads {
		callers.Go(func() {
			reply := make(chan int, 1)
			for left.Add(-1) >= 0 {
				heads[i](hop{left: c.Links - 1, reply: reply})
				<-reply
			}
		})
	}
	callers.Wait()
	wall := time.Since(begin)
	for _, ch := range all {
		close(ch)
	}
	links.Wait()
	return wall
}

// link is the goroutine of the link at that place of a chain. There is one
// call on a chain at a time, so that back and forth need one channel only.
func link(kind string, chain []chan hop, at int) {
	last, back := at == len(chain)-1, false
	for h := range chain[at] {
		h.links++
		switch {
		case kind == "nested" && (last || back): // the answer
			back = false
			if at == 0 {
				h.reply <- h.links
			} else {
				chain[at-1] <- h
			}
		case kind == "sends" && at == 0 && back: // the last has sent
			back = false
			h.reply <- h.links
		case last && kind == "sends":
			chain[0] <- h
		case last:
			h.reply <- h.links
		default:
			back = true
			chain[at+1] <- h
		}
	}
}

// function is a function that calls the next one.
func function(h hop) {
	go func() {
		h.links++
		if h.left == 0 {
			h.reply <- h.links
			return
		}
		h.left--
		function(h)
	}()
}
