package ingress_test

import (
	"context"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/wire"
)

// all has a field of every sort that inputs are made of.
type all struct {
	Text   string               `json:"text"`
	Whole  int64                `json:"whole"`
	Small  uint8                `json:"small"`
	Real   float64              `json:"real"`
	Yes    bool                 `json:"yes"`
	Raw    []byte               `json:"raw"`
	List   []string             `json:"list"`
	Fixed  [2]int               `json:"fixed"`
	ByName map[string]int       `json:"byName"`
	At     time.Time            `json:"at"`
	For    time.Duration        `json:"for"`
	Maybe  *int                 `json:"maybe"`
	Any    any                  `json:"any"`
	Inner  struct{ N int }      `json:"inner"`
	Pairs  []struct{ K, V int } `json:"pairs,omitempty"`
}

type box struct {
	Last  all                   `json:"last"`
	Notes situ.Map[string, int] `json:"notes"`
	Hits  situ.Counter          `json:"hits"`
	Log   situ.List[string]     `json:"log"`
	ByNum situ.Map[int, bool]   `json:"byNum"`
}

var (
	boxType = situ.NewType("box", situ.Doc("keeps what it was given last"))
	keep    = situ.NewMethod[all, all](boxType, "keep")
	bang    = situ.NewMethod[situ.None, situ.None](boxType, "bang", situ.Retries(situ.RetryPolicy(1, 0, 0)))
	refuse  = situ.NewMethod[situ.None, situ.None](boxType, "refuse")
	twice   = situ.NewFunc[all, all]("twice")
)

func components() []situ.Component {
	return []situ.Component{
		situ.Object(boxType,
			situ.On(keep, func(b *box, _ *situ.Turn, in all) (all, error) {
				b.Last = in
				b.Notes.Set("whole", int(in.Whole))
				b.ByNum.Set(-3, true)
				b.Log.Append(in.Text)
				b.Hits.Add(1)
				return in, nil
			}),
			situ.On(bang, func(*box, *situ.Turn, situ.None) (situ.None, error) { panic("bang") }),
			situ.On(refuse, func(*box, *situ.Turn, situ.None) (situ.None, error) {
				return situ.None{}, situ.Errorf("shut", "the box is shut")
			})),
		situ.Function(twice, func(_ *situ.Turn, in all) (all, error) { in.Whole *= 2; return in, nil }),
	}
}

// realServer runs a platform behind the door.
func realServer(t *testing.T) (*situ.Client, *client.Client) {
	t.Helper()
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 2}, components()...)
	if err != nil {
		t.Fatal(err)
	}
	n := p.Node()
	s := httptest.NewServer(ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Monitor: n}, ingress.Config{}))
	typed, plain := situ.NewClient(s.URL), client.New(s.URL)
	t.Cleanup(func() {
		typed.Close()
		plain.Close()
		s.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return typed, plain
}

// Every sort of value goes through the door and comes back, by the typed
// client (CBOR) and as JSON, and schemas admit what Go writes.
func TestRealValues(t *testing.T) {
	typed, plain := realServer(t)
	ctx := context.Background()
	n := 5
	full := all{Text: "é\"", Whole: 1<<62 + 1, Small: 255, Real: 1.5, Yes: true, Raw: []byte{1, 2, 3}, List: []string{"a"}, Fixed: [2]int{1, 2},
		ByName: map[string]int{"a": 1}, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), For: time.Second,
		Maybe: &n, Any: "any", Pairs: []struct{ K, V int }{{1, 2}}}
	for _, in := range []all{{}, full} {
		got, err := situ.Do(ctx, typed, keep.To("k/1", in))
		if err != nil || !got.At.Equal(in.At) {
			t.Fatalf("typed: %v\n%+v\n%+v", err, got, in)
		}
		got.At = in.At
		if !reflect.DeepEqual(got, in) {
			t.Errorf("typed:\n%+v\n%+v", got, in)
		}
	}
	const doc = `{"text":"x","whole":9007199254740993,"small":1,"real":2,"yes":false,"raw":"AQID","list":null,"fixed":[1,2],"byName":{},` +
		`"at":"2026-01-02T03:04:05Z","for":7,"maybe":null,"any":{"x":[1]},"inner":{"N":1}}`
	res, err := plain.Call(ctx, wire.Address{Method: "twice"}, wire.Payload{Format: wire.JSON, Data: []byte(doc)}, client.Options{})
	if err != nil || !strings.Contains(string(res.Body.Data), `"whole":18014398509481986`) {
		t.Errorf("JSON: %v %+v", err, res)
	}
}

