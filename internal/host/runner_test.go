package host

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

func TestFrame(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1", "b+7 add 1", "a add 2", "fn add 3", "a get", "b fail no")
		r.want("0 done 1 | 1 done 8 | 2 done 3 | 3 done 3 | 4 done 3 | 5 done !no | a=3 | b=8")
		if got, want := r.ran(), "cell/a.add 1, cell/b.add 1, cell/a.add 2, add 3, cell/a.get, cell/b.fail no"; got != want {
			t.Errorf("ran %s, want %s", got, want)
		}
		r.send("a get", "b get", "a? get", "a?+40 get") // a copy is beside the object
		r.want("0 done 3 | 1 done 8 | 2 done 0 | 3 done 40")
	})
}

func TestEmptyFrame(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send()
		r.want("")
	})
}

func TestDrop(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1")
		r.want("0 done 1 | a=1")
		r.r.Submit(&turn.Frame{Seq: r.nextSeq(), Drop: []turn.Slot{1, 99}})
		r.want("")
		r.send("a get") // the shard would have sent its state
		r.want("0 skipped-")
		r.send("a+5 get")
		r.want("0 done 5")
	})
}

func TestUnknown(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1", "a nosuch", "a add 1", "fn nosuch", "fn add 1")
		r.want("0 done 1 | 1 done !run cell/a.nosuch: the program has no such method | 2 done 2" +
			" | 3 done !run nosuch: the program has no such function | 4 done 1 | a=2")
		env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "ghost", Key: "k", Method: "m"}}
		r.r.Submit(&turn.Frame{Seq: r.nextSeq(), Tasks: []turn.Task{{Slot: 9, Env: env, Load: &turn.State{}}, {Slot: 9, Env: env}}})
		r.want("0 done- !run ghost/k.m: the program has no such type | 1 done- !run ghost/k.m: the program has no such type")
	})
}

// A message behind one that has no result is not answered, even if all there
// is to say is that its method does not exist: results come in order.
func TestUnknownBehindFailure(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ panic oh", "a nosuch", "b+ sleep 20ms", "b nosuch")
		r.want("0 panicked- !panic: oh | 1 skipped | 2 detached | 3 skipped")
		r.want("late 2 done 1 | b=1")
	})
}

func TestLoadError(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1")
		r.want("0 done 1 | a=1")
		r.send("a+x add 1", "a add 1", "b+panic add 1", "c?+x get")
		r.want(`0 done- !load state of cell/a: strconv.Atoi: parsing "x": invalid syntax | 1 skipped-` +
			` | 2 done- !load state of cell/b: panic: a decoder's` +
			` | 3 done- !load state of cell/c: strconv.Atoi: parsing "x": invalid syntax`)
	})
}

func TestPanic(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1", "b+ add 1", "a panic oh", "a add 5", "b add 1", "fn panic ah")
		// The first of a counts only because the cell took the panic back;
		// what the guard catches has lost the instance, and with it the first.
		r.want("0 redo- | 1 done 1 | 2 redo- | 3 skipped- | 4 done 2 | 5 panicked- !panic: ah | b=2")
		r.send("a+ panic oh", "a add 1") // alone, or first, it is its own fault
		r.want("0 panicked- !panic: oh | 1 skipped")
	})
}

func TestLost(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1", "a nosuch", "a lose", "a add 1")
		r.want("0 redo- | 1 redo- | 2 redo- | 3 skipped-")
		r.send("a+ lose", "a add 1")
		r.want("0 done- !lost | 1 skipped")
	})
}

func TestTooLarge(t *testing.T) {
	inBubble(t, Config{MaxState: 100}, func(r *rig) {
		big := "commit state of cell/a: the turn would make it 101 bytes; at most 100 are allowed: move what grows into objects of its own"
		r.send("a+ grow 101", "b+ add 1")
		r.want("0 done- !" + big + " | 1 done 1 | b=1")
		r.send("a+ add 1", "a grow 101", "a fail no", "a nosuch")
		r.want("0 redo- | 1 redo- | 2 redo- | 3 redo-")
		r.send("a+ grow 100")
		r.want("0 done 0 | a=0")
		r.send("a nosuch", "a grow 101") // a result of a task that did not run is no less in order
		r.want("0 redo- | 1 redo-")
	})
}

func TestEncodeFails(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ spoil error", "b+ spoil panic", "c+ add 1")
		r.want("0 done- !encode state of cell/a: cannot be encoded | 1 done- !panic: an encoder's | 2 done 1 | c=1")
		r.send("a+ add 1", "a spoil error")
		r.want("0 redo- | 1 redo-")
	})
}

