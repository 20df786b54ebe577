// Package waiting is the workload of chains that wait (situ bench waiting): a million
// of them, each at a timer, or for whoever has a callback token. Measured is what memory they take, how long the platform
// takes to start after a SIGKILL, and whether each goes on to its end, once.
package waiting

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
)

// each is how many chains a tally counts, and how many a call begins.
const each = 1000

// Begin says which chains are to begin: those of a tally.
type Begin struct {
	Round int       `json:"round"`
	Tally int       `json:"tally"`
	N     int       `json:"n"`
	Until time.Time `json:"until"` // when they go on
	Token bool      `json:"token"` // each waits for a callback token instead
}

// Link is what a chain carries.
type Link struct {
	Round, Tally, At int
	Until            time.Time
	Token            string `json:",omitempty"` // that it waits for, if it does
}

func (l Link) tally() string { return tallyKey(l.Round, l.Tally) }

func tallyKey(round, tally int) string { return strconv.Itoa(round) + "-" + strconv.Itoa(tally) }

// The contract. A chain is three functions and an object: first asks pause, which
// runs when it is time, or whoever has a token, second goes on with the answer, and
// the tally notes that. Begin returns the tokens.
var (
	begin  = situ.NewFunc[Begin, []string]("waiting-begin", situ.Doc("Begins chains."))
	first  = situ.NewFunc[Link, int]("waiting-first")
	pause  = situ.NewFunc[int, int]("waiting-pause")
	second = situ.NewFunc[situ.Reply[int, Link], int]("waiting-second")

	tallyType = situ.NewType("tally", situ.Doc("Counts chains that came to their end."))
	mark      = situ.NewMethod[int, int](tallyType, "mark")
	read      = situ.NewMethod[situ.None, Count](tallyType, "read", situ.ReadOnly)
)

// Count is how many chains of a tally ended once, and how many more than once.
type Count struct{ Once, Again int }

type tally struct {
	Seen  []uint64 // a bit for each chain
	Again int
}

// Components returns the chains.
func Components() []situ.Component {
	return []situ.Component{
		situ.Function(begin, func(t *situ.Turn, b Begin) (tokens []string, err error) {
			for at := range b.N {
				l := Link{Round: b.Round, Tally: b.Tally, At: at, Until: b.Until}
				if b.Token {
					_, l.Token = situ.Token[int](t, expiry)
					tokens = append(tokens, l.Token)
				}
				situ.Send(t, first.With(l))
			}
			return tokens, nil
		}),
		situ.Function(first, func(t *situ.Turn, l Link) (int, error) {
			if l.Token != "" {
				return situ.Then(t, situ.Callback[int](l.Token, expiry), second, l)
			}
			return situ.Then(t, pause.With(l.At).At(l.Until), second, l)
		}),
		situ.Function(pause, func(_ *situ.Turn, at int) (int, error) { return at + 1, nil }),
		situ.Function(second, func(t *situ.Turn, r situ.Reply[int, Link]) (int, error) {
			if err := r.Err(); err != nil {
				return 0, err
			}
			return situ.Tail(t, mark.To(r.Carry.tally(), r.Value-1))
		}),
		situ.Object(tallyType,
			situ.On(mark, func(y *tally, _ *situ.Turn, at int) (int, error) {
				if y.Seen == nil {
					y.Seen = make([]uint64, (each+63)/64)
				}
				if bit := uint64(1) << (at % 64); y.Seen[at/64]&bit != 0 {
					y.Again++
				} else {
					y.Seen[at/64] |= bit
				}
				return 0, nil
			}),
			situ.On(read, func(y *tally, _ *situ.Turn, _ situ.None) (c Count, err error) {
				for _, b := range y.Seen {
					c.Once += bits.OnesCount64(b)
				}
				c.Again = y.Again
				return c, nil
			})),
	}
}

// expiry is how long a token is good for: for longer than any benchmark.
const expiry = 24 * time.Hour

// What chains wait for.
const (
	Timer = "timer"
	Token = "token"
)

// Config says how much to do.
type Config struct {
	Chains int
	For    string        // what they wait for; "" is Timer
	Wait   time.Duration // how long they wait at least, from the first on
}

