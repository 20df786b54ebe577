// Package chain is the workload of chains (situ bench chain): a call from
// outside goes through a number of objects or functions, one after another,
// until the caller has its answer. There are four kinds of chain:
//
//	nested  each object calls the next with Then, and goes on with its answer
//	tail    each object hands its caller over to the next with Tail
//	sends   each object sends to the next; the last sends to the first, which
//	        has held the caller meanwhile
//	funcs   as tail, of functions
package chain

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Hop is the input of a link of a chain.
type Hop struct {
	At    int `json:"at"`    // the number of the link in the chain
	Left  int `json:"left"`  // links that are to follow
	Chain int `json:"chain"` // the number of the chain

	Shards int  `json:"shards,omitempty"` // of the platform, if the links are to be on certain ones
	Stay   bool `json:"stay,omitempty"`   // they are all on one; else each is on another than the one before
}

func (h Hop) next() Hop {
	h.At, h.Left = h.At+1, h.Left-1
	return h
}

// first returns the link where the chain of h began.
func (h Hop) first() Hop {
	h.At = 0
	return h
}

// link is the key of the object that is the link h. Chains have links of their
// own, so that nobody waits in a mailbox.
func (h Hop) link() string {
	key := strconv.Itoa(h.Chain) + "-" + strconv.Itoa(h.At)
	if h.Shards == 0 {
		return key
	}
	want := h.Chain
	if !h.Stay {
		want += h.At
	}
	return onShard(key, want%h.Shards, h.Shards)
}

// The contract. Kinds answer with the number of links that the chain had.
var (
	Type   = situ.NewType("link", situ.Doc("A link of a chain."))
	Nested = situ.NewMethod[Hop, int](Type, "nested")
	nested = situ.NewMethod[situ.Reply[int, situ.None], int](Type, "nested-reply")
	Tail   = situ.NewMethod[Hop, int](Type, "tail")
	Sends  = situ.NewMethod[Hop, int](Type, "sends")
	send   = situ.NewMethod[Hop, situ.None](Type, "send")
	arrive = situ.NewMethod[int, situ.None](Type, "arrive")
	Runs   = situ.NewMethod[situ.None, int](Type, "runs", situ.ReadOnly, situ.Doc("Returns how often the link was run."))
	Func   = situ.NewFunc[Hop, int]("hop")
)

// Link is the state of a link.
type Link struct {
	Runs   int               `json:"runs"`
	Caller situ.Promise[int] `json:"caller"`
}

// Components returns the links.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(Type,
			situ.On(Nested, func(l *Link, t *situ.Turn, h Hop) (int, error) {
				l.Runs++
				if h.Left == 0 {
					return 1, nil
				}
				return situ.Then(t, Nested.To(h.next().link(), h.next()), nested, situ.None{})
			}),
			situ.On(nested, func(_ *Link, _ *situ.Turn, r situ.Reply[int, situ.None]) (int, error) { return r.Value + 1, r.Err() }),
			situ.On(Tail, func(l *Link, t *situ.Turn, h Hop) (int, error) {
				l.Runs++
				if h.Left == 0 {
					return h.At + 1, nil
				}
				return situ.Tail(t, Tail.To(h.next().link(), h.next()))
			}),
			situ.On(Sends, func(l *Link, t *situ.Turn, h Hop) (int, error) {
				l.Runs++
				if h.Left == 0 {
					return 1, nil
				}
				situ.Send(t, send.To(h.next().link(), h.next()))
				return situ.Hold(t, &l.Caller)
			}),
			situ.On(send, func(l *Link, t *situ.Turn, h Hop) (none situ.None, err error) {
				l.Runs++
				if h.Left == 0 {
					situ.Send(t, arrive.To(h.first().link(), h.At+1))
				} else {
					situ.Send(t, send.To(h.next().link(), h.next()))
				}
				return none, nil
			}),
			situ.On(arrive, func(l *Link, t *situ.Turn, n int) (none situ.None, err error) {
				situ.Resolve(t, &l.Caller, n)
				return none, nil
			}),
			situ.On(Runs, func(l *Link, _ *situ.Turn, _ situ.None) (int, error) { return l.Runs, nil })),
		situ.Function(Func, func(t *situ.Turn, h Hop) (int, error) {
			if h.Left == 0 {
				return h.At + 1, nil
			}
			return situ.Tail(t, Func.With(h.next()))
		}),
	}
}

// kind is a kind of chain.
type kind struct {
	name    string
	objects bool // its links count how often they are run
	call    func(Hop) situ.Call[int]
}

// hops returns how many turns a chain of so many links has: of a nested one the
// answer comes back through all of them, and of one of sends to the first.
func (k kind) hops(links int) int {
	switch k.name {
	case "nested":
		return 2*links - 1
	case "sends":
		return links + 1
	}
	return links
}

