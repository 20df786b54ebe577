package flow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/internal/wire"
)

// TestTranscripts runs testdata/*.txt. The commands, one a block:
//
//	new           an empty journal
//	add           lines "kind [id=N] [n=N] [name]" come into the journal
//	again         the code is run again, from its beginning
//	ask NAME      the code asks
//	deliver       the code hears of the next event
//	result n=N    the result of a command
//	signal NAME   the code takes a signal
//	left          the code ends: is anything left?
//	state         how far the code has come
//
// Run with -rewrite to write what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		j := &Journal{}
		var all []Entry
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				j, all = &Journal{}, nil
			case "add":
				for line := range strings.Lines(d.Input) {
					e := parse(t, strings.Fields(line))
					j.Add(e)
					all = append(all, e)
				}
			case "again":
				j = &Journal{}
				for _, e := range all {
					j.Add(e)
				}
			case "ask":
				e, n, old, err := j.Ask(strings.Trim(d.Input, "\n"))
				if err != nil {
					return err.Error() + "\n"
				}
				if !old {
					return fmt.Sprintf("command %d is new\n", n)
				}
				return fmt.Sprintf("command %d was asked: %s\n", n, show(e))
			case "deliver":
				if e, ok := j.Deliver(); ok {
					return show(e) + "\n"
				}
				return "nothing\n"
			case "result":
				var n int
				d.ScanArgs(t, "n", &n)
				if e, ok := j.Result(n); ok {
					return show(e) + "\n"
				}
				return "not there\n"
			case "signal":
				name := d.CmdArgs[0].Key
				waits := j.Waits(name)
				e, ok := j.Signal(name)
				if ok != waits {
					d.Fatalf(t, "waits %v, taken %v", waits, ok)
				}
				if !ok {
					return "not there\n"
				}
				return show(e) + "\n"
			case "left":
				if err := j.Left("the end"); err != nil {
					return err.Error() + "\n"
				}
				return "nothing\n"
			case "state":
			default:
				d.Fatalf(t, "no such command")
			}
			return state(j)
		})
	})
}

func parse(t *testing.T, fields []string) (e Entry) {
	e.Kind = Kind(fields[0])
	for _, f := range fields[1:] {
		switch name, value, _ := strings.Cut(f, "="); name {
		case "id":
			scan(t, value, &e.ID)
		case "n":
			scan(t, value, &e.N)
		case "fail":
			e.Fail = &wire.Failure{Message: value}
		case "body":
			e.Body = []byte(value)
		default:
			e.Name = f
		}
	}
	return e
}

func scan(t *testing.T, s string, n *int) {
	t.Helper()
	if _, err := fmt.Sscan(s, n); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
}

func show(e Entry) string {
	s := fmt.Sprintf("%s %s", e.Kind, e.Name)
	if e.Kind == Done {
		s = fmt.Sprintf("%s of %d", e.Kind, e.N)
	}
	if e.Fail != nil {
		s += " ! " + e.Fail.Message
	}
	return s + " " + string(e.Body)
}

func state(j *Journal) string {
	var untaken []string
	for _, e := range j.Untaken() {
		untaken = append(untaken, e.Name+string(e.Body))
	}
	return fmt.Sprintf("lines=%d events=%d told=%d seen=%d replaying=%v next=%q open=%q untaken=%q\n",
		j.Len(), j.Events(), j.Told(), j.Seen(), j.Replaying(), j.Peek(), j.Open(), untaken)
}
