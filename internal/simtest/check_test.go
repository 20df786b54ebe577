package simtest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// verify compares what the clients were told with what is there when all has
// come to rest, after another start, and when the records have expired.
func (w *world) verify() {
	w.recheck()
	w.touch()
	for _, s := range w.shards {
		st := s.core.Count()
		w.count["object evicted"] += int(st.Evicted)
		w.count["timer fired"] += int(st.Fired)
	}
	w.checkRecords()
	w.crashAt(w.shards[0])
	w.settle() // a start finds nothing to do, and does nothing twice
	w.checkTables()
	w.checkObjects()
	w.checkDead()
	w.redrive()
	w.checkLinear()
	w.pass(w.latest - w.wall + 25*wire.Time(time.Hour))
	w.settle()
	for _, s := range w.shards {
		s.rescues()
	}
	for _, s := range w.shards {
		for _, t := range []store.Table{store.Invocations, store.Expiry} {
			if n := w.table(s.id, t); len(n) > 0 {
				w.fail("%d rows are left in %v of shard %d, a day later", len(n), t, s.id)
			}
		}
	}
}

// recheck asks with each key once more: the answer must be the same.
func (w *world) recheck() {
	for _, o := range w.ops {
		if o.key != "" && o.status == answered {
			w.seen("asked again after the rest")
			o.recheck, o.status = true, planned
		}
	}
	w.settle()
}

// touch has every shard make a commit, so that what may go with the next one
// has gone.
func (w *world) touch() {
	for round := range 2 {
		for i := range w.shards {
			for n := 0; ; n++ {
				key := fmt.Sprint("touch", n)
				if int(place.Shard(wire.ObjectID{Type: kind, Key: key}, len(w.shards))) == i {
					w.newOp("add", key)
					break
				}
			}
		}
		w.log("touch", round)
		w.settle()
	}
}

// table returns the rows of a table, by key.
func (w *world) table(shard int, t store.Table) map[string]string {
	all := map[string]string{}
	err := w.disk.shard(shard).Scan(t, nil, nil, func(k, v []byte) (bool, error) {
		all[string(k)] = string(v)
		return true, nil
	})
	if err != nil {
		w.fail("%v", err)
	}
	return all
}

// timers returns the rows of timers of all shards.
func (w *world) timers() (all []string) {
	for _, s := range w.shards {
		all = append(all, sortedKeys(w.table(s.id, store.Timers))...)
	}
	return all
}

// checkTables checks that no work is left.
func (w *world) checkTables() {
	for _, s := range w.shards {
		for _, t := range []store.Table{store.Mail, store.Timers} {
			for k, v := range w.table(s.id, t) {
				env, err := wire.DecodeEnvelope([]byte(v))
				w.fail("%v of shard %d has a row %x that nobody will read: %+v %v", t, s.id, k, env, err)
			}
		}
		last := map[string]int{}
		for k := range w.table(s.id, store.Outbox) {
			if last[k[:2]]++; last[k[:2]] > 1 {
				w.fail("the outbox of shard %d has more than the last row for %x", s.id, k[:2])
			}
		}
	}
}

// checkRecords checks the records of calls that were to be answered later.
func (w *world) checkRecords() {
	for _, o := range w.ops {
		if o.status != accepted {
			continue
		}
		b, ok, err := w.disk.shard(o.shard).Get(store.Invocations, []byte(o.inv))
		if err != nil || !ok {
			w.fail("%v has no record: %v", o, err)
			continue
		}
		rec, err := rows.DecodeInvocation(o.inv, b)
		if err != nil || rec.Finished == 0 {
			w.fail("%v is not finished: %+v %v", o, rec, err)
			continue
		}
		o.answer, _, _ = strings.Cut(string(rec.Body.Data), "@")
		o.fail = rec.Fail
		if o.fail == nil && o.method != "poison" {
			w.seen("answered later")
		}
	}
}

// checkObjects reads all objects from their rows, and holds them against the
// operations.
func (w *world) checkObjects() {
	all := w.load()
	w.checkBank(all)
	w.checkOrder(all)
	for _, o := range w.ops {
		if o.fail != nil && o.method != "no" && o.method != "poison" {
			w.fail("%v: it cannot fail", o)
		}
		for where, n := range w.expected(o, all) {
			switch {
			case n > 1:
				w.fail("%v happened %d times: %s", o, n, where)
			case n == 0 && o.did():
				w.fail("%v was acknowledged and did not happen: %s", o, where)
			case n == 1 && o.status == refused:
				w.fail("%v was refused and happened: %s", o, where)
			}
		}
	}
}