// State is shown with its containers, objects are listed and deleted.
func TestRealObjects(t *testing.T) {
	typed, plain := realServer(t)
	ctx := context.Background()
	for _, key := range []string{"a", "b/1", "b/2"} {
		for i := range 2 {
			if _, err := situ.Do(ctx, typed, keep.To(key, all{Text: "note", Whole: int64(i)})); err != nil {
				t.Fatal(err)
			}
		}
	}
	o, err := plain.Object(ctx, wire.ObjectID{Type: "box", Key: "b/1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"notes":{"whole":1}`, `"hits":2`, `"log":["note","note"]`, `"byNum":{"-3":true}`, `"text":"note"`, `"raw":null`} {
		if !strings.Contains(string(o.State), part) {
			t.Errorf("the state lacks %s: %s", part, o.State)
		}
	}
	l, err := plain.List(ctx, "box", "b/", "", 1)
	if err != nil || len(l.Objects) != 1 || l.Objects[0].Key != "b/1" || l.Next == "" {
		t.Fatalf("%+v, %v", l, err)
	}
	if l, err = plain.List(ctx, "box", "b/", l.Next, 10); err != nil || len(l.Objects) != 1 || l.Objects[0].Key != "b/2" || l.Next != "" {
		t.Errorf("the next page: %+v, %v", l, err)
	}
	if err := plain.Delete(ctx, wire.ObjectID{Type: "box", Key: "a"}); err != nil {
		t.Error(err)
	}
	if _, err := plain.Object(ctx, wire.ObjectID{Type: "box", Key: "a"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("after its deletion: %v", err)
	}
}

// Keys, asynchronous calls, handlers' errors and dead letters, with the real
// engine.
func TestRealCalls(t *testing.T) {
	_, plain := realServer(t)
	ctx := context.Background()
	to := wire.Address{Type: "box", Key: "x", Method: "refuse"}
	if _, err := plain.Call(ctx, to, wire.Payload{}, client.Options{}); !fault.Is(err, fault.Failed) || !strings.Contains(err.Error(), "the box is shut") {
		t.Errorf("refuse: %v", err)
	}
	res, err := plain.Call(ctx, to, wire.Payload{}, client.Options{Async: true, Key: "once"})
	if err != nil || res.ID == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	inv, err := plain.Invocation(ctx, res.ID, 10*time.Second)
	if err != nil || inv.Error == nil || inv.Error.Code != "shut" {
		t.Errorf("%+v, %v", inv, err)
	}
	to.Method = "bang"
	if _, err := plain.Call(ctx, to, wire.Payload{}, client.Options{}); !fault.Is(err, fault.Crashed) {
		t.Errorf("bang: %v", err)
	}
	dead, err := plain.Dead(ctx, "box", "", 10)
	if err != nil || len(dead.Letters) != 1 || dead.Letters[0].Target != "box/x.bang" {
		t.Fatalf("%+v, %v", dead, err)
	}
	letter, err := plain.DeadLetter(ctx, dead.Letters[0].ID)
	if err != nil || !strings.Contains(letter.Reason.Message, "bang") || letter.Reason.Detail == "" {
		t.Errorf("%+v, %v", letter, err)
	}
	if err := plain.DropDead(ctx, letter.ID); err != nil {
		t.Error(err)
	}
	if s, err := plain.Status(ctx); err != nil || len(s.Shards) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}