// tokens are those of a round, by tally.
type tokens [][]string

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	size := map[string]int{"chains": c.Chains, "wait s": int(c.Wait.Seconds())}
	if c.For == Token {
		size["callback tokens"] = c.Chains
	}
	return size
}

// The figures that have bars.
const (
	grownFigure = "memory grown by the chains that wait"
	startFigure = "start to first reply after kill -9"
)

// The rounds: chains that do not wait come before, so that what the platform
// keeps of any work (caches, memtables) is there when the memory is measured.
const (
	warm = iota
	wait
)

// Run measures a platform that is as p says, in a directory below p.Dir.
func Run(ctx context.Context, p platform.Config, c Config, show *report.Progress) (r report.Result, err error) {
	if c.For != "" && c.For != Timer && c.For != Token {
		return r, fault.New(fault.Invalid, "", "", "chains cannot wait for a %q: %s or %s", c.For, Timer, Token)
	}
	if c.Chains < each || c.Wait < time.Second {
		return r, fault.New(fault.Invalid, "", "", "want %d chains at least, and a wait of a second", each)
	}
	all := time.Now()
	p.Dir = filepath.Join(p.Dir, "waiting")
	until, asked, err := c.crash(ctx, p, &r, show)
	if err != nil {
		return r, err
	}
	start := time.Now()
	s, err := platform.Serve(p)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := situ.Do(ctx, s, read.To(tallyKey(warm, 0), situ.None{})); err != nil {
		return r, err
	}
	r.Add(startFigure, time.Since(start).Seconds(), "s")
	if c.For != Token && time.Now().After(until) {
		return r, fault.New(fault.Invalid, "bench", "waiting", "the chains were not all there, and the platform started again, in %v: give them more with --wait", c.Wait)
	}
	wrong, err := c.end(ctx, s, until, asked, &r, show)
	r.Durable, r.Verified = true, err == nil && wrong == ""
	if wrong != "" {
		r.Notes = append(r.Notes, wrong)
	}
	_, rss := s.Usage()
	r.RSSMB, r.WallMS = float64(rss)/(1<<20), report.MS(time.Since(all))
	return r, err
}

