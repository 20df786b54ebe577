package due

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/internal/wire"
)

// TestTranscripts runs testdata/*.txt. The commands, one a block:
//
//	new window=N          an empty queue
//	resume window=N       a queue whose rows are all on disk
//	add                   input lines "due seq value": where each one is kept
//	remove                input lines "due seq": what was found in memory
//	pop now=T             all that is due at T, in order
//	refill [more]         input lines "due seq value"
//	state                 what the owner can see
//
// Run with -rewrite to write what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var q *Queue[string]
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var window, now int
			d.MaybeScanArgs(t, "window", &window)
			d.MaybeScanArgs(t, "now", &now)
			switch d.Cmd {
			case "new":
				q = NewQueue[string](window)
			case "resume":
				q = Resume[string](window)
			case "add":
				return add(q, items(t, d.Input))
			case "remove":
				return remove(q, items(t, d.Input))
			case "pop":
				return pop(q, wire.Time(now))
			case "refill":
				q.Refill(items(t, d.Input), d.HasArg("more"))
			case "state":
			default:
				d.Fatalf(t, "no such command")
			}
			return state(q)
		})
	})
}

// items reads lines of "due seq [value]".
func items(t *testing.T, input string) (out []Item[string]) {
	for line := range strings.Lines(input) {
		var it Item[string]
		if n, err := fmt.Sscan(line, &it.Due, &it.Seq, &it.Value); n < 2 {
			t.Fatalf("%q is not a row: %v", line, err)
		}
		out = append(out, it)
	}
	return out
}

// add adds the rows and says where each is kept.
func add(q *Queue[string], rows []Item[string]) string {
	var b strings.Builder
	for _, it := range rows {
		where := "disk only"
		if q.Add(it) {
			where = "memory"
		}
		fmt.Fprintf(&b, "%d/%d %s\n", it.Due, it.Seq, where)
	}
	return b.String() + state(q)
}

// remove removes the rows and says which were in memory.
func remove(q *Queue[string], rows []Item[string]) string {
	var b strings.Builder
	for _, it := range rows {
		where := "not in memory"
		if q.Remove(it.Due, it.Seq) {
			where = "removed"
		}
		fmt.Fprintf(&b, "%d/%d %s\n", it.Due, it.Seq, where)
	}
	return b.String() + state(q)
}

// pop pops all that is due and lists it.
func pop(q *Queue[string], now wire.Time) string {
	var b strings.Builder
	for it, ok := q.Pop(now); ok; it, ok = q.Pop(now) {
		fmt.Fprintf(&b, "%d/%d %s\n", it.Due, it.Seq, it.Value)
	}
	return b.String() + state(q)
}

// state is what the owner can see, on one line.
func state(q *Queue[string]) string {
	var b strings.Builder
	fmt.Fprintf(&b, "len=%d room=%d", q.Len(), q.Room())
	if next, ok := q.Next(); ok {
		fmt.Fprintf(&b, " next=%d", next)
	}
	if due, seq, ok := q.Horizon(); ok {
		fmt.Fprintf(&b, " horizon=%d/%d", due, seq)
	}
	if q.NeedRefill() {
		b.WriteString(" refill!")
	}
	return b.String() + "\n"
}
