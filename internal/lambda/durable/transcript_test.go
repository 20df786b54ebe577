package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// table and list keep an execution in memory.
type table map[string]Operation

func (m table) Get(id string) (Operation, bool) { op, ok := m[id]; return op, ok }
func (m table) Set(id string, op Operation)     { m[id] = op }
func (m table) Len() int                        { return len(m) }

type list[T any] struct{ v []T }

func (l *list[T]) Append(v T) { l.v = append(l.v, v) }
func (l *list[T]) At(i int) T { return l.v[i] }
func (l *list[T]) Len() int   { return len(l.v) }

func empty() *State {
	return &State{Head: &Head{}, Ops: table{}, Order: &list[string]{}, Events: &list[Event]{}}
}

// script is an execution in a transcript.
type script struct {
	*State
	now   int64 // seconds
	nonce int
}

func (s *script) ms() int64 { return s.now * 1000 }

func (s *script) secret() string { s.nonce++; return fmt.Sprintf("secret%d", s.nonce) }

// TestTranscripts runs testdata/*.txt. Times are seconds. The commands, one a block:
//
//	start [timeout=S] [input=JSON]        the execution is started
//	begin run=N                           an invocation begins: the token and what it is told
//	checkpoint [token=T] [client=C]       input lines of JSON, an update each; without a token, the good one
//	returned run=N [status=S] [failed]    an invocation ends; input is its answer's Result, or Error
//	lost run=N                            it is given up
//	fire kind=K [id=ID]                   a timer's time has come
//	callback id=ID [nonce=N] [beat|fail]  somebody answers; input is the result
//	invoked id=ID status=S                a chained invoke ends; input is the result
//	stop                                  a user stops it
//	at S                                  the time is S
//	page [marker=M] [most=N] [bytes=N]    operations as they travel
//	history [marker=M] [most=N] [backwards] [data]
//
// Each writes what is to be done, what is refused, and what has changed.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{State: empty()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			before := map[string]string{}
			for id, op := range s.Ops.(table) {
				before[id] = show(op)
			}
			var b strings.Builder
			fx, err := s.carry(t, d, &b)
			if e, ok := errors.AsType[*Error](err); ok {
				fmt.Fprintf(&b, "refused: %s: %s\n", e.Code, e.Message)
			}
			s.effects(&b, fx)
			for i := range s.Order.Len() {
				id := s.Order.At(i)
				if op, _ := s.Ops.Get(id); before[id] != show(op) {
					fmt.Fprintf(&b, "  %s\n", show(op))
				}
			}
			return b.String()
		})
	})
}

// show says an operation in a line, without what never changes.
func show(op Operation) string {
	line := fmt.Sprintf("%s %s %s", op.ID, op.Type, op.Status)
	if op.Due != 0 {
		line += fmt.Sprintf(" due=%d", op.Due/1000)
	}
	if op.Beat != 0 {
		line += fmt.Sprintf(" beat=%d", op.Beat/1000)
	}
	if op.Attempt != 0 {
		line += fmt.Sprintf(" attempt=%d", op.Attempt)
	}
	if op.Result != nil {
		line += " result=" + *op.Result
	}
	if op.Error != nil {
		line += " error=" + text(op.Error.Type) + ":" + text(op.Error.Message)
	}
	return line
}

func (s *script) effects(b *strings.Builder, fx Effects) {
	if fx.Run {
		fmt.Fprintf(b, "run %d\n", s.Run)
	}
	for _, t := range fx.Timers {
		fmt.Fprintf(b, "timer %s %s at %d\n", t.Kind, t.ID, t.At/1000)
	}
	for _, in := range fx.Invokes {
		fmt.Fprintf(b, "invoke %s with %s for %s\n", in.Function, in.Payload, in.ID)
	}
	if fx.Ended {
		fmt.Fprintf(b, "ended %s %s\n", s.Status, text(s.Result))
	}
}

// carry carries a command out.
func (s *script) carry(t *testing.T, d *datadriven.TestData, b *strings.Builder) (fx Effects, err error) {
	run, most, bytes := int64(0), 100, 1<<20
	token, client, id, nonce, status, kind, marker := "", "", "", "", "", "", ""
	for name, p := range map[string]any{"run": &run, "most": &most, "bytes": &bytes, "token": &token, "client": &client, "id": &id,
		"nonce": &nonce, "status": &status, "kind": &kind, "marker": &marker} {
		d.MaybeScanArgs(t, name, p)
	}
	var result *string
	if d.Input != "" {
		input := d.Input
		result = &input
	}
	switch d.Cmd {
	case "at":
		_, err = fmt.Sscan(d.CmdArgs[0].Key, &s.now)
	case "start":
		timeout, input := int64(1000), "{}"
		d.MaybeScanArgs(t, "timeout", &timeout)
		d.MaybeScanArgs(t, "input", &input)
		return s.Start(s.ms(), Spec{ARN: "arn", Function: "f", Version: "1", Name: "name", Input: input, Timeout: timeout, Retention: 1})
	case "begin":
		updated, ok := s.Begin(s.ms(), run, s.secret)
		fmt.Fprintf(b, "%v token=%s updated=%v\n", ok, s.Token, updated)
	case "checkpoint":
		if token == "" {
			token = s.Token
		}
		return s.checkpoint(t, d.Input, token, client, b)
	case "returned":
		a, failed := Answer{Status: status, Result: result}, (*ErrorObject)(nil)
		if status == Failed {
			a = Answer{Status: status, Error: NewError("Error", d.Input)}
		}
		if d.HasArg("failed") {
			failed = NewError("Error", d.Input)
		}
		return s.Returned(s.ms(), run, "request", a, failed), nil
	case "lost":
		return s.Lost(s.ms(), run), nil
	case "fire":
		return s.Fire(s.ms(), Timer{Kind: kind, ID: id}), nil
	case "callback":
		r := Reply{ID: id, Nonce: nonce, Beat: d.HasArg("beat"), Result: result}
		if d.HasArg("fail") {
			r.Error, r.Result = NewError("Refused", d.Input), nil
		}
		return s.Answer(s.ms(), r)
	case "invoked":
		return s.Invoked(s.ms(), id, status, result, nil), nil
	case "stop":
		return s.Stop(s.ms(), nil), nil
	case "page":
		ops, next, err := s.Page(marker, most, bytes)
		for i := range ops {
			printJSON(t, b, ops[i].Wire(Epoch, func(o *Operation) string { return "id of " + o.ID }))
		}
		fmt.Fprintf(b, "next=%q\n", next)
		return fx, err
	case "history":
		events, next, err := s.History(marker, most, d.HasArg("backwards"), d.HasArg("data"), func(o *Operation) string { return "id of " + o.ID })
		for _, e := range events {
			printJSON(t, b, e)
		}
		fmt.Fprintf(b, "next=%q\n", next)
		return fx, err
	default:
		d.Fatalf(t, "no such command")
	}
	return fx, err
}

func (s *script) checkpoint(t *testing.T, input, token, client string, b *strings.Builder) (Effects, error) {
	var updates []Update
	for line := range strings.Lines(input) {
		var u Update
		if err := json.Unmarshal([]byte(line), &u); err != nil {
			t.Fatal(err)
		}
		updates = append(updates, u)
	}
	changed, fx, err := s.Checkpoint(s.ms(), token, client, s.secret, updates)
	if err == nil {
		fmt.Fprintf(b, "token=%s changed=%v open=%d\n", s.Token, changed, s.Open)
	}
	return fx, err
}

func printJSON(t *testing.T, b *strings.Builder, v any) {
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "%s\n", j)
}