func TestBlockedHandlerIsDetached(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		start := time.Now()
		r.send("a+ add 1", "a sleep 1s", "a add 1", "b+ add 1", "fn add 1")
		r.want("0 detached | 1 detached | 2 skipped | 3 done 1 | 4 done 1 | b=1")
		if d := time.Since(start); d > 10*time.Millisecond {
			t.Errorf("the others waited %v", d)
		}
		r.send("b add 1") // the next frame does not wait either
		r.want("0 done 2 | b=2")
		r.want("late 0 done 1 | 1 done 2 | a=2")
		if d := time.Since(start); d != time.Second {
			t.Errorf("the slow one took %v", d)
		}
		r.send("a add 1")
		r.want("0 done 3 | a=3")
	})
}

func TestSlowMethodsRunApart(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ sleep 10ms")
		r.want("0 detached")
		r.want("late 0 done 1 | a=1")
		for i := range slowRuns { // now even quick runs of it do not hold others up
			r.send("b+ sleep 0s", "c+ add 1")
			r.want("0 detached | 1 done 1 | c=1")
			r.want("late 0 done 1 | b=1")
			if t.Failed() {
				t.Fatalf("run %d", i)
			}
		}
		r.send("b+ sleep 0s", "fn sleep 0s") // it is given another chance
		r.want("0 done 1 | 1 done 1 | b=1")
		if n := len(r.r.slow); n > 0 {
			t.Errorf("%d methods are kept as slow", n)
		}
	})
}

// Many slow handlers in one frame: each costs the others its patience once, and
// the slice bounds the sum.
func TestSlice(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		start := time.Now()
		r.send("a+ stick", "b+ wait", "c+ sleep 1m", "d+ add 1", "d add 1")
		r.want("0 detached | 1 detached | 2 skipped- | 3 skipped- | 4 skipped")
		if d := time.Since(start); d > 20*time.Millisecond {
			t.Errorf("the frame took %v", d)
		}
		r.open()
		r.want("late 0 done 1 | a=1")
		r.want("late 1 panicked !told: context deadline exceeded")
	})
}

func TestLateReportComesAfterTheFrames(t *testing.T) {
	inBubble(t, Config{Slice: time.Hour}, func(r *rig) {
		// a's handler ends while b's still holds the frame up.
		r.send("a+ sleep 5ms", "b+ wait", "a add 1", "c+ add 1")
		r.want("0 detached | 1 detached | 2 skipped | 3 done 1 | c=1")
		r.want("late 0 done 1 | a=1")
	})
}

func TestTimeout(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		start := time.Now()
		r.send("a+ wait", "fn wait")
		r.want("0 detached | 1 detached")
		r.want("late 0 panicked !told: context deadline exceeded")
		if d := time.Since(start); d != time.Minute {
			t.Errorf("told after %v", d)
		}
		r.want("late 1 panicked !told: context deadline exceeded")
		r.send("a add 1") // the cell took it back, so the object lives on
		r.want("0 done 1 | a=1")
	})
}

func TestAbandon(t *testing.T) {
	inBubble(t, Config{Timeout: 10 * time.Second}, func(r *rig) {
		start := time.Now()
		r.send("a+ stick", "a add 1", "fn stick")
		r.want("0 detached | 1 skipped | 2 detached")
		r.want("late 0 panicked- !the handler of cell/a.stick did not return within 10s")
		if d := time.Since(start); d != 11*time.Second {
			t.Errorf("given up after %v", d)
		}
		r.want("late 2 panicked- !the handler of stick did not return within 10s")
		r.send("a+40 add 2") // a new instance
		r.want("0 done 42 | a=42")
		r.open() // the old one returns at last, and nobody hears it
		r.nothing()
		r.send("a get")
		r.want("0 done 42")
	})
}

// A handler that is given up has the changes of earlier tasks in its instance:
// those did not happen either.
func TestAbandonWithEarlier(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ add 1", "a stick")
		r.want("0 detached | 1 detached")
		r.want("late 0 redo- | 1 redo-")
	})
}

func TestMethodTimeout(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ brief 99ms", "b+ brief 20s")
		r.want("0 detached | 1 detached")
		r.want("late 0 done 1 | a=1")
		r.want("late 1 panicked- !the handler of cell/b.brief did not return within 100ms")
	})
	inBubble(t, Config{Timeout: -1}, func(r *rig) { // a debugger's pace
		r.send("a+ brief 20h")
		r.want("0 detached")
		time.Sleep(20 * time.Hour)
		r.want("late 0 done 1 | a=1")
	})
}

