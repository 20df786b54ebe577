package worker_test

import (
	"cmp"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

var (
	poisonTable = flag.Int("poison", 0, "take the figures of DESIGN.md: so many runs of each poison")
	poisonKinds = flag.String("kinds", "", "only the poisons whose kinds match this pattern")
)

// poison is one way to harm a worker.
type poison struct {
	kind   string
	says   string // in the reason of the dead letter
	deaths int    // 1 if it ends workers
	answer string // instead of a dead letter: an error that trying again would not mend
	stuck  bool   // its handlers never return
	counts bool   // the turn counts, once: what is wrong comes after its answer
}

// died is how many workers a poison may cost that ends them: the one that ran
// it among others, and the one that ran it alone. After that it is known.
const died = 2

// poisons are T9: each against a worker process of its own.
var poisons = []poison{
	{kind: "panic", says: "panic: the poison works"},
	{kind: "endless loop", stuck: true, says: "did not return within"},
	{kind: "deadlock", stuck: true, says: "did not return within"},
	{kind: "too much memory", says: "more than 256 MiB of memory", deaths: 1},
	{kind: "exit 0", says: "exit status 0", deaths: 1},
	{kind: "kill -9", says: "signal: killed", deaths: 1},
	{kind: "fatal error", says: "fatal error: sync: unlock of unlocked mutex", deaths: 1},
	{kind: "stack overflow", says: "fatal error: stack overflow", deaths: 1},
	{kind: "stops itself", says: "did not answer", deaths: 1},
	{kind: "closes the sockets", says: "closed a connection", deaths: 1},
	{kind: "leaves children", says: "exit status 1", deaths: 1},
	{kind: "floods its log", says: "panic: the poison works"},
	{kind: "undecodable input", says: "panic: the input is decoded"},
	{kind: "unencodable state", answer: "panic: the bomb is encoded"},
	{kind: "answers twice", counts: true, deaths: 1},
	{kind: "answers for another object", says: "a change of slot 4711", deaths: 1},
	{kind: "never answers", says: "did not report", deaths: 1},
	{kind: "half a message", says: "did not report", deaths: 1},
	{kind: "garbage", says: "a message of", deaths: 1},
	{kind: "endless message", says: "at most", deaths: 1},
	{kind: "corrupt result", says: "", deaths: 1},
}

// config is how a worker is run that is to be poisoned.
func (po *poison) config() worker.Config {
	return worker.Config{Memory: 256 << 20}
}

// TestPoison gives each poison to a worker process while others use it. The
// node lives; the message is a dead letter whose reason says what happened;
// its object serves others afterwards; and nobody else notices, least of all
// an object of the platform, which is no part of the worker's program.
func TestPoison(t *testing.T) {
	for _, p := range poisons {
		t.Run(strings.ReplaceAll(p.kind, " ", "-"), func(t *testing.T) {
			t.Parallel()
			pf := openShards(t, t.TempDir(), p.config(), 1)
			own := pf.unhurt()
			pf.load(self(t, "poison"))
			pf.want("v", "add", "1", "1")
			o := pf.others(4)
			o.more(50)
			resp := pf.drink(&p)
			o.more(50)
			pf.isolated(&p, resp)
			if st := pf.pool.Status(); p.deaths == 0 && st.Restarts != 0 || st.Restarts > died {
				t.Errorf("%d workers ended", st.Restarts)
			}
			if p.stuck { // they do not stay
				pf.log.until(t, func(s string) bool { return strings.Contains(s, "the program is replaced by itself") })
				o.more(50)
			}
			o.stop()
			own.check(t)
			want := "2"
			if p.counts {
				want = "101"
			}
			if resp, err := pf.try(wire.Address{Type: "victim", Key: "v", Method: "sip"}, "2"); err != nil || resp.Fail != nil || string(resp.Body.Data) != want {
				t.Errorf("its object: %+v, %v", resp, err)
			}
		})
	}
}

// method is what the poison is given to.
func (po *poison) method() string {
	if po.stuck {
		return "dregs"
	}
	return "drink"
}

func (p *platform) drink(po *poison) *wire.Response {
	p.t.Helper()
	resp, err := p.try(wire.Address{Type: "victim", Key: "v", Method: po.method()}, strconv.Quote(po.kind))
	if err != nil {
		p.t.Fatal(err)
	}
	return resp
}

// isolated checks what has become of a poisoned message.
func (p *platform) isolated(po *poison, resp *wire.Response) {
	p.t.Helper()
	letters, _, err := p.node.Dead(p.t.Context(), "", "", 10)
	if err != nil {
		p.t.Fatal(err)
	}
	if po.counts {
		if resp.Fail != nil || string(resp.Body.Data) != "99" || len(letters) != 0 {
			p.t.Errorf("its caller is told %+v; dead letters: %+v", resp, letters)
		}
		return
	}
	if resp.Fail == nil || !strings.Contains(resp.Fail.Message, po.says+po.answer) {
		p.t.Errorf("its caller is told %+v", resp.Fail)
	}
	switch {
	case po.answer != "":
		if len(letters) != 0 {
			p.t.Errorf("dead letters: %+v", letters)
		}
	case len(letters) != 1 || letters[0].Envelope.To.Method != po.method() || !strings.Contains(letters[0].Reason.Message, po.says):
		p.t.Errorf("dead letters: %+v", letters)
		for _, l := range letters {
			p.t.Logf("%+v because of %+v", l.Envelope.To, l.Reason.Message)
		}
	}
}

// others are callers of other objects, one each, who call until stop.
type others struct {
	p     *platform
	done  atomic.Int64
	calls chan struct{} // gets one for each call, if there is room
	end   chan struct{}
	group sync.WaitGroup
}

func (p *platform) others(n int) *others {
	o := &others{p: p, calls: make(chan struct{}, 1<<20), end: make(chan struct{})}
	for i := range n {
		o.group.Go(func() { o.call("other" + strconv.Itoa(i)) })
	}
	p.t.Cleanup(o.stop)
	return o
}

// call adds 1 again and again, and counts along: every answer is to be right.
func (o *others) call(key string) {
	for n := 1; ; n++ {
		select {
		case <-o.end:
			return
		default:
		}
		resp, err := o.p.try(wire.Address{Type: "counter", Key: key, Method: "add"}, "1")
		if err != nil || resp.Fail != nil || string(resp.Body.Data) != strconv.Itoa(n) {
			o.p.t.Errorf("call %d of %s: %+v, %v", n, key, resp, err)
			return
		}
		o.done.Add(1)
		select {
		case o.calls <- struct{}{}:
		default:
		}
	}
}

// more waits for n more calls.
func (o *others) more(n int) {
	o.p.t.Helper()
	limit := time.After(30 * time.Second)
	for want := o.done.Load() + int64(n); o.done.Load() < want; {
		select {
		case <-o.calls:
		case <-limit:
			o.p.t.Fatal("the others are not served")
		}
	}
}

func (o *others) stop() {
	select {
	case <-o.end:
	default:
		close(o.end)
	}
	o.group.Wait()
}

// TestPoisonTable prints the table of DESIGN.md, if it is asked to: what each
// poison costs the others on its shard, with the platform's defaults. 64 others
// call as fast as they are answered; their rate until the message is isolated
// is compared with the mean of that before and after. The first line is no
// poison, but 1.5 s without: what it is from 100 % is the noise.
func TestPoisonTable(t *testing.T) {
	if *poisonTable == 0 {
		return // no check: it measures, for people
	}
	fmt.Printf("| poison | what is said | workers lost | s to isolation | ms of it without an answer | calls/s without it | throughput of others until isolation | over a minute |\n|---|---|---|---|---|---|---|---|\n")
	only := regexp.MustCompile(*poisonKinds)
	for _, p := range append([]poison{{kind: nothing}}, poisons...) {
		if !only.MatchString(p.kind) && p.kind != nothing {
			continue
		}
		var all [6][]float64
		var says string
		for range *poisonTable {
			f := measure(t, &p)
			for i, v := range []float64{float64(f.restarts), f.secs, f.gap, f.rate, 100 * f.ratio, 100 * f.minute()} {
				all[i] = append(all[i], v)
			}
			says = f.says
		}
		fmt.Printf("| %s | %s | %.0f | %.2f | %.0f | %.0f | %.0f %% (%.0f to %.0f) | %.1f %% |\n", p.kind, says, median(all[0]), median(all[1]), median(all[2]), median(all[3]),
			median(all[4]), slices.Min(all[4]), slices.Max(all[4]), median(all[5]))
	}
}

const nothing = "(none)"

// figures are those of one run.
type figures struct {
	secs, gap   float64 // until isolation; ms of it without an answer
	rate, ratio float64 // calls/s of the others without poison; share of it with
	restarts    int
	says        string
}

// minute is the share of what the others do in a minute in which the message
// comes: what it costs is over with its isolation.
func (f *figures) minute() float64 {
	share := min(f.secs/60, 1)
	return share*f.ratio + (1 - share)
}

func measure(t *testing.T, po *poison) *figures {
	p := openShards(t, t.TempDir(), po.config(), 1)
	defer p.stop()
	p.load(self(t, "poison", "TEST_POLICY=default"))
	o := p.others(64)
	defer o.stop()
	o.more(2000)
	const window = 2 * time.Second
	before := o.rate(window)
	stalled := o.stalls()
	start, n := time.Now(), o.done.Load()
	f := &figures{}
	if po.kind == nothing {
		o.rate(1500 * time.Millisecond)
	} else {
		resp := p.drink(po)
		defer p.isolated(po, resp)
		f.says = told(po, resp)
	}
	f.secs = time.Since(start).Seconds()
	during := float64(o.done.Load()-n) / f.secs
	f.gap = stalled()
	f.rate = (before + o.rate(window)) / 2
	f.ratio, f.restarts = during/f.rate, p.pool.Status().Restarts
	return f
}

func told(po *poison, resp *wire.Response) string {
	if resp.Fail == nil {
		return "(it counts, once)"
	}
	_, why, _ := strings.Cut(resp.Fail.Message, "victim/v."+po.method()+": ")
	return cmp.Or(why, resp.Fail.Message)
}

// rate is how many calls a second are answered in the next d.
func (o *others) rate(d time.Duration) float64 {
	start, n := time.Now(), o.done.Load()
	<-time.After(d)
	return float64(o.done.Load()-n) / time.Since(start).Seconds()
}

// stalls begins to sum up the pauses over 10 ms in which nobody is answered;
// the function that it returns ends that, and returns milliseconds.
func (o *others) stalls() func() float64 {
	end, sum := make(chan struct{}), make(chan time.Duration)
	go func() {
		var total time.Duration
		last, seen := time.Now(), o.done.Load()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				sum <- total
				return
			case now := <-tick.C:
				if n := o.done.Load(); n != seen {
					if d := now.Sub(last); d > 10*time.Millisecond {
						total += d
					}
					seen, last = n, now
				}
			}
		}
	}()
	return func() float64 { close(end); return float64((<-sum).Microseconds()) / 1e3 }
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
