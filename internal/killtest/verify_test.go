package killtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/bank/account"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/killtest/witness"
	"github.com/situ-dev/situ/internal/wire"
)

// verdict compares what a client says that it did with what is there.
type verdict struct {
	t      *testing.T
	s      *server
	round  int
	fates  []*fate
	faults int
	late   []time.Duration // of timers
}

// wrong says which invariant does not hold. After some it falls silent.
func (v *verdict) wrong(format string, args ...any) {
	v.t.Helper()
	if v.faults++; v.faults <= 30 {
		v.t.Errorf(format, args...)
	}
}

func (v *verdict) key(format string, args ...any) string {
	return fmt.Sprintf("r%d-", v.round) + fmt.Sprintf(format, args...)
}

// ask makes a call that must be answered.
func ask[O any](v *verdict, c situ.Call[O]) (out O) {
	v.t.Helper()
	ctx, free := context.WithTimeout(context.Background(), 20*time.Second)
	defer free()
	out, err := situ.Do(ctx, v.s.situ, c)
	if err != nil && situ.CodeOf(err) != "unknown" {
		v.t.Fatalf("%v: %v", c, err)
	}
	return out
}

// verify checks everything. The server must be quiet.
func (v *verdict) verify() {
	v.t.Helper()
	v.answered()
	v.counters()
	v.jobs()
	v.bank()
	v.messages()
	v.alarms()
	v.registers()
	v.airline()
	if got := ask(v, witness.Read.To("probe", situ.None{})); got != v.s.probes {
		v.wrong("I8: the test's own register has %d, and %d was acknowledged", got, v.s.probes)
	}
	for _, sh := range v.s.status().Shards {
		if sh.Dead > 0 {
			v.wrong("shard %d has %d dead letters: no message deserved it", sh.ID, sh.Dead)
		}
	}
}

// answered checks that everything with a key was answered in the end.
func (v *verdict) answered() {
	for _, f := range v.fates {
		switch {
		case f.Word == "" && f.Kind.keyed():
			v.wrong("%s %s was never answered", f.Kind, f.ID)
		case f.Word == refused && (f.Kind != move || !strings.HasPrefix(f.text(), "short: ")): // no money is an answer
			v.wrong("%s %s was refused: %s", f.Kind, f.ID, f.Answer)
		}
	}
}

// counters checks as sets that each acknowledged call was applied, each just
// once, and nothing that nobody asked for (I3, I8).
func (v *verdict) counters() {
	want := map[string]map[string]*fate{}
	for i := range counters {
		want[v.key("c%02d", i)] = map[string]*fate{}
	}
	for _, f := range v.fates {
		switch f.Kind {
		case add, once:
			want[f.Key][f.ID] = f
		case work, post:
			want[f.To][f.ID] = f
		}
	}
	for key, fates := range want {
		got := ask(v, witness.Applied.To(key, situ.None{}))
		sum := 0
		for id, n := range got.Applied {
			sum += n
			if f := fates[id]; f == nil {
				v.wrong("I3: counter %s has %s, which nobody asked for", key, id)
			} else if n != 1 {
				v.wrong("I3: %s %s was applied to counter %s %d times", f.Kind, id, key, n)
			}
		}
		for id, f := range fates {
			if f.Word != "" && got.Applied[id] == 0 {
				v.wrong("I8: %s %s was acknowledged, and counter %s does not have it", f.Kind, id, key)
			}
		}
		if got.Count != sum {
			v.wrong("I3: counter %s counts %d and has %d ids", key, got.Count, sum)
		}
	}
}

// jobs checks the records of asynchronous calls.
func (v *verdict) jobs() {
	var all []*fate
	for _, f := range v.fates {
		if f.Word == accepted {
			all = append(all, f)
		}
	}
	// They are many: several are asked for at a time.
	found := make([]string, len(all))
	var next atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				found[i] = v.record(all[i])
			}
		})
	}
	group.Wait()
	for i, f := range all {
		if found[i] != "" {
			v.wrong("I8: %s %s was accepted as %s: %s", f.Kind, f.ID, f.text(), found[i])
		}
	}
}

// record returns what is wrong with the record of an asynchronous call.
func (v *verdict) record(f *fate) string {
	ctx, free := context.WithTimeout(context.Background(), 20*time.Second)
	defer free()
	inv, err := v.s.api.Invocation(ctx, wire.InvocationID(f.text()), 0)
	if err != nil {
		return err.Error()
	}
	if inv.Status != api.Done {
		return fmt.Sprintf("it is %s: %+v", inv.Status, inv.Error)
	}
	if f.Kind == later {
		return ""
	}
	var got witness.Outcome
	if err := json.Unmarshal(inv.Result, &got); err != nil || got != (witness.Outcome{Square: f.N * f.N, Times: 1}) {
		return fmt.Sprintf("with the input %d it has the answer %s", f.N, inv.Result)
	}
	return ""
}

