package situ

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

type level int8

// box is a state with every kind of container. Its codes are named strings,
// its depths are negative too, and its tags are elements that a copy shares.
type box struct {
	Codes Map[word, int] `json:"codes"`
	Steps List[string]   `json:"steps"`
	Count Counter        `json:"count"`
	Plain int            `json:"plain"`
	Below struct {
		Depths Map[level, point]   `json:"depths"`
		Tags   Map[uint16, []word] `json:"tags"`
		More   List[int]
	} `json:"below"`
}

type word string

type point struct{ X, Y int }

// A flat box can be put back by copying it, a loose one cannot.
type flatBox struct{ box }

type looseBox struct {
	box
	Notes []string
	Any   any
}

// plain is the model of a box: what is in it, without containers.
type plain struct {
	Codes  map[word]int
	Steps  []string
	Count  int64
	Plain  int
	Depths map[level]point
	Tags   map[uint16][]word
	More   []int
}

func newPlain() plain {
	return plain{Codes: map[word]int{}, Depths: map[level]point{}, Tags: map[uint16][]word{}}
}

// dump reads a box, and checks that containers agree with themselves.
func (b *box) dump() (plain, error) {
	p := newPlain()
	p.Count, p.Plain = b.Count.Value(), b.Plain
	var last word
	for k, v := range b.Codes.All() {
		if got, ok := b.Codes.Get(k); !ok || got != v || k < last {
			return p, fmt.Errorf("codes: %q is %d and %d, after %q", k, v, got, last)
		}
		p.Codes[k], last = v, k
	}
	deepest := level(-128)
	for k, v := range b.Below.Depths.All() {
		if k < deepest {
			return p, fmt.Errorf("depths: %d after %d", k, deepest)
		}
		p.Depths[k], deepest = v, k
	}
	for k, v := range b.Below.Tags.All() {
		p.Tags[k] = slices.Clone(v)
	}
	for i, v := range b.Steps.All() {
		if i != len(p.Steps) {
			return p, fmt.Errorf("steps: %d after %d", i, len(p.Steps))
		}
		p.Steps = append(p.Steps, v)
	}
	for _, v := range b.Below.More.All() {
		p.More = append(p.More, v)
	}
	if b.Codes.Len() != len(p.Codes) || b.Steps.Len() != len(p.Steps) || b.Below.Depths.Len() != len(p.Depths) {
		return p, errors.New("a length is wrong")
	}
	return p, nil
}

// op is one change, done to a box and to its model.
type op struct{ What, K, V int }

const ops = 17

func (o op) box(b *box) {
	w, d, tag := word(fmt.Sprint(o.K)), level(o.K*16-100), uint16(o.K)
	switch o.What {
	case 0, 1:
		b.Codes.Set(w, o.V)
	case 2:
		b.Codes.Delete(w)
	case 3:
		b.Below.Depths.Set(d, point{o.V, -o.V})
	case 4:
		b.Below.Depths.Delete(d)
	case 5, 6:
		b.Steps.Append(string(w))
		b.Below.More.Append(o.V)
	case 7:
		b.Steps.Shift()
	case 8:
		b.Steps.Truncate(b.Steps.Len() - o.K/4)
	case 9:
		if i := o.K; i < b.Steps.Len() {
			b.Steps.Set(i, b.Steps.At(i)+"!")
		}
	case 10:
		b.Count.Add(int64(o.V))
	case 11:
		tags, _ := b.Below.Tags.Get(tag)
		b.Below.Tags.Set(tag, append(tags, w))
	case 12: // changes an element in place, and then sets it
		if tags, ok := b.Below.Tags.Get(tag); ok {
			tags[0] += "?"
			b.Below.Tags.Set(tag, tags)
		}
	case 13:
		if o.V == 0 {
			b.Codes.Clear()
		}
		b.Plain = o.V
	case 14: // another container in the place of one
		if o.K == 0 {
			b.Codes = Map[word, int]{}
			b.Codes.Set(w, o.V)
			b.Steps = List[string]{}
			b.Count = Counter{}
		}
	case 15: // all new
		if o.K == 0 && o.V == 0 {
			*b = box{Plain: 7}
		}
	case 16:
		b.Below.Tags.Delete(tag)
	}
}

