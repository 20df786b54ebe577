package counter

import (
	"sync"
	"time"
)

// request is a call of a goroutine that is a counter.
type request struct {
	n     int64
	reply chan int64
}

// Floor makes the calls on goroutines and channels: each counter is a
// goroutine, nothing is durable. It returns how long the given number of calls
// took.
func Floor(c Config, calls int) time.Duration {
	counters := make([]chan request, c.Objects)
	var group sync.WaitGroup
	for i := range counters {
		counters[i] = make(chan request, 16)
		group.Go(func() {
			sum := int64(0)
			for r := range counters[i] {
				sum += r.n
				r.reply <- sum
			}
		})
	}
	replies := sync.Pool{New: func() any { return make(chan int64, 1) }}
	l := newLoad(Config{Objects: c.Objects, Callers: c.Callers, Calls: calls}, nil)
	begin := time.Now()
	_ = l.run(func(object int) error { // add never fails
		reply := replies.Get().(chan int64)
		counters[object] <- request{1, reply}
		<-reply
		replies.Put(reply)
		return nil
	})
	wall := time.Since(begin)
	for _, c := range counters {
		close(c)
	}
	group.Wait()
	return wall
}