// bank checks that each account has what its transfers left (I1).
func (v *verdict) bank() {
	want := map[string]int{}
	for _, f := range v.fates {
		switch {
		case f.Kind == fund:
			want[f.Key] += f.N
		case f.Kind == move && f.Word == answered:
			want[f.Key] -= f.N
			want[f.To] += f.N
		}
	}
	sum := 0
	for i := range accounts {
		key := v.key("b%02d", i)
		got := int(ask(v, account.Balances.To(key, situ.None{})).Cents)
		sum += got
		if got != want[key] || got < 0 {
			v.wrong("I1: account %s has %d; its transfers leave %d", key, got, want[key])
		}
	}
	if sum != accounts*funds {
		v.wrong("I1: all accounts have %d; they were given %d", sum, accounts*funds)
	}
}

// messages checks that receivers got all messages of each sender in order (I5).
func (v *verdict) messages() {
	want := map[string]int{}
	for _, f := range v.fates {
		if f.Kind == burst {
			want[f.Key] += f.N
		}
	}
	for i := range senders {
		key := v.key("s%d", i)
		if got := ask(v, witness.Sent.To(key, situ.None{})); got != want[key] {
			v.wrong("I3: sender %s has sent %d messages, and was asked for %d", key, got, want[key])
		}
	}
	for i := range witness.Receivers {
		key := witness.Receiver(v.key(""), i)
		next := map[string]int{}
		for at, m := range ask(v, witness.Received.To(key, situ.None{})) {
			if next[m.From]++; m.N != next[m.From] {
				v.wrong("I5: entry %d of receiver %s is message %d of %s, not %d", at, key, m.N, m.From, next[m.From])
				next[m.From] = m.N
			}
		}
		for from, n := range want {
			if next[from] != n {
				v.wrong("I5: receiver %s has messages up to %d of %s, which sent %d", key, next[from], from, n)
			}
		}
	}
}

// alarms checks that each timer fired once and not early (I6).
func (v *verdict) alarms() {
	want := map[string]map[string]*fate{}
	for i := range alarms {
		want[v.key("a%02d", i)] = map[string]*fate{}
	}
	for _, f := range v.fates {
		if f.Kind == alarm || f.Kind == later {
			want[f.Key][f.ID] = f
		}
	}
	v.late = v.late[:0]
	for key, fates := range want {
		got := ask(v, witness.Rung.To(key, situ.None{}))
		for id := range got {
			if fates[id] == nil {
				v.wrong("I6: alarm %s rang for %s, which nobody asked for", key, id)
			}
		}
		for id, f := range fates {
			r, due := got[id], f.At.Add(f.Delay)
			if r.Times != 1 {
				v.wrong("I6: %s %s of %s rang %d times", f.Kind, id, key, r.Times)
			} else if r.At.Before(due) {
				v.wrong("I6: %s %s of %s rang %v early", f.Kind, id, key, due.Sub(r.At))
			} else {
				v.late = append(v.late, r.At.Sub(due))
			}
		}
	}
	slices.Sort(v.late)
}

// registers checks that the calls of each register are linearizable (I4), and
// its value at the end with them. A call took effect between its first attempt
// and its answer, in whichever process of the client.
func (v *verdict) registers() {
	ops := map[string][]porcupine.Operation{}
	for i, f := range v.fates {
		if (f.Kind == write || f.Kind == read) && f.Word == answered {
			in := registerOp{f.Kind == write, f.N}
			ops[f.Key] = append(ops[f.Key], porcupine.Operation{ClientId: i, Input: in, Output: f.int(), Call: f.At.UnixNano(), Return: f.End.UnixNano()})
		}
	}
	var group sync.WaitGroup
	for key, history := range ops {
		now := time.Now().UnixNano()
		last := porcupine.Operation{ClientId: len(v.fates), Input: registerOp{}, Call: now, Output: ask(v, witness.Read.To(key, situ.None{}))}
		last.Return = time.Now().UnixNano()
		group.Go(func() {
			if got := porcupine.CheckOperationsTimeout(registerModel, append(history, last), 30*time.Second); got != porcupine.Ok {
				v.t.Errorf("I4: the %d calls of register %s are not linearizable: %s", len(history), key, got)
			}
		})
	}
	group.Wait()
}

// registerOp is a write of n, or a read.
type registerOp struct {
	write bool
	n     int
}

var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if in := input.(registerOp); in.write {
			return output == in.n, in.n
		}
		return output == state, state
	},
}

// airline has the airline's own check made (I2).
func (v *verdict) airline() {
	ctx, free := context.WithTimeout(context.Background(), time.Minute)
	defer free()
	r, err := newAirline(v.round).Check(ctx, v.s.situ, true, nil)
	if err != nil {
		v.t.Fatalf("check the airline: %v", err)
	}
	if r.Faults > 0 {
		v.wrong("I2: %v", r)
	}
}