// load reads the state of all objects.
func (w *world) load() map[string]*state {
	all := map[string]*state{}
	for _, s := range w.shards {
		elements := w.table(s.id, store.Entries)
		for k, v := range w.table(s.id, store.Objects) {
			_, key, _ := strings.Cut(k, "\x00")
			id := wire.ObjectID{Type: kind, Key: key}
			row, err := rows.DecodeObject([]byte(v))
			if err != nil {
				w.fail("%v: %v", id, err)
				continue
			}
			st := &turn.State{Root: row.Root}
			from, to := rows.EntriesOf(id)
			size := len(row.Root)
			for ek, ev := range elements {
				if ek >= string(from) && ek < string(to) {
					field, element, _ := rows.SplitEntry([]byte(ek[len(from):]))
					e := turn.Entry{Field: field, Key: element, Value: []byte(ev)}
					size += e.Size()
					st.Entries = append(st.Entries, e)
					delete(elements, ek)
				}
			}
			obj, err := loadState(st)
			if err != nil || size != row.Size {
				w.fail("%v is torn on disk: %v, size %d, want %d", id, err, row.Size, size)
				continue
			}
			all[key] = obj
		}
		for k := range elements {
			w.fail("shard %d has an element of no object: %q", s.id, k)
		}
	}
	return all
}

func at(all map[string]*state, key string) *state {
	if s := all[key]; s != nil {
		return s
	}
	return &state{kv: map[string]string{}}
}

// expected returns how often the parts of an operation happened. An answer
// says whether a payment was made.
func (w *world) expected(o *op, all map[string]*state) map[string]int {
	id, args := strconv.Itoa(o.id), strings.Fields(o.body)
	self := at(all, o.to.Key)
	switch o.method {
	case "pay", "payw":
		paid, got := self.num("paid:"+id), at(all, args[1]).num("got:"+id)
		if paid != got {
			w.fail("%v: paid %d times, received %d times", o, paid, got)
		}
		if o.answer == "poor" && paid > 0 {
			w.fail("%v: the account was too poor, and it paid", o)
		}
		if o.answer == "poor" || o.status == accepted {
			return map[string]int{"paid": max(paid, 1)}
		}
		parts := map[string]int{"paid": paid}
		if o.method == "payw" {
			if parts["confirmed"] = self.num("conf:" + id); parts["confirmed"] != paid {
				w.fail("%v: paid %d times, confirmed %d times", o, paid, parts["confirmed"])
			}
		}
		return parts
	case "add", "emit", "hold", "free":
		return map[string]int{o.method: self.num("k:" + id)}
	case "remind":
		if set, rang := self.num("rem:"+id), self.num("ring:"+id); set != rang {
			w.fail("%v: set %d times, rang %d times", o, set, rang)
		}
		return map[string]int{"rang": self.num("ring:" + id)}
	case "relay":
		return map[string]int{"relayed": at(all, args[1]).num("k:" + id)}
	case "pair":
		x, y := at(all, args[1]).num("k:"+id), at(all, args[2]).num("k:"+id)
		if x != y {
			w.fail("%v: %d times for one, %d for the other", o, x, y)
		}
		return map[string]int{"first": x, "second": y}
	case "loose":
		if n := self.num("l:" + id); n > 1 {
			return map[string]int{"loose": n}
		}
	}
	return nil
}

// checkBank checks that money was neither made nor lost, and that no account
// is below zero.
func (w *world) checkBank(all map[string]*state) {
	sum, accounts := 0, 0
	for key, s := range all {
		if strings.HasPrefix(key, "a") && s.get("bal") != "" {
			accounts++
			sum += s.num("bal")
			if s.num("bal") < 0 {
				w.fail("account %s has %d", key, s.num("bal"))
			}
		}
	}
	if sum != opening*accounts {
		w.fail("%d accounts have %d, want %d", accounts, sum, opening*accounts)
	}
}

// checkOrder checks that messages came in order and without a gap, and timers
// not early: objects note what was wrong at once, and at rest the last that
// was sent is the last that came.
func (w *world) checkOrder(all map[string]*state) {
	for _, key := range sortedKeys(all) {
		for k, v := range all[key].kv {
			if strings.HasPrefix(k, "bad:") {
				w.fail("object %s: %s %s", key, k, v)
			}
			if to, ok := strings.CutPrefix(k, "next"); ok {
				if last := at(all, to).get("last" + key); last != v {
					w.fail("%s sent %s messages to %s, the last there is %q", key, v, to, last)
				}
			}
		}
	}
}

