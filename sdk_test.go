package situ

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// oddity is an object whose every method does one odd thing, by name.
type oddity struct {
	N     int
	Wait  Promise[int]
	Other Promise[int]
	Elems Map[string, int]
}

type odd = func(*oddity, *Turn, int) (int, error)

// oddLab hosts oddities with the given methods; the name of one that is read
// only ends in "RO".
func oddLab(t *testing.T, methods map[string]odd) (*lab, func(method string, in int) Call[int]) {
	t.Helper()
	typ := NewType("odd")
	var bs []Binding[oddity]
	ms := map[string]Method[int, int]{}
	for name, h := range methods {
		var opts []Option
		if strings.HasSuffix(name, "RO") {
			opts = append(opts, ReadOnly)
		}
		ms[name] = NewMethod[int, int](typ, name, opts...)
		bs = append(bs, On(ms[name], h))
	}
	return newLab(t, Object(typ, bs...)), func(method string, in int) Call[int] { return ms[method].To("k", in) }
}

var (
	elsewhere = NewType("elsewhere")
	there     = NewMethod[int, int](elsewhere, "there")
	later     = NewMethod[Reply[int, string], int](elsewhere, "later")
	carryOn   = NewFunc[Reply[int, string], int]("carryOn")
)

func TestMisuse(t *testing.T) {
	var kept error
	l, call := oddLab(t, map[string]odd{
		"tailAndValue": func(o *oddity, t *Turn, in int) (int, error) {
			o.N++
			_, _ = Tail(t, there.To("x", in))
			return 5, nil
		},
		"twoTails": func(o *oddity, t *Turn, in int) (int, error) {
			_, _ = Tail(t, there.To("x", in))
			return Tail(t, there.To("y", in))
		},
		"tailThenError": func(o *oddity, t *Turn, in int) (int, error) {
			o.N++
			_, _ = Tail(t, there.To("x", in))
			return 0, Errorf("late", "changed my mind")
		},
		"keep": func(o *oddity, t *Turn, in int) (int, error) {
			_, kept = Tail(t, there.To("x", in))
			return 0, kept
		},
		"anothers":  func(o *oddity, t *Turn, in int) (int, error) { return 0, kept },
		"holdTwice": func(o *oddity, t *Turn, in int) (int, error) { _, _ = Hold(t, &o.Wait); return Hold(t, &o.Other) },
		"holdRO":    func(o *oddity, t *Turn, in int) (int, error) { return Hold(t, &o.Wait) },
		"tailRO":    func(o *oddity, t *Turn, in int) (int, error) { return Tail(t, there.To("x", in)) },
		"sendRO":    func(o *oddity, t *Turn, in int) (int, error) { Send(t, there.To("x", in)); return 1, nil },
		"deleteRO":  func(o *oddity, t *Turn, in int) (int, error) { t.Delete(); return 1, nil },
		"writeRO":   func(o *oddity, t *Turn, in int) (int, error) { o.N++; return 1, nil },
		"elemsRO":   func(o *oddity, t *Turn, in int) (int, error) { o.Elems.Set("a", 1); return 1, nil },
		"otherType": func(o *oddity, t *Turn, in int) (int, error) {
			return Then(t, there.To("x", in), later, "carry")
		},
		"badKey": func(o *oddity, t *Turn, in int) (int, error) { Send(t, there.To("", in)); return 1, nil },
		"get":    func(o *oddity, t *Turn, in int) (int, error) { return o.N, nil },
	})
	for method, fail := range map[string]string{
		"tailAndValue":  "crashed: answer odd/k.tailAndValue: it returned a value after it had given its caller's callback away with Tail: write return situ.Tail(…)",
		"twoTails":      "crashed: Tail odd/k.twoTails: the caller's callback was given away by Tail before: a turn ends with one owner of it",
		"tailThenError": "failed: changed my mind",
		"holdTwice":     "crashed: Hold odd/k.holdTwice: the caller's callback was given away by Hold before",
		"holdRO":        "crashed: Hold odd/k.holdRO: a read-only method answers its caller itself",
		"tailRO":        "crashed: Tail odd/k.tailRO: a read-only method answers its caller itself",
		"sendRO":        "crashed: send to elsewhere/x.there: a read-only method sends nothing",
		"deleteRO":      "crashed: delete odd/k.deleteRO: a function has no state, and a read-only method changes none",
		"writeRO":       "crashed: odd/k.writeRO is declared ReadOnly and changed the state",
		"elemsRO":       "panicked: crashed: panic: situ: a read-only method changed a container",
		"otherType":     "crashed: Then elsewhere/k.later: a continuation is a method of the same object, or a function",
		"badKey":        "invalid: wire.key: the key is empty",
	} {
		wantFail(l, call(method, 1), fail)
	}
	if res := l.run(envelopeOf(call("keep", 1)))[0]; !res.Moved || len(res.Sends) != 1 {
		t.Errorf("a Tail is %+v", res)
	}
	wantFail(l, call("anothers", 1), "crashed: the handler returned the error of a Tail, Then or Hold of another turn")
	want(l, call("get", 0), 0) // none of it left a trace
}