var kinds = []kind{
	{"nested", true, func(h Hop) situ.Call[int] { return Nested.To(h.link(), h) }},
	{"tail", true, func(h Hop) situ.Call[int] { return Tail.To(h.link(), h) }},
	{"sends", true, func(h Hop) situ.Call[int] { return Sends.To(h.link(), h) }},
	{"funcs", false, Func.With},
}

// Config says how much to do.
type Config struct {
	Links   int // of a chain, at least 2
	Callers int // each has chains of its own, one after another
	Chains  int // of each kind, in all
	Crowd   int // callers of the crowd, who have chains at the same time; 0 leaves it out

	first int  // number of the first chain
	head  *Hop // of all chains, instead of one for each caller
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"links": c.Links, "callers": c.Callers, "chains": c.Chains, "crowd": c.Crowd}
}

// Run runs chains of each kind on p and checks them. The result has all that
// can be measured here.
func Run(ctx context.Context, p platform.Platform, c Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	if c.Links < 2 || c.Callers < 1 || c.Chains < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want two links, a caller and a chain at least")
	}
	if err := m.Begin(ctx, p); err != nil {
		return r, err
	}
	var all []report.Latencies
	perS := map[string]float64{}
	for _, k := range kinds {
		took, s, err := c.many(ctx, p, k, c.Callers, c.Chains, show)
		if err != nil {
			return r, err
		}
		perS[k.name] = s
		all = append(all, took...)
		p50, p99 := report.Quantiles(took...)
		r.Add(k.name+" p50", p50, "ms")
		r.Add(k.name+" p99", p99, "ms")
	}
	if _, err := m.End(ctx, time.Now(), &r, all...); err != nil {
		return r, err
	}
	for _, k := range kinds { // and one caller alone, who waits for nobody
		took, _, err := c.many(ctx, p, k, 1, max(c.Chains/100, 10), show)
		if err != nil {
			return r, err
		}
		p50, _ := report.Quantiles(took...)
		r.Add(k.name+" p50 of one caller", p50, "ms")
		r.AddOver(k.name, perS[k.name], "chains/s", float64(c.Chains)/c.floor(k.name).Seconds(), "goroutines and channels")
	}
	wrong, err := c.check(ctx, p, show)
	if err == nil && wrong == "" {
		wrong, err = c.beside(ctx, p, &r, show)
	}
	r.Verified = err == nil && wrong == ""
	if wrong != "" {
		r.Notes = append(r.Notes, wrong)
	}
	return r, err
}

// many has a number of chains of one kind made by so many callers, and returns
// how long each took, by caller, and how many there were a second.
func (c Config) many(ctx context.Context, p situ.Caller, k kind, callers, chains int, show *report.Progress) ([]report.Latencies, float64, error) {
	took := make([]report.Latencies, callers)
	errs := make([]error, callers)
	var left atomic.Int64
	left.Store(int64(chains))
	var group sync.WaitGroup
	begin := time.Now()
	for i := range callers {
		group.Go(func() {
			for {
				n := left.Add(-1)
				if n < 0 || errs[i] != nil {
					return
				}
				if n%256 == 0 {
					show.Show(k.name, chains-int(n), chains)
				}
				head := Hop{Left: c.Links - 1, Chain: c.first + i}
				if c.head != nil {
					head = *c.head
				}
				begin := time.Now()
				links, err := situ.Do(ctx, p, k.call(head))
				took[i] = append(took[i], time.Since(begin))
				if err == nil && links != c.Links {
					err = fmt.Errorf("WRONG: a chain of kind %s had %d links, not %d", k.name, links, c.Links)
				}
				errs[i] = err
			}
		})
	}
	group.Wait()
	return took, float64(chains) / time.Since(begin).Seconds(), cmp.Or(errs...)
}

// runs returns how often the links of all chains are to be run.
func (c Config) runs() (n int) {
	for _, k := range kinds {
		if k.objects {
			n += (c.Chains + max(c.Chains/100, 10)) * c.Links
		}
	}
	return n
}

// check reads all links, and says what is wrong with them: those of a chain
// are run equally often, and in all as often as there were chains.
func (c Config) check(ctx context.Context, p situ.Caller, show *report.Progress) (wrong string, err error) {
	sum := 0
	for i := range c.Callers {
		first := 0
		for at := range c.Links {
			n, err := situ.Do(ctx, p, Runs.To(Hop{At: at, Chain: i}.link(), situ.None{}))
			if err != nil {
				return "", fmt.Errorf("read a link: %w", err)
			}
			if at == 0 {
				first = n
			}
			if n != first {
				return fmt.Sprintf("WRONG: link %d of chain %d was run %d times, the first %d times", at, i, n, first), nil
			}
			sum += n
		}
		show.Show("check", i+1, c.Callers)
	}
	if sum != c.runs() {
		return fmt.Sprintf("WRONG: links were run %d times, want %d", sum, c.runs()), nil
	}
	return "", nil
}