func TestDetachedFailures(t *testing.T) {
	inBubble(t, Config{MaxState: 100}, func(r *rig) {
		r.send("a+ sleep 9ms", "b+ panic oh") // sleep is slow from now on
		r.want("0 detached | 1 panicked- !panic: oh")
		r.want("late 0 done 1 | a=1")
		for _, m := range []string{"grow", "spoil", "lose", "panic"} {
			r.r.slow[operation{"cell", m}] = 100 // between frames the baton rests
		}
		big := "commit state of cell/a: the turn would make it 101 bytes; at most 100 are allowed: move what grows into objects of its own"
		for _, c := range [][]string{
			{"late 0 done- !" + big, "a+ grow 101"},
			{"late 0 redo- | 1 redo-", "a+ add 1", "a grow 101"},
			{"late 0 done- !encode state of cell/a: cannot be encoded", "a+ spoil error"},
			{"late 0 done- !panic: an encoder's", "a+ spoil panic"},
			{"late 0 done- !lost", "a+ lose"},
			{"late 0 redo- | 1 redo-", "a+ add 1", "a lose"},
			{"late 0 done 0 | 1 done- !lost", "a+ get", "a lose"},
			{"late 0 panicked- !panic: oh", "a+ panic oh"},
			{"late 0 redo- | 1 redo-", "a+ add 1", "a panic oh"},
			{"late 0 done 0", "a?+ grow 101"}, // a copy's state goes nowhere
		} {
			r.send(c[1:]...)
			r.want(strings.TrimSuffix("0 detached | 1 detached", strings.Repeat(" | 1 detached", 3-len(c))))
			r.want(c[0])
		}
	})
}

// A read-only call runs on a copy while the object's own turn takes long.
func TestCopyBesideDetached(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+1 sleep 1s")
		r.want("0 detached")
		r.send("a?+1 get", "a?+1 sleep 1m")
		r.want("0 done 1 | 1 detached")
		r.want("late 0 done 2 | a=2")
		r.want("late 1 done 2")
	})
}

func TestCloseWithStuckHandlers(t *testing.T) {
	for name, tasks := range map[string][]string{
		"in the frame":      {"a+ stick", "b+ add 1"},
		"two":               {"a+ stick", "b+ stick"},
		"minds its context": {"fn wait"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(r *rig) {
				r.send(tasks...)
				synctest.Wait() // it runs, and nobody has noticed yet how long
				r.close()
				r.send("a+ add 1") // after Close: nothing
				r.r.Close()
				if got := r.ran(); strings.Contains(got, "add") {
					t.Errorf("after Close ran %s", got)
				}
			})
		})
	}
}

func TestCloseWithDetached(t *testing.T) {
	inBubble(t, Config{}, func(r *rig) {
		r.send("a+ stick", "b+ wait")
		r.want("0 detached | 1 detached")
		r.close()
	})
}

func TestTurnIsAContext(t *testing.T) {
	var tn Turn
	if _, ok := tn.Deadline(); ok || tn.Err() != nil || tn.Value("k") != nil {
		t.Error("a new turn has a deadline, an error or a value")
	}
	ctx, stop := context.WithCancel(&tn)
	defer stop()
	tn.cancel(context.Canceled)
	tn.cancel(context.DeadlineExceeded)
	<-ctx.Done()
	<-tn.Done()
	if !errors.Is(tn.Err(), context.Canceled) {
		t.Errorf("err = %v", tn.Err())
	}
	var late Turn
	late.cancel(context.Canceled)
	<-late.Done()
}

// What a handler leaves behind that hangs on its context ends with it.
func TestContextEndsWithTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		s := &Set{Functions: map[string]*Function{"f": {Run: func(t *Turn) Outcome {
			context.AfterFunc(t, func() { close(done) })
			return Outcome{}
		}}}}
		r := NewRunner(s, Config{})
		defer r.Close()
		r.Submit(&turn.Frame{Tasks: []turn.Task{{Env: &wire.Envelope{To: wire.Address{Method: "f"}}}}})
		<-r.Reports()
		<-done
	})
}

func TestManifest(t *testing.T) {
	s := &Set{Types: map[string]*Type{
		"b": {Name: "b", Policy: wire.Policy{Attempts: 3, Backoff: 5e6}, Methods: map[string]*Method{
			"z": {Name: "z", ReadOnly: true, In: json.RawMessage("true")}, "y": {Name: "y", Timeout: time.Second, Internal: true}}},
		"a": {Name: "a"}}, Functions: map[string]*Function{"f": {Method: Method{Name: "f", Relaxed: true}}}}
	b, err := json.Marshal(s.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"types":[{"name":"a","methods":[]},{"name":"b","retry":{"attempts":3,"backoffMs":5},"methods":[` +
		`{"name":"y","internal":true,"timeoutMs":1000},{"name":"z","readOnly":true,"input":true}]}],"functions":[{"name":"f","relaxed":true}]}`
	if string(b) != want {
		t.Errorf("manifest\n got %s\nwant %s", b, want)
	}
	if p := s.Manifest().Types[1].Retry.Policy(); p != s.Types["b"].Policy {
		t.Errorf("policy %v", p)
	}
	if p := s.Manifest().Types[0].Retry.Policy(); p != (wire.Policy{}) {
		t.Errorf("no policy is %v", p)
	}
}
