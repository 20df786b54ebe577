// Package load is a client that puts load on an HTTP server: raw TCP, requests
// prepared in advance, answers parsed as little as is needed to check them. It
// is to be as cheap as such a thing can be, because on one machine it takes
// its processor time from the server. It runs in a process of its own.
//
// Each thread has an epoll and connections of its own, with one request under
// way on each. A closed loop sends the next request when an answer is there.
// An open loop sends on time whatever the server does: each request takes a
// connection that is free, and is counted as missed if there is none.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/situ-dev/situ/bench/proc"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Config says what to send.
type Config struct {
	Addr        string
	Connections int
	Threads     int           // 0 is 2
	Warm        time.Duration // before what is measured
	Duration    time.Duration // of what is measured
	Window      time.Duration // if not 0, what is measured is also told in windows of this length
	Rate        float64       // requests a second of an open loop, from when all connections are made; 0 is a closed loop

	Path string  // of POST requests; %d in it is the number of the key
	Keys int     // 0 is one
	Hot  float64 // share of the requests that go to key 0; the others go to all alike
	Body string  // JSON
	Want string  // what a 200 must have as its body; "" is a whole number
	Seed uint64
}

// Result is what came of it. Latencies are from sending, or in an open loop from
// when the request was due, to the whole answer.
type Result struct {
	Seconds float64        // that were measured
	Status  map[int]uint64 // answers while measuring, by status
	Others  map[int]uint64 // the same, of keys other than 0
	Latency Quantiles      // of answers 200
	Beside  Quantiles      // of those, the answers for keys other than 0
	Refused Quantiles      // of answers 429 and 503
	Windows []Window

	// From the beginning to the end, with the warm-up:
	Sent    uint64
	Missed  uint64   // requests of an open loop for which no connection was free
	Broken  uint64   // connections that ended in the middle of a request
	Turned  uint64   // connections that were answered 503 before they asked
	Wrong   uint64   // answers that are not HTTP as it should be, or not what was wanted
	Example string   // of what was wrong
	Acked   []uint64 // answers 200, by key
	Unknown []uint64 // requests that may have had an effect, by key
}

// Quantiles of latencies in milliseconds, to 3 %.
type Quantiles struct{ P50, P99, P999, Max float64 }

// Window is a part of what was measured.
type Window struct {
	OK, Refused uint64
	P50         float64 // milliseconds, of answers 200
}

// PerS returns the answers 200 a second.
func (r *Result) PerS() float64 { return float64(r.Status[200]) / r.Seconds }

// Fault says what an honest server does not do, "" if there was nothing.
func (r *Result) Fault() string {
	switch {
	case r.Wrong > 0:
		return fmt.Sprintf("WRONG: %d answers, such as %s", r.Wrong, r.Example)
	case r.ackedAll() == 0:
		return fmt.Sprintf("WRONG: nothing was answered with 200: %v", r.Status)
	}
	return ""
}

// ackedAll returns the answers 200 from the beginning to the end.
func (r *Result) ackedAll() (n uint64) {
	for _, acked := range r.Acked {
		n += acked
	}
	return n
}

// Role is the client as a role ("client") of a child process: it gets Configs
// and puts a Result for each.
func Role(ctx context.Context, c *proc.Conn) error {
	var nothing any
	if err := c.Get(&nothing); err != nil {
		return err
	}
	for {
		var cfg Config
		if c.Get(&cfg) != nil { // there is nothing more to do
			return nil
		}
		r, err := Run(ctx, cfg)
		if err != nil {
			return err
		}
		if err := c.Put(r); err != nil {
			return err
		}
	}
}

// Client is a client process.
type Client struct{ p *proc.Proc }

// NewClient starts a client process. Close it.
func NewClient() (*Client, error) {
	p, err := proc.Start("client", nil)
	return &Client{p}, err
}

// Run runs cfg in the client process. If ctx is done before, the process is no
// more.
func (c *Client) Run(ctx context.Context, cfg Config) (r Result, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.p.Kill() }) // the error of Get tells
	defer stop()
	if err := c.p.Put(cfg); err != nil {
		return r, fmt.Errorf("ask the client: %w", err)
	}
	err = c.p.Get(&r)
	return r, err
}

