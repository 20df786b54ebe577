package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

var (
	booksType = situ.NewType("ledger", situ.PauseOnDead, situ.Retries(situ.RetryPolicy(2, time.Second, time.Second)))
	enter     = situ.NewMethod[int, int](booksType, "enter")
	entries   = situ.NewMethod[situ.None, []int](booksType, "entries", situ.ReadOnly)
)

type books struct{ Entries []int }

// bookkeepers enter what is sent to them, but not what bad says.
func bookkeepers(bad *atomic.Int64) []situ.Component {
	return []situ.Component{situ.Object(booksType,
		situ.On(enter, func(l *books, _ *situ.Turn, n int) (int, error) {
			if int64(n) == bad.Load() {
				panic("the entry is wrong")
			}
			l.Entries = append(l.Entries, n)
			return n, nil
		}),
		situ.On(entries, func(l *books, _ *situ.Turn, _ situ.None) ([]int, error) { return l.Entries, nil }))}
}

func (r *rig) letters() []wire.DeadLetter {
	r.t.Helper()
	all, _, err := r.node.Dead(context.Background(), "", "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r *rig) entered() []int {
	r.t.Helper()
	st, _, err := r.node.Object(context.Background(), wire.ObjectID{Type: "ledger", Key: "a"})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := view.State(st)
	var l books
	if err = errors.Join(err, json.Unmarshal(text, &l)); err != nil {
		r.t.Fatal(err)
	}
	return l.Entries
}

// TestPauseOnDead has the third of five messages die. The object pauses, over a
// crash, and goes on with the letter when that is run again; another object goes on all the
// time. If the letter dies again, the object pauses again.
func TestPauseOnDead(t *testing.T) {
	for name, again := range map[string]bool{"mended": false, "dies again": true} {
		t.Run(name, func(t *testing.T) {
			var bad atomic.Int64
			bad.Store(3)
			bubble(t, node.Config{}, bookkeepers(&bad), func(r *rig) {
				for n := range 5 {
					begin(r, enter.To("a", n+1), n+1)
				}
				begin(r, enter.To("b", 3), 3)
				pass(time.Minute)
				bad.Store(0)
				begin(r, enter.To("a", 6), 6)
				pass(time.Minute)
				if got := r.entered(); !slices.Equal(got, []int{1, 2}) {
					t.Fatalf("paused, it has %v", got)
				}
				letters := r.letters()
				if len(letters) != 2 || !letters[0].Halts {
					t.Fatalf("letters: %+v", letters)
				}
				at := slices.IndexFunc(letters, func(d wire.DeadLetter) bool { return d.Envelope.To.Key == "a" })
				id := letters[at].ID
				_, err := r.Invoke(context.Background(), &wire.Request{To: wire.Address{Type: "ledger", Key: "a", Method: "enter"}, Body: wire.Payload{Format: wire.JSON, Data: []byte("7")}})
				if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "dead letter "+id) || !strings.Contains(err.Error(), "the entry is wrong") {
					t.Errorf("a caller who waits: %v", err)
				}
				r.crash()
				pass(time.Minute)
				if again {
					bad.Store(3)
				}
				if err := r.node.RetryDead(context.Background(), id); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				if again {
					if got, letters := r.entered(), r.letters(); !slices.Equal(got, []int{1, 2}) || len(letters) != 2 {
						t.Fatalf("died again, it has %v, and there are %d letters", got, len(letters))
					}
					if err := r.node.Resume(context.Background(), wire.Scope{Type: "ledger", Key: "a"}, 0); err != nil {
						t.Fatal(err)
					}
					pass(time.Minute)
				}
				want := []int{1, 2, 3, 4, 5, 6}
				if again {
					want = slices.Delete(want, 2, 3)
				}
				if got := r.entered(); !slices.Equal(got, want) {
					t.Errorf("it has %v, want %v", got, want)
				}
				if p, err := r.node.Pauses(context.Background()); err != nil || len(p) != 1 || p[0].Key != "b" {
					t.Errorf("paused: %+v, %v", p, err)
				}
			})
		})
	}
}

// TestPauseOnDeadKeepsPause leaves an object paused that somebody has paused, when a
// letter of it is run again.
func TestPauseOnDeadKeepsPause(t *testing.T) {
	var bad atomic.Int64
	bad.Store(1)
	bubble(t, node.Config{}, bookkeepers(&bad), func(r *rig) {
		begin(r, enter.To("a", 1), 1)
		pass(time.Minute)
		scope := wire.Scope{Type: "ledger", Key: "a"}
		for _, err := range []error{r.node.Resume(context.Background(), scope, 0), r.node.Pause(context.Background(), scope, "an audit")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		bad.Store(0)
		if err := r.node.RetryDead(context.Background(), r.letters()[0].ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if p, err := r.node.Pauses(context.Background()); err != nil || len(p) != 1 || p[0].Reason != "an audit" || p[0].Parked != 1 {
			t.Errorf("paused: %s, %v", fmt.Sprint(p), err)
		}
		if got := r.entered(); got != nil {
			t.Errorf("it has %v", got)
		}
	})
}