// checkDead checks that the messages that were given up are just the poison.
func (w *world) checkDead() {
	dead := map[string]int{}
	for _, s := range w.shards {
		for k, v := range w.table(s.id, store.Dead) {
			d, err := rows.DecodeDead(k, []byte(v))
			if err != nil {
				w.fail("dead letter %x: %v", k, err)
				continue
			}
			w.seen("dead letter")
			if d.Envelope.To.Method != "poison" {
				w.fail("%s was given up: %+v", d.Envelope.To, d.Reason)
			}
			dead[string(d.Envelope.Body.Data)]++
		}
	}
	for _, o := range w.ops {
		n := dead[strconv.Itoa(o.id)]
		told := o.status == answered || o.status == accepted
		switch {
		case o.method == "no" && told && (o.fail == nil || o.fail.Code != "no"):
			w.fail("%v: want its refusal", o)
		case o.method != "poison":
		case told && (o.fail == nil || o.fail.Kind != fault.Crashed.String()):
			w.fail("%v: want that it was given up", o)
		case n > 1 || told && n != 1 || n > 0 && o.status == refused:
			w.fail("%v has %d dead letters", o, n)
		}
	}
}

// redrive has each dead letter run again or forgotten, or, to ask for too
// much, both or twice. What ran again is given up again: poison stays poison.
func (w *world) redrive() {
	before := w.dead()
	for _, at := range before {
		for range 1 + w.rand.IntN(2) {
			o := w.newOp([]string{"redrive", "forget"}[w.rand.IntN(2)], "")
			o.shard, o.body = at.shard, dead.ID(wire.ShardID(at.shard), at.seq)
		}
	}
	w.settle()
	w.crashAt(w.shards[0])
	w.settle()
	after, want := len(w.dead()), len(before)
	for _, o := range w.ops {
		if o.status == answered && o.answer == "ok" && o.method == "forget" {
			want--
		}
	}
	if after != want {
		w.fail("%d dead letters of %d are left, want %d", after, len(before), want)
		for _, o := range w.ops {
			if o.method == "forget" || o.method == "redrive" {
				w.note("%v", o)
			}
		}
	}
	for _, s := range w.shards {
		if n := s.core.Count().Dead; n != len(w.table(s.id, store.Dead)) {
			w.fail("shard %d counts %d dead letters, and has %d", s.id, n, len(w.table(s.id, store.Dead)))
		}
	}
}

// letter is where a dead letter is.
type letter struct {
	shard int
	seq   wire.Seq
}

func (w *world) dead() (all []letter) {
	for _, s := range w.shards {
		for _, k := range sortedKeys(w.table(s.id, store.Dead)) {
			all = append(all, letter{s.id, wire.Seq(binary.BigEndian.Uint64([]byte(k)))})
		}
	}
	return all
}

// register is what porcupine is to know of a register.
var register = porcupine.Model{
	Init: func() any { return "none" },
	Step: func(st, in, out any) (bool, any) {
		o, answer := in.(*op), out.(string)
		known := answer != "?"
		switch o.method {
		case "read", "view":
			return !known || answer == st, st
		case "remove":
			return !known || answer == "ok" || st == "none", "none"
		case "write":
			return true, o.arg
		case "clear":
			return true, "none"
		}
		if st != o.old {
			return !known || answer == "no", st
		}
		return !known || answer == "ok", o.arg
	},
	Equal: func(a, b any) bool { return a == b },
}

// checkLinear checks each register's history. An operation whose outcome is
// not known may take effect at any time after it was asked.
func (w *world) checkLinear() {
	history := map[string][]porcupine.Operation{}
	for _, o := range w.ops {
		if !slices.Contains([]string{"write", "cas", "clear", "read", "view", "remove"}, o.method) {
			continue
		}
		p := porcupine.Operation{ClientId: o.id, Input: o, Call: int64(o.call), Output: o.answer, Return: int64(o.ret)}
		switch {
		case o.status == refused || o.asks == 0 || o.status != answered && (o.method == "read" || o.method == "view"):
			continue
		case o.status != answered:
			p.Output, p.Return = "?", 1<<60
		}
		history[o.to.Key] = append(history[o.to.Key], p)
	}
	for _, key := range sortedKeys(history) {
		switch porcupine.CheckOperationsTimeout(register, history[key], 30*time.Second) {
		case porcupine.Ok:
			continue
		case porcupine.Illegal:
			w.fail("register %s is not linearizable", key)
		case porcupine.Unknown:
			w.fail("register %s: porcupine did not finish", key)
		}
		for _, p := range history[key] {
			w.note("%d to %d: %v", p.Call, p.Return, p.Input)
		}
	}
}