func TestUseAfterReturn(t *testing.T) {
	var kept *Turn
	l, call := oddLab(t, map[string]odd{"keep": func(_ *oddity, t *Turn, _ int) (int, error) { kept = t; return 0, nil }})
	want(l, call("keep", 0), 0)
	for name, f := range map[string]func(){
		"Send":   func() { Send(kept, there.To("x", 1)) },
		"Tail":   func() { _, _ = Tail(kept, there.To("x", 1)) },
		"Hold":   func() { _, _ = Hold(kept, &Promise[int]{}) },
		"Delete": func() { kept.Delete() },
	} {
		if got := catch(f); !strings.HasPrefix(got, "situ: a turn was used after its handler returned") {
			t.Errorf("%s: %q", name, got)
		}
	}
	<-kept.Done() // nor does what hangs on its context outlive it
}

func TestPromises(t *testing.T) {
	l, call := oddLab(t, map[string]odd{
		"hold": func(o *oddity, t *Turn, _ int) (int, error) { return Hold(t, &o.Wait) },
		"resolve": func(o *oddity, t *Turn, in int) (int, error) {
			Resolve(t, &o.Wait, in)
			Resolve(t, &o.Wait, in) // nobody waits any more
			return 1, nil
		},
		"reject": func(o *oddity, t *Turn, in int) (int, error) {
			Reject(t, &o.Wait, Errorf("no", "not %d", in))
			return 1, nil
		},
	})
	hold := func(id wire.InvocationID, f wire.Format) *wire.Envelope {
		env := envelopeOf(call("hold", 0))
		env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: id, Format: f}
		return env
	}
	if res := l.run(envelopeOf(call("resolve", 1)))[0]; len(res.Sends) != 0 {
		t.Errorf("resolving an empty promise sent %+v", res.Sends[0])
	}
	l.run(hold("first", wire.JSON))
	l.unload() // the promise is in the state
	res := l.run(hold("second", wire.JSON))[0]
	if len(res.Sends) != 1 || res.Sends[0].Back.ID != "first" || res.Sends[0].Fail.Message != "replaced by a later call" {
		t.Fatalf("the first caller gets %+v", res.Sends)
	}
	res = l.run(envelopeOf(call("resolve", 42)))[0]
	if len(res.Sends) != 1 || res.Sends[0].Back.ID != "second" || string(res.Sends[0].Body.Data) != "42" {
		t.Errorf("the second caller gets %+v", res.Sends)
	}
	l.run(hold("third", wire.CBOR))
	res = l.run(envelopeOf(call("reject", 7)))[0]
	if f := res.Sends[0].Fail; f == nil || f.Code != "no" || f.Message != "not 7" {
		t.Errorf("the third caller gets %+v", f)
	}
	oneWay := envelopeOf(call("hold", 0))
	oneWay.Back = nil
	l.run(oneWay)
	if res = l.run(envelopeOf(call("resolve", 1)))[0]; len(res.Sends) != 0 {
		t.Errorf("the sender of a one-way call gets %+v", res.Sends)
	}
}

