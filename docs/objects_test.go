package docs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/situtest"
)

// What docs/objects.md shows: an item in a warehouse.

var (
	itemType = situ.NewType("item", situ.Doc("one article in the warehouse"))
	receive  = situ.NewMethod[Delivery, Level](itemType, "receive", situ.Doc("adds pieces"))
	reserve  = situ.NewMethod[Order, Level](itemType, "reserve", situ.Doc("keeps pieces for an order"))
	level    = situ.NewMethod[situ.None, Level](itemType, "level", situ.ReadOnly)
	viewed   = situ.NewMethod[situ.None, situ.None](itemType, "viewed", situ.Relaxed)
	retire   = situ.NewMethod[situ.None, Level](itemType, "retire")
)

// Delivery is an input.
type Delivery struct {
	Pieces int    `json:"pieces"`
	Note   string `json:"note,omitempty"`
}

// Order is an input, and an element of the state.
type Order struct {
	Number string `json:"number"`
	Pieces int    `json:"pieces"`
}

// Level is an answer.
type Level struct {
	Pieces int `json:"pieces"`
}

// Item is the state of one item.
type Item struct {
	Pieces   int                     `json:"pieces"`
	Reserved situ.Map[string, Order] `json:"reserved"` // by order number
	Arrivals situ.List[Delivery]     `json:"arrivals"` // the last ten
	Views    situ.Counter            `json:"views"`
}

// Receive adds pieces.
func (i *Item) Receive(t *situ.Turn, in Delivery) (Level, error) {
	i.Pieces += in.Pieces
	i.Arrivals.Append(in)
	if i.Arrivals.Len() > 10 {
		i.Arrivals.Shift()
	}
	return Level{i.Pieces}, nil
}

// Reserve keeps pieces for an order.
func (i *Item) Reserve(t *situ.Turn, in Order) (Level, error) {
	if i.Reserved.Has(in.Number) {
		return Level{i.Pieces}, nil // was asked before
	}
	i.Pieces -= in.Pieces
	if i.Pieces < 0 {
		return Level{}, situ.Errorf("short", "item %s has too few pieces", t.Key())
	}
	i.Reserved.Set(in.Number, in)
	return Level{i.Pieces}, nil
}

// Level answers how many pieces there are.
func (i *Item) Level(*situ.Turn, situ.None) (Level, error) { return Level{i.Pieces}, nil }

// Viewed counts those who looked.
func (i *Item) Viewed(*situ.Turn, situ.None) (none situ.None, err error) {
	i.Views.Add(1)
	return none, nil
}

// Retire deletes the item.
func (i *Item) Retire(t *situ.Turn, _ situ.None) (Level, error) {
	t.Delete()
	return Level{i.Pieces}, nil
}

func items() []situ.Component {
	return []situ.Component{situ.Object(itemType,
		situ.On(receive, (*Item).Receive),
		situ.On(reserve, (*Item).Reserve),
		situ.On(level, (*Item).Level),
		situ.On(viewed, (*Item).Viewed),
		situ.On(retire, (*Item).Retire))}
}

func TestObjects(t *testing.T) {
	situtest.Run(t, items(), func(t *testing.T, rt *situtest.Runtime) {
		for range 12 {
			situtest.Do(rt, receive.To("nut", Delivery{Pieces: 1}))
		}
		situtest.Do(rt, reserve.To("nut", Order{"A1", 5}))
		situtest.Do(rt, reserve.To("nut", Order{"A1", 5}))
		if err := situtest.DoErr(rt, reserve.To("nut", Order{"A2", 8})); situ.CodeOf(err) != "short" {
			t.Errorf("err = %v", err)
		}
		situtest.Do(rt, viewed.To("nut", situ.None{}))
		rt.Settle()
		rt.Crash()
		if got := situtest.Do(rt, level.To("nut", situ.None{})); got.Pieces != 7 {
			t.Errorf("%d pieces", got.Pieces)
		}
		st := rt.State(itemType, "nut")
		for _, want := range []string{`"pieces":7`, `"reserved":{"A1":{"number":"A1","pieces":5}}`, `"views":1`} {
			if !strings.Contains(st, want) {
				t.Errorf("state %s has no %s", st, want)
			}
		}
		if n := strings.Count(st, `{"pieces":1}`); n != 10 {
			t.Errorf("%d arrivals in %s", n, st)
		}
		situtest.Do(rt, retire.To("nut", situ.None{}))
		if st := rt.State(itemType, "nut"); st != "" {
			t.Errorf("state %s after deletion", st)
		}
		if got := situtest.Do(rt, level.To("nut", situ.None{})); got.Pieces != 0 {
			t.Errorf("a deleted item has %d pieces", got.Pieces)
		}
	})
}