// crash has chains wait, measures the memory, and kills the platform. It returns when the
// chains go on, and their tokens.
func (c Config) crash(ctx context.Context, p platform.Config, r *report.Result, show *report.Progress) (until time.Time, asked tokens, err error) {
	s, err := platform.Serve(p)
	if err != nil {
		return until, nil, err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	if _, err := c.begin(ctx, s, Begin{Round: warm}, show); err != nil {
		return until, nil, err
	}
	before, err := memory(s)
	if err != nil {
		return until, nil, err
	}
	began := time.Now()
	until = began.Add(c.Wait)
	if asked, err = c.begin(ctx, s, Begin{Round: wait, Until: until, Token: c.For == Token}, show); err != nil {
		return until, nil, err
	}
	r.Add("chains begun", float64(c.Chains)/time.Since(began).Seconds(), "chains/s")
	after, err := memory(s)
	if err != nil {
		return until, nil, err
	}
	if wrong, err := c.check(ctx, s, wait, 0); err != nil || wrong != "" {
		return until, nil, errors.Join(err, fault.New(fault.Internal, "bench", "waiting", "before their time: %s: give them more with --wait", wrong))
	}
	r.Add(grownFigure, (after-before)/(1<<20), "MiB")
	r.Add("that is, for each", (after-before)/float64(c.Chains), "bytes")
	return until, asked, nil
}

// memory returns what a platform takes without its garbage, in bytes.
func memory(s *platform.Server) (float64, error) {
	if _, err := s.State(true); err != nil {
		return 0, err
	}
	_, rss := s.Usage()
	return float64(rss), nil
}

// begin begins all chains of a round, as b says, and returns their tokens when nothing
// runs.
func (c Config) begin(ctx context.Context, s *platform.Server, b Begin, show *report.Progress) (tokens, error) {
	asked := make(tokens, (c.Chains+each-1)/each)
	const callers = 8
	var group sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, callers)
	for i := range callers {
		group.Go(func() {
			for errs[i] == nil {
				y := int(next.Add(1)) - 1
				n := min(each, c.Chains-y*each)
				if n <= 0 {
					return
				}
				one := b
				one.Tally, one.N = y, n
				asked[y], errs[i] = patiently(ctx, s, begin.With(one))
				show.Show("begin", y*each+n, c.Chains)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("begin chains: %w", err)
	}
	return asked, s.Quiet(ctx, nil)
}

// patiently makes a call again as long as the platform refuses it.
func patiently[O any](ctx context.Context, s situ.Caller, c situ.Call[O]) (O, error) {
	for {
		out, err := situ.Do(ctx, s, c)
		if e, ok := errors.AsType[*situ.Error](err); !ok || e.Kind != fault.Busy.String() {
			return out, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return out, context.Cause(ctx)
		}
	}
}

// answer answers for all who were asked.
func (c Config) answer(ctx context.Context, addr string, asked tokens, show *report.Progress) error {
	const callers = 32
	var group sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, callers)
	for i := range callers {
		group.Go(func() {
			door := client.New("http://" + addr)
			defer door.Close()
			for errs[i] == nil {
				y := int(next.Add(1)) - 1
				if y >= len(asked) {
					return
				}
				for at, token := range asked[y] {
					if errs[i] = door.Answer(ctx, token, api.Answer{Result: strconv.AppendInt(nil, int64(at)+1, 10)}); errs[i] != nil {
						return
					}
				}
				show.Show("answer", y*each, c.Chains)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// end waits until all chains have come to their end, and says what is wrong with
// them.
func (c Config) end(ctx context.Context, s *platform.Server, until time.Time, asked tokens, r *report.Result, show *report.Progress) (wrong string, err error) {
	if wrong, err = c.check(ctx, s, wait, 0); wrong != "" || err != nil {
		return wrong, err
	}
	show.Show("wait", 0, c.Chains)
	select {
	case <-time.After(time.Until(until)):
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if c.For == Token {
		if err := c.answer(ctx, s.Addr, asked, show); err != nil {
			return "", fmt.Errorf("answer for the tokens: %w", err)
		}
	}
	for {
		n, err := c.ended(ctx, s)
		if err != nil {
			return "", err
		}
		show.Show("end", n, c.Chains)
		if n == c.Chains {
			break
		}
		if time.Since(until) > 5*time.Minute {
			return fmt.Sprintf("WRONG: %d of %d chains ended in 5 minutes", n, c.Chains), nil
		}
	}
	took := time.Since(until)
	r.Add("all ended, from when it was time", took.Seconds(), "s")
	r.Add("chains ended", float64(c.Chains)/took.Seconds(), "chains/s")
	if err := s.Quiet(ctx, nil); err != nil {
		return "", err
	}
	return c.check(ctx, s, wait, c.Chains)
}

// ended returns how many chains have ended.
func (c Config) ended(ctx context.Context, s situ.Caller) (n int, err error) {
	err = c.tallies(ctx, s, wait, func(_, _ int, k Count) { n += k.Once })
	return n, err
}

// check says what is wrong if want chains of a round should have ended.
func (c Config) check(ctx context.Context, s situ.Caller, round, want int) (wrong string, err error) {
	once := 0
	err = c.tallies(ctx, s, round, func(y, n int, k Count) {
		once += k.Once
		if k.Again > 0 && wrong == "" {
			wrong = fmt.Sprintf("WRONG: %d of the %d chains of tally %d ended again", k.Again, n, y)
		}
	})
	if wrong == "" && once != want {
		wrong = fmt.Sprintf("WRONG: %d chains ended, want %d", once, want)
	}
	return wrong, err
}

// tallies reads all tallies of a round. F gets the number of the tally, and of its chains.
func (c Config) tallies(ctx context.Context, s situ.Caller, round int, f func(y, n int, k Count)) error {
	for y := 0; y*each < c.Chains; y++ {
		k, err := patiently(ctx, s, read.To(tallyKey(round, y), situ.None{}))
		if err != nil {
			return fmt.Errorf("read a tally: %w", err)
		}
		f(y, min(each, c.Chains-y*each), k)
	}
	return nil
}

// Bars are those of the project: of a million chains.
func (c Config) Bars(r *report.Result) []report.Bar {
	if c.Chains < 1_000_000 {
		return nil
	}
	return []report.Bar{report.AtMost("MiB that memory grows by the chains that wait", max(r.Figure(grownFigure).Value, 0.01), 64),
		report.AtMost("seconds from start to first reply after kill -9", r.Figure(startFigure).Value, 3)}
}
