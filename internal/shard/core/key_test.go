package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// shard drives a core by hand. Its one function answers how often it has run.
type shard struct {
	t    *testing.T
	sh   *store.Shard
	c    *core.Core
	p    *core.Program
	runs int
}

func newShard(t *testing.T, cfg conf.Config) *shard {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	s := &shard{t: t, sh: st.Shard(0)}
	s.c = core.New(cfg, s.sh, "boot", 1e18)
	if err := s.c.Open(); err != nil {
		t.Fatal(err)
	}
	newProgram(s)
	return s
}

// newProgram gives the shard a host.
func newProgram(s *shard) {
	s.p = s.c.Program(conf.Main)
	s.c.SetProgram(s.p, &host.Manifest{Functions: []host.MethodManifest{{Name: "f"}},
		Types: []host.TypeManifest{{Name: "x", Methods: []host.MethodManifest{{Name: "m"}}}}})
}

// call makes a call with a key, and returns the answer after its commit.
func (s *shard) call(key string) (got string) {
	s.t.Helper()
	w := &core.Waiter{Done: func(resp *wire.Response, err error) {
		if err != nil {
			s.t.Error(err)
			return
		}
		got = string(resp.Body.Data)
	}}
	s.c.TakeRequest(&wire.Request{To: wire.Address{Method: "f"}, Key: key, Want: wire.CBOR}, w)
	if f := s.c.NextFrame(s.p); f != nil {
		s.runs++
		s.c.Apply(&turn.Report{Frame: f.Seq, Results: []turn.Result{{Outcome: turn.Done, Answer: wire.Payload{Format: wire.CBOR, Data: fmt.Append(nil, "run ", s.runs)}}}})
	}
	b := s.sh.NewBatch(0)
	defer b.Close()
	if s.c.Seal(b) {
		if _, err := s.sh.Commit(b); err != nil {
			s.t.Fatal(err)
		}
	}
	s.c.Committed()
	for _, a := range s.c.Effects().Answers {
		a.To.Done(a.Resp, a.Err)
	}
	if err := s.c.Err(); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// TestKeyUsedAgainAsItExpires uses a key again in the batch in which its record
// goes: the record of the second call stays, and the call is made once.
func TestKeyUsedAgainAsItExpires(t *testing.T) {
	s := newShard(t, conf.Config{KeepAnswers: time.Hour})
	now := wire.Time(1e18)
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "run 1"}, {time.Minute, "run 1"}, {2 * time.Hour, "run 2"}, {time.Minute, "run 2"}, {time.Minute, "run 2"}, {2 * time.Hour, "run 3"}} {
		now += wire.Time(c.after)
		s.c.TakeTime(now)
		if got := s.call("k"); got != c.want {
			t.Errorf("%v later: %q, want %q", c.after, got, c.want)
		}
	}
}

// TestRefusalWaits uses a key again before the first call with it is durable:
// what the second is told, that there is a first, is not said before it is
// true (law 1).
func TestRefusalWaits(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want fault.Kind
	}{"the same call": {"1", fault.Conflict}, "another payload": {"2", fault.Mismatch}} {
		t.Run(name, func(t *testing.T) {
			s := newShard(t, conf.Config{})
			var got error
			call := func(body string, w *core.Waiter) {
				s.c.TakeRequest(&wire.Request{To: wire.Address{Method: "f"}, Key: "k", Body: wire.Payload{Format: wire.JSON, Data: []byte(body)}}, w)
			}
			tell := func() {
				for _, a := range s.c.Effects().Answers {
					a.To.Done(a.Resp, a.Err)
				}
			}
			call("1", &core.Waiter{Done: func(*wire.Response, error) { t.Error("the first was answered") }})
			call(c.body, &core.Waiter{Done: func(_ *wire.Response, err error) { got = err }})
			if tell(); got != nil {
				t.Errorf("it was refused before the first call was durable: %v", got)
			}
			b := s.sh.NewBatch(0)
			defer b.Close()
			s.c.Seal(b)
			if _, err := s.sh.Commit(b); err != nil {
				t.Fatal(err)
			}
			s.c.Committed()
			if tell(); !fault.Is(got, c.want) {
				t.Errorf("it was refused with %v, want %v", got, c.want)
			}
		})
	}
}