// ItemV2 is a later form of Item: a field more, one renamed in Go only, and
// one gone.
type ItemV2 struct {
	Stock    int                     `json:"pieces"` // was Pieces: the durable name stays
	Reserved situ.Map[string, Order] `json:"reserved"`
	Arrivals situ.List[Delivery]     `json:"arrivals"`
	Views    situ.Counter            `json:"views"`
	Shelf    string                  `json:"shelf"` // new: "" in objects that are older
}

// ItemV3 has lost a container that has elements.
type ItemV3 struct {
	Pieces int `json:"pieces"`
}

// ItemV4 has another type under an old name.
type ItemV4 struct {
	Pieces   []int                   `json:"pieces"`
	Reserved situ.Map[string, Order] `json:"reserved"`
	Arrivals situ.List[Delivery]     `json:"arrivals"`
	Views    situ.Counter            `json:"views"`
}

func changed[S any](h func(*S) int) situ.Component {
	typ := situ.NewType("item")
	m := situ.NewMethod[situ.None, Level](typ, "level", situ.ReadOnly)
	return situ.Object(typ, situ.On(m, func(s *S, _ *situ.Turn, _ situ.None) (Level, error) { return Level{h(s)}, nil }))
}

// What docs/objects.md says about changing the state of objects that exist.
func TestMigrations(t *testing.T) {
	dir := t.TempDir()
	with := func(f func(p *embedded.Platform), c ...situ.Component) {
		t.Helper()
		p, err := embedded.Open(dir, embedded.Options{Shards: 1}, c...)
		if err != nil {
			t.Fatal(err)
		}
		f(p)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	with(func(p *embedded.Platform) {
		if _, err := situ.Do(t.Context(), p, receive.To("nut", Delivery{Pieces: 3})); err != nil {
			t.Fatal(err)
		}
	}, items()...)
	with(func(p *embedded.Platform) {
		if got, err := situ.Do(t.Context(), p, level.To("nut", situ.None{})); err != nil || got.Pieces != 3 {
			t.Errorf("%v, %v", got, err)
		}
	}, changed(func(i *ItemV2) int { return i.Stock + len(i.Shelf) }))
	for _, c := range []situ.Component{changed(func(*ItemV3) int { return 0 }), changed(func(*ItemV4) int { return 0 })} {
		with(func(p *embedded.Platform) {
			_, err := situ.Do(t.Context(), p, level.To("nut", situ.None{}))
			if e, ok := errors.AsType[*situ.Error](err); !ok || e.Kind != "corrupt" {
				t.Errorf("an unfit state: %v", err)
			}
			t.Log(err)
		}, c)
	}
	with(func(p *embedded.Platform) {
		if got, err := situ.Do(t.Context(), p, level.To("nut", situ.None{})); err != nil || got.Pieces != 3 {
			t.Errorf("the old code after all: %v, %v", got, err)
		}
	}, items()...)
}

// What docs/objects.md says is refused when the program starts.
func TestUnfitStates(t *testing.T) {
	for name, c := range map[string]situ.Component{
		"pointer": changed(func(*struct{ M *situ.Map[string, int] }) int { return 0 }),
		"slice":   changed(func(*struct{ M []situ.Counter }) int { return 0 }),
		"container": changed(func(*struct {
			M situ.Map[string, situ.List[int]]
		}) int {
			return 0
		}),
		"hidden":   changed(func(*struct{ m situ.Counter }) int { return 0 }),
		"channel":  changed(func(*struct{ C chan int }) int { return 0 }),
		"function": changed(func(*struct{ F func() }) int { return 0 }),
	} {
		if _, err := situ.Assemble(c); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}