func TestThen(t *testing.T) {
	typ := NewType("asker")
	ask := NewMethod[int, int](typ, "ask")
	toFunc := NewMethod[int, int](typ, "toFunc")
	heard := NewMethod[Reply[int, string], int](typ, "heard")
	l := newLab(t, Object(typ,
		On(ask, func(_ *struct{}, t *Turn, in int) (int, error) { return Then(t, there.To("x", in), heard, "carry") }),
		On(toFunc, func(_ *struct{}, t *Turn, in int) (int, error) { return Then(t, there.To("x", in), carryOn, "carry") }),
		On(heard, func(_ *struct{}, _ *Turn, r Reply[int, string]) (int, error) {
			return r.Value + len(r.Carry), r.Err()
		})))
	env := envelopeOf(ask.To("k", 3))
	env.Amend().Trace = "00-trace"
	sent := l.run(env)[0].Sends[0]
	back := sent.Back
	if back.To != (wire.Address{Type: "asker", Key: "k", Method: "heard"}) || back.Parent != env.Back || sent.Trace() != env.Trace() || sent.Made != 1e18 {
		t.Fatalf("the call is %+v, its callback %+v", sent, back)
	}
	body, err := codec.Pack(wire.CBOR, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got, fail := answerOf[int](l, l.run(wire.ReplyTo(back, body, nil))[0]); got != 15 || fail != "" {
		t.Errorf("the continuation answered %d %s", got, fail)
	}
	no := &wire.Failure{Kind: "failed", Code: "c", Message: "no"}
	res := l.run(wire.ReplyTo(back, wire.Payload{}, no))[0]
	if res.Fail == nil || *res.Fail != *no {
		t.Errorf("a failure passed on is %+v", res.Fail)
	}
	wantFail(l, Call[int]{to: back.To, in: body}, "not-found: call asker/k.heard: it is a continuation: only the reply of a call made with Then runs it")
	if to := l.run(envelopeOf(toFunc.To("k", 3)))[0].Sends[0].Back.To; to != (wire.Address{Method: "carryOn"}) {
		t.Errorf("a continuation function is %v", to)
	}
	deep := envelopeOf(ask.To("k", 3))
	for range wire.MaxChain - 2 {
		deep.Back = &wire.Callback{Kind: wire.ToMethod, To: back.To, Parent: deep.Back}
	}
	last := l.run(deep)[0]
	if last.Fail != nil {
		t.Fatalf("the last callback there is room for: %v", last.Fail)
	}
	deep.Back = last.Sends[0].Back
	if f := l.run(deep)[0].Fail; f == nil || f.Kind != "too-large" || f.Message != "Then asker/k.ask: more than 256 turns wait for each other" {
		t.Errorf("one too many: %+v", f)
	}
}

func TestDelete(t *testing.T) {
	l, call := oddLab(t, map[string]odd{
		"set": func(o *oddity, _ *Turn, in int) (int, error) {
			o.N += in
			o.Elems.Set(fmt.Sprint(in), in)
			return o.N, nil
		},
		"delete": func(o *oddity, t *Turn, _ int) (int, error) { o.N = 99; t.Delete(); return o.N, nil },
		"getRO":  func(o *oddity, _ *Turn, _ int) (int, error) { return o.N*100 + o.Elems.Len(), nil },
		"fail":   func(o *oddity, _ *Turn, in int) (int, error) { o.N = in; return 0, errors.New("no") },
	})
	want(l, call("set", 5), 5)
	l.run(envelopeOf(call("delete", 0)), envelopeOf(call("getRO", 0)), envelopeOf(call("fail", 7)))
	if l.root != nil || len(l.rows) > 0 || l.size != 0 {
		t.Errorf("after Delete, a look and a failure there are %q, %v", l.root, l.rows)
	}
	want(l, call("getRO", 0), 0)
	want(l, call("set", 6), 6) // used anew
	l.run(envelopeOf(call("delete", 0)), envelopeOf(call("set", 8)), envelopeOf(call("set", 9)))
	want(l, call("getRO", 0), 1702)
	l.unload()
	want(l, call("getRO", 0), 1702)
	l.run(envelopeOf(call("set", 1)), envelopeOf(call("delete", 0)))
	l.unload()
	want(l, call("getRO", 0), 0)
}

// A turn writes what it changed: one element of many, and none that a failed
// turn touched.
func TestElementsWritten(t *testing.T) {
	l, call := oddLab(t, map[string]odd{
		"fill": func(o *oddity, _ *Turn, n int) (int, error) {
			for i := range n {
				o.Elems.Set(fmt.Sprint(i), i)
			}
			return 0, nil
		},
		"set": func(o *oddity, _ *Turn, n int) (int, error) { o.Elems.Set("7", n); return 0, nil },
		"fail": func(o *oddity, _ *Turn, n int) (int, error) {
			o.Elems.Set(fmt.Sprint(n), n)
			return 0, errors.New("no")
		},
	})
	l.run(envelopeOf(call("fill", 100)))
	if l.wrote != 100 {
		t.Errorf("filling wrote %d elements", l.wrote)
	}
	l.run(envelopeOf(call("fail", 8)), envelopeOf(call("set", 1)), envelopeOf(call("set", 2)), envelopeOf(call("fail", 500)))
	if l.wrote != 1 {
		t.Errorf("setting one wrote %d elements", l.wrote)
	}
}

// shared is a state that a copy shares parts of.
type shared struct {
	Names []string
	By    map[string]int
}

// Turns that fail after good ones in a frame change nothing, and take nothing
// of the good ones away.
func TestRollbackOfSharedState(t *testing.T) {
	typ := NewType("shared")
	add := NewMethod[string, int](typ, "add")
	text := NewMethod[None, string](typ, "text", ReadOnly)
	l := newLab(t, Object(typ,
		On(add, func(s *shared, _ *Turn, name string) (int, error) {
			if s.By == nil {
				s.By = map[string]int{}
			}
			for i := range s.Names {
				s.Names[i] += "."
			}
			s.By[name] = len(s.Names)
			s.Names = append(s.Names, name)
			switch name {
			case "error":
				return 0, errors.New("no")
			case "panic":
				panic("oh")
			}
			return len(s.Names), nil
		}),
		On(text, func(s *shared, _ *Turn, _ None) (string, error) { return fmt.Sprint(s.Names, s.By), nil })))
	frame := func(names ...string) (outcomes []turn.Outcome) {
		var envs []*wire.Envelope
		for _, n := range names {
			envs = append(envs, envelopeOf(add.To("k", n)))
		}
		for _, res := range l.run(envs...) {
			outcomes = append(outcomes, res.Outcome)
		}
		return outcomes
	}
	if got := fmt.Sprint(frame("a", "b", "error", "c", "panic", "d")); got != "[1 1 1 1 2 4]" {
		t.Errorf("outcomes %s", got)
	}
	after := "[a.. b. c] map[a:0 b:1 c:2]"
	want(l, text.To("k", None{}), after)
	frame("error") // at once: the instance is given up
	if l.resident {
		t.Error("the instance that could not be put back is still there")
	}
	want(l, text.To("k", None{}), after)
	frame("panic")
	l.unload()
	want(l, text.To("k", None{}), after)
}

func TestReadOnlyThatWritesShared(t *testing.T) {
	typ := NewType("liar")
	lie := NewMethod[None, None](typ, "lie", ReadOnly)
	l := newLab(t, Object(typ, On(lie, func(s *shared, _ *Turn, _ None) (None, error) {
		s.Names = append(s.Names, "x")
		return None{}, nil
	})))
	wantFail(l, lie.To("k", None{}), "crashed: liar/k.lie is declared ReadOnly and changed the state")
	if l.resident {
		t.Error("the changed instance is still there")
	}
}

func TestTurnMethods(t *testing.T) {
	var saw []string
	l, call := oddLab(t, map[string]odd{"look": func(_ *oddity, t *Turn, _ int) (int, error) {
		deadline, ok := t.Deadline()
		saw = append(saw, fmt.Sprint(t.Key(), t.Now(), t.Now().Equal(t.Now()), t.Rand().IntN(1e9), t.Rand().IntN(1e9), t.Attempt(), deadline.IsZero(), ok, t.Err()))
		t.Log().Info("seen")
		return 0, nil
	}})
	l.run(envelopeOf(call("look", 0)), envelopeOf(call("look", 0)))
	if len(saw) != 2 || saw[0] != saw[1] || !strings.HasPrefix(saw[0], "k2001-09-09 01:46:40 +0000 UTC true ") {
		t.Errorf("the same message run twice sees %q", saw)
	}
}

func TestFunctions(t *testing.T) {
	f := NewFunc[int, int]("f")
	bad := NewFunc[int, int]("bad")
	l := newLab(t,
		Function(f, func(t *Turn, in int) (int, error) {
			if in < 0 {
				return 0, fmt.Errorf("negative: %w", Errorf("neg", "it is %d", in))
			}
			Send(t, there.To("x", in))
			t.Log().Info("seen")
			return in * 2, nil
		}),
		Function(bad, func(t *Turn, in int) (int, error) { t.Delete(); return 1, nil }))
	want(l, f.With(4), 8)
	wantFail(l, bad.With(4), "crashed: delete bad: a function has no state")
	res := l.run(envelopeOf(f.With(-4)))[0]
	if res.Fail == nil || res.Fail.Code != "neg" || res.Fail.Kind != "failed" || res.Fail.Message != "negative: it is -4" {
		t.Errorf("a wrapped error is answered as %+v", res.Fail)
	}
	env := envelopeOf(f.With(0))
	env.Body = wire.Payload{Format: wire.JSON, Data: []byte(`"four"`)}
	if res := l.run(env)[0]; res.Fail == nil || res.Fail.Kind != "unfit" || !strings.HasPrefix(res.Fail.Message, "the input of f does not fit int: json:") {
		t.Errorf("a wrong input is answered with %+v", res.Fail)
	}
}

func TestErrors(t *testing.T) {
	err := Errorf("full", "no seat in %s", "row 3")
	if err.Error() != "no seat in row 3" || CodeOf(err) != "full" || CodeOf(fmt.Errorf("x: %w", err)) != "full" {
		t.Errorf("%v, code %q", err, CodeOf(err))
	}
	if CodeOf(nil) != "" || CodeOf(io.EOF) != "" {
		t.Error("a code out of nothing")
	}
	if f := failureOf(io.EOF); f.Kind != "failed" || f.Message != "EOF" || f.Code != "" {
		t.Errorf("%+v", f)
	}
	if errorOf(nil) != nil || (Reply[int, int]{}).Err() != nil {
		t.Error("an error out of nothing")
	}
	sent := Reply[int, int]{fail: &wire.Failure{Kind: "timeout", Code: "c", Message: "m"}}
	if e, ok := errors.AsType[*Error](sent.Err()); !ok || *e != (Error{Code: "c", Kind: "timeout", Message: "m"}) {
		t.Errorf("%+v", sent.Err())
	}
}

func TestDue(t *testing.T) {
	now := wire.Time(1e18)
	c := there.To("k", 1)
	for _, x := range []struct {
		c    Call[int]
		want wire.Time
	}{
		{c, 0},
		{c.After(time.Second), now + 1e9},
		{c.After(-time.Second), 0},
		{c.After(math.MaxInt64), math.MaxInt64},
		{c.At(time.Unix(5, 6)), 5e9 + 6},
		{c.At(time.Unix(5, 6)).After(time.Second), now + 1e9},
		{c.After(time.Second).At(time.Unix(5, 6)), 5e9 + 6},
		{c.At(time.Time{}), 0},
		{c.At(time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)), 0},
		{c.At(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), math.MaxInt64},
	} {
		if got := x.c.due(now); got != x.want {
			t.Errorf("after %v, at %v: due %d, want %d", x.c.after, x.c.at, got, x.want)
		}
	}
}

func TestRetryPolicy(t *testing.T) {
	if p := *there.To("k", 1).Retry(RetryPolicy(-1, time.Second, -5)).policy; p != (wire.Policy{Backoff: 1e9}) {
		t.Errorf("policy %+v", p)
	}
}