func (o op) model(p *plain) {
	w, d, tag := word(fmt.Sprint(o.K)), level(o.K*16-100), uint16(o.K)
	switch o.What {
	case 0, 1:
		p.Codes[w] = o.V
	case 2:
		delete(p.Codes, w)
	case 3:
		p.Depths[d] = point{o.V, -o.V}
	case 4:
		delete(p.Depths, d)
	case 5, 6:
		p.Steps = append(p.Steps, string(w))
		p.More = append(p.More, o.V)
	case 7:
		p.Steps = p.Steps[min(1, len(p.Steps)):]
	case 8:
		p.Steps = p.Steps[:max(len(p.Steps)-o.K/4, 0)]
	case 9:
		if o.K < len(p.Steps) {
			p.Steps[o.K] += "!"
		}
	case 10:
		p.Count += int64(o.V)
	case 11:
		p.Tags[tag] = append(p.Tags[tag], w)
	case 12:
		if len(p.Tags[tag]) > 0 {
			p.Tags[tag][0] += "?"
		}
	case 13:
		if o.V == 0 {
			clear(p.Codes)
		}
		p.Plain = o.V
	case 14:
		if o.K == 0 {
			p.Codes, p.Steps, p.Count = map[word]int{w: o.V}, nil, 0
		}
	case 15:
		if o.K == 0 && o.V == 0 {
			*p = newPlain()
			p.Plain = 7
		}
	case 16:
		delete(p.Tags, tag)
	}
}

// script is a turn: changes, and how it ends.
type script struct {
	Ops []op
	End string // "", "error", "panic", "delete"
}

// perform is the handler of scripts.
func perform(b *box, t *Turn, s script) (None, error) {
	for _, o := range s.Ops {
		o.box(b)
	}
	switch s.End {
	case "error":
		return None{}, errors.New("no")
	case "panic":
		panic("oh")
	case "delete":
		t.Delete()
	}
	return None{}, nil
}

func (p *plain) perform(s script) {
	for _, o := range s.Ops {
		o.model(p)
	}
	if s.End == "delete" {
		*p = newPlain()
	}
}

// TestContainersModel runs random turns, in frames, on boxes that are unloaded
// now and then, and compares them with plain maps and slices.
func TestContainersModel(t *testing.T) {
	s := seed.New(t)
	for round := range uint64(12) {
		testModel(t, source(s, round), func(b *flatBox) *box { return &b.box })
		testModel(t, source(s, round), func(b *looseBox) *box {
			b.Notes = append(b.Notes[:min(len(b.Notes), 5)], "x")
			b.Any = map[string]any{"a": []any{"b", nil}}
			return &b.box
		})
	}
}

func testModel[S any](t *testing.T, r *rand.Rand, of func(*S) *box) {
	typ := NewType("box")
	do := NewMethod[script, None](typ, "do")
	look := NewMethod[None, plain](typ, "look", ReadOnly)
	l := newLab(t, Object(typ,
		On(do, func(s *S, t *Turn, in script) (None, error) { return perform(of(s), t, in) }),
		On(look, func(s *S, _ *Turn, _ None) (plain, error) {
			if lb, ok := any(s).(*looseBox); ok {
				return lb.box.dump()
			}
			return of(s).dump()
		})))
	model := newPlain()
	var queue []*wire.Envelope
	scripts := map[*wire.Envelope]script{}
	for range 150 {
		for range 1 + r.IntN(5) {
			sc := randomScript(r)
			env := envelopeOf(do.To("k", sc))
			scripts[env] = sc
			queue = append(queue, env)
		}
		for n := len(queue); len(queue) > 0; {
			done, alone := l.take(queue[:min(n, len(queue))], scripts, &model)
			queue = queue[done:]
			if n = len(queue); alone {
				n = 1
			}
		}
		if r.IntN(3) == 0 {
			l.unload()
		}
		got, fail := ask(l, look.To("k", None{}))
		if want := fmt.Sprint(model); fail != "" || fmt.Sprint(got) != want {
			t.Fatalf("%s\n got %v\nwant %s", fail, got, want)
		}
		if reflect.DeepEqual(model, newPlain()) && l.root == nil && len(l.rows) > 0 {
			t.Fatalf("a deleted object has elements: %v", slices.Collect(maps.Keys(l.rows)))
		}
	}
}

func randomScript(r *rand.Rand) script {
	s := script{End: []string{"", "", "", "", "", "error", "panic", "delete"}[r.IntN(8)]}
	for range r.IntN(8) {
		s.Ops = append(s.Ops, op{r.IntN(ops), r.IntN(12), r.IntN(5) - 1})
	}
	return s
}

// take runs a frame and returns how many of its turns are over. What panicked
// is given up. Those that are not over run again, the first alone if need be.
func (l *lab) take(envs []*wire.Envelope, scripts map[*wire.Envelope]script, model *plain) (done int, alone bool) {
	l.t.Helper()
	for i, res := range l.run(envs...) {
		switch res.Outcome {
		case turn.Done, turn.Panicked:
			if done != i {
				l.t.Fatalf("turn %d has a result, and %d has none", i, done)
			}
			done++
			if res.Outcome == turn.Done && res.Fail == nil {
				model.perform(scripts[envs[i]])
			}
		case turn.Redo:
			alone = true
		}
	}
	return done, alone
}
