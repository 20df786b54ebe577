package machine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/flow/graph"
)

// memory is a Store.
type memory struct {
	frames map[string]Frame
	values map[string]json.RawMessage
}

func (m *memory) Frame(key string) (Frame, bool)           { f, ok := m.frames[key]; return f, ok }
func (m *memory) SetFrame(key string, f Frame)             { m.frames[key] = f }
func (m *memory) DropFrame(key string)                     { delete(m.frames, key) }
func (m *memory) Value(key string) (json.RawMessage, bool) { v, ok := m.values[key]; return v, ok }
func (m *memory) SetValue(key string, v json.RawMessage)   { m.values[key] = slices.Clone(v) }
func (m *memory) DropValue(key string)                     { delete(m.values, key) }

// script is a flow under way, of a transcript.
type script struct {
	plan  *graph.Plan
	store *memory
	now   time.Time
}

// TestTranscripts runs testdata/*.txt: what goes into the machine of a flow, and what it
// decides. Each block is carried out by a machine that knows nothing but what is in the
// store. The commands:
//
//	flow             a document; begins nothing
//	begin            with the input
//	answer STEP      a call was answered with the value
//	fail STEP CODE   it was answered with an error; the input is its message
//	woken STEP       a time has come
//	go-on STEP…      there is more to begin
//	cancel           the input says why
//	at DURATION      the time, from the beginning
//	store            what is kept
//
// Run with -rewrite to write what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var b strings.Builder
			s.carry(t, d, &b)
			return b.String()
		})
	})
}

func (s *script) machine() *Machine { return New(s.plan, s.store, &Memory{}, s.now) }

func (s *script) carry(t *testing.T, d *datadriven.TestData, b *strings.Builder) {
	t.Helper()
	arg := func(i int) string {
		if i >= len(d.CmdArgs) {
			d.Fatalf(t, "%s needs more", d.Cmd)
		}
		return d.CmdArgs[i].Key
	}
	input := json.RawMessage(d.Input)
	if d.Input == "" {
		input = null
	}
	switch d.Cmd {
	case "flow":
		g, err := graph.Parse([]byte(d.Input))
		if err != nil {
			t.Fatal(err)
		}
		var found graph.Problems
		if s.plan, found = g.Check(nil); len(found) > 0 {
			t.Fatal(found)
		}
		s.store = &memory{map[string]Frame{}, map[string]json.RawMessage{}}
		s.now = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, step := range s.plan.Steps {
			fmt.Fprintf(b, "%d %s %s\n", step.ID, step.Kind, step.Pointer)
		}
	case "begin":
		s.effects(b, s.machine().Begin(input))
	case "answer":
		s.effects(b, s.machine().Answered(arg(0), input, nil))
	case "fail":
		s.effects(b, s.machine().Answered(arg(0), nil, &Failure{Kind: "failed", Code: arg(1), Message: d.Input}))
	case "woken":
		s.effects(b, s.machine().Woken(arg(0)))
	case "go-on":
		var all []string
		for i := range d.CmdArgs {
			all = append(all, arg(i))
		}
		s.effects(b, s.machine().GoOn(all))
	case "cancel":
		s.effects(b, s.machine().Cancel(d.Input))
	case "at":
		after, err := time.ParseDuration(arg(0))
		if err != nil {
			t.Fatal(err)
		}
		s.now = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(after)
	case "store":
		s.show(b)
	default:
		d.Fatalf(t, "no such command")
	}
}

func (s *script) effects(b *strings.Builder, fx Effects) {
	since := func(at time.Time) string { return at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).String() }
	for _, c := range fx.Calls {
		fmt.Fprintf(b, "call %s: %s %s", c.Step, c.To, c.Input)
		if !c.At.IsZero() {
			fmt.Fprintf(b, " at %s", since(c.At))
		}
		if !c.By.IsZero() {
			fmt.Fprintf(b, " by %s", since(c.By))
		}
		fmt.Fprintln(b)
	}
	for _, w := range fx.Wakes {
		fmt.Fprintf(b, "wake %s at %s\n", w.Step, since(w.At))
	}
	if len(fx.Again) > 0 {
		fmt.Fprintf(b, "again %s\n", strings.Join(fx.Again, " "))
	}
	if fx.Over && fx.Fail != nil {
		fmt.Fprintf(b, "over: failed %s %s: %s\n", fx.Fail.Kind, fx.Fail.Code, fx.Fail.Message)
	} else if fx.Over {
		fmt.Fprintf(b, "over: %s\n", fx.Result)
	}
}

// show shows frames, without their times, and values.
func (s *script) show(b *strings.Builder) {
	for _, key := range slices.Sorted(maps.Keys(s.store.frames)) {
		f := s.store.frames[key]
		f.Since = 0
		text, _ := json.Marshal(f) // of numbers and texts
		fmt.Fprintf(b, "frame %q %s\n", key, strings.NewReplacer(`"since":0,`, "", `"since":0`, "").Replace(string(text)))
	}
	for _, key := range slices.Sorted(maps.Keys(s.store.values)) {
		fmt.Fprintf(b, "value %q %s\n", key, s.store.values[key])
	}
}