// CPU returns the processor time that the client has used.
func (c *Client) CPU() time.Duration {
	cpu, _ := report.Usage(c.p.PID())
	return cpu
}

// Close ends the process. It may be called twice.
func (c *Client) Close() error { return c.p.Close() }

// Run runs cfg in this process.
func Run(ctx context.Context, cfg Config) (r Result, err error) {
	if cfg.Threads == 0 {
		cfg.Threads = 2
	}
	cfg.Threads = min(cfg.Threads, cfg.Connections)
	cfg.Keys = max(cfg.Keys, 1)
	if cfg.Connections < 1 || cfg.Duration <= 0 {
		return r, fault.New(fault.Invalid, "load", cfg.Addr, "there is nothing to do: want connections and a duration")
	}
	addr, err := parseAddr(cfg.Addr)
	if err != nil {
		return r, err
	}
	prepared := prepare(cfg)
	threads := make([]*thread, cfg.Threads)
	for i := range threads {
		n := (cfg.Connections + i) / cfg.Threads // so that they sum up
		if threads[i], err = newThread(cfg, addr, prepared, n, rand.New(rand.NewPCG(cfg.Seed, uint64(i)))); err != nil {
			return r, err
		}
	}
	defer func() {
		for _, t := range threads {
			t.close()
		}
	}()
	begin := time.Now()
	if cfg.Rate > 0 {
		if err := each(threads, func(t *thread) error { return t.connect(ctx) }); err != nil {
			return r, err
		}
		begin = time.Now()
	}
	if err := each(threads, func(t *thread) error { return t.run(ctx, begin) }); err != nil {
		return r, err
	}
	return merge(cfg, threads), nil
}

// each has all threads do something at once, and returns the first error.
func each(threads []*thread, do func(*thread) error) error {
	var group sync.WaitGroup
	errs := make([]error, len(threads))
	for i, t := range threads {
		group.Go(func() { errs[i] = do(t) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare returns the bytes of the request for each key.
func prepare(cfg Config) [][]byte {
	all := make([][]byte, cfg.Keys)
	for i := range all {
		path := strings.Replace(cfg.Path, "%d", strconv.Itoa(i), 1)
		all[i] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			path, cfg.Addr, len(cfg.Body), cfg.Body)
	}
	return all
}

// merge adds up what the threads saw.
func merge(cfg Config, threads []*thread) Result {
	r := Result{Seconds: cfg.Duration.Seconds(), Status: map[int]uint64{}, Others: map[int]uint64{}, Acked: make([]uint64, cfg.Keys), Unknown: make([]uint64, cfg.Keys)}
	var ok, beside, refused histogram
	windows := make([]window, len(threads[0].windows))
	for _, t := range threads {
		for status, n := range t.status {
			if n > 0 {
				r.Status[status] += n
			}
		}
		for status, n := range t.others {
			if n > 0 {
				r.Others[status] += n
			}
		}
		beside.add(&t.beside)
		ok.add(&t.ok)
		refused.add(&t.refused)
		for i := range windows {
			windows[i].refused += t.windows[i].refused
			windows[i].ok.add(&t.windows[i].ok)
		}
		r.Sent, r.Missed, r.Broken, r.Wrong = r.Sent+t.sent, r.Missed+t.missed, r.Broken+t.broken, r.Wrong+t.wrong
		r.Turned += t.turned
		if r.Example == "" {
			r.Example = t.example
		}
		for i := range r.Acked {
			r.Acked[i] += t.acked[i]
			r.Unknown[i] += t.unknown[i]
		}
	}
	r.Latency, r.Beside, r.Refused = ok.quantiles(), beside.quantiles(), refused.quantiles()
	for i := range windows {
		r.Windows = append(r.Windows, Window{windows[i].ok.n, windows[i].refused, windows[i].ok.quantiles().P50})
	}
	return r
}
