package simtest

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// The simulated program has one type of object, which can do everything, and
// two functions. The state of an object is a map of strings. What an operation
// did is kept as a set of its numbers, in which each has a count, so that one
// that is missing and one too many do not make up for each other.

const kind = "obj"

// opening is the balance of an account that was never written.
const opening = 100

var manifest = &host.Manifest{
	Types: []host.TypeManifest{{
		// Messages are not given up by chance, and with them money.
		Name: kind, Retry: &host.RetryManifest{Attempts: 1000, BackoffMS: 1, MaxBackoffMS: 50},
		Methods: append(methods("pay", "payw", "paid", "credit", "add", "emit", "log", "write", "cas", "clear", "remind", "ring", "hold", "free", "no"),
			host.MethodManifest{Name: "read", ReadOnly: true},
			host.MethodManifest{Name: "peek", ReadOnly: true},
			host.MethodManifest{Name: "loose", Relaxed: true},
			host.MethodManifest{Name: "poison", Retry: &host.RetryManifest{Attempts: 3}},
		),
	}},
	Functions: methods("relay", "pair"),
}

func methods(names ...string) (all []host.MethodManifest) {
	for _, n := range names {
		all = append(all, host.MethodManifest{Name: n, Retry: &host.RetryManifest{Attempts: 1000, BackoffMS: 1, MaxBackoffMS: 50}})
	}
	return all
}

// state is what a live object holds, with the changes of the turn under way
// and those that were not reported yet.
type state struct {
	kv      map[string]string
	undo    map[string]*string // of the turn: what was there before
	was     map[string]string  // of the turn: all that was there, if it cleared
	changed map[string]bool    // since the last report
	cleared bool               // since the last report
}

func (s *state) get(k string) string { return s.kv[k] }

func (s *state) num(k string) int {
	n, _ := strconv.Atoi(s.kv[k])
	return n
}

func (s *state) set(k, v string) {
	if _, done := s.undo[k]; !done && s.was == nil {
		if old, ok := s.kv[k]; ok {
			s.undo[k] = &old
		} else {
			s.undo[k] = nil
		}
	}
	if v == "" {
		delete(s.kv, k)
	} else {
		s.kv[k] = v
	}
}

func (s *state) count(k string) int {
	n := s.num(k) + 1
	s.set(k, strconv.Itoa(n))
	return n
}

func (s *state) clear() {
	if s.was == nil {
		for k, old := range s.undo {
			if old == nil {
				delete(s.kv, k)
			} else {
				s.kv[k] = *old
			}
		}
		s.was = s.kv
	}
	s.kv = map[string]string{}
}

// version returns the number of the last turn that wrote, counting this one if
// it did. It begins anew when the state is cleared.
func (s *state) version() string {
	if len(s.undo) > 0 && s.was == nil {
		s.count("ver")
	}
	return strconv.Itoa(s.num("ver"))
}

// keep makes the turn count; drop makes it not have been.
func (s *state) keep() (wrote bool) {
	wrote = len(s.undo) > 0 || s.was != nil
	if s.was != nil {
		s.cleared, s.changed = true, map[string]bool{}
		for k := range s.kv {
			s.changed[k] = true
		}
	}
	for k := range s.undo {
		s.changed[k] = true
	}
	s.undo, s.was = map[string]*string{}, nil
	return wrote
}

func (s *state) drop() {
	if s.was != nil {
		s.kv = s.was
	} else {
		for k, old := range s.undo {
			if old == nil {
				delete(s.kv, k)
			} else {
				s.kv[k] = *old
			}
		}
	}
	s.undo, s.was = map[string]*string{}, nil
}

// split says where a key is kept: with a colon as an element of a container,
// else in the root.
func split(k string) (field, element string, ok bool) { return strings.Cut(k, ":") }

// loadState decodes a state and checks that it is whole: the root says what
// the elements must be.
func loadState(st *turn.State) (*state, error) {
	s := &state{kv: map[string]string{}, undo: map[string]*string{}, changed: map[string]bool{}}
	want := ""
	for line := range strings.Lines(string(st.Root)) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if k == "#" {
			want = v
		} else {
			s.kv[k] = v
		}
	}
	for _, e := range st.Entries {
		k := e.Field + ":" + string(e.Key)
		if _, twice := s.kv[k]; twice {
			return nil, fmt.Errorf("element %q is there twice", k)
		}
		s.kv[k] = string(e.Value)
	}
	if st.Root == nil && len(st.Entries) == 0 {
		return s, nil
	}
	if got := s.elements(); got != want {
		return nil, fmt.Errorf("the root says that the elements are %s, they are %s: %v", want, got, s.kv)
	}
	return s, nil
}

// elements is a digest of the elements.
func (s *state) elements() string {
	n, x := 0, uint64(0)
	for k, v := range s.kv {
		if _, _, ok := split(k); ok {
			h := fnv.New64a()
			_, _ = h.Write([]byte(k + "=" + v))
			x ^= h.Sum64()
			n++
		}
	}
	return fmt.Sprintf("%d/%x", n, x)
}

// changes moves what changed into c.
func (s *state) changes(c *turn.Change) {
	c.Clear = s.cleared
	for _, k := range sortedKeys(s.changed) {
		field, element, ok := split(k)
		if !ok {
			continue
		}
		e := turn.Entry{Field: field, Key: []byte(element)}
		if v, there := s.kv[k]; there {
			e.Value = []byte(v)
		}
		if e.Value != nil || !s.cleared {
			c.Entries = append(c.Entries, e)
		}
	}
	s.changed, s.cleared = map[string]bool{}, false
	if len(s.kv) == 0 && c.Clear {
		return // it is gone
	}
	root := []byte("#=" + s.elements() + "\n")
	for _, k := range sortedKeys(s.kv) {
		if field, element, ok := split(k); ok {
			c.Size += turn.Entry{Field: field, Key: []byte(element), Value: []byte(s.kv[k])}.Size()
		} else {
			root = append(root, k+"="+s.kv[k]+"\n"...)
		}
	}
	c.Root = root
	c.Size += len(root)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// act is one turn of the program: what it sees and what it leaves behind.
type act struct {
	s     *state // nil in a function
	env   *wire.Envelope
	now   wire.Time
	seen  wire.Time // the latest that any clock showed so far
	args  []string
	sends []*wire.Envelope
	moved bool
}

func text(s string) wire.Payload { return wire.Payload{Format: wire.CBOR, Data: []byte(s)} }

func object(key, method string) wire.Address {
	return wire.Address{Type: kind, Key: key, Method: method}
}

func (a *act) send(to wire.Address, body string) *wire.Envelope {
	env := &wire.Envelope{Kind: wire.Call, To: to, Body: text(body), Made: a.now}
	a.sends = append(a.sends, env)
	return env
}

// crash is the failure of a handler that panicked.
func crash(why string) *wire.Failure {
	return &wire.Failure{Kind: fault.Crashed.String(), Message: why}
}

// run runs the handler. A failure of kind Crashed is a panic, others are
// answers.
func (a *act) run() (answer string, fail *wire.Failure) {
	a.args = strings.Fields(string(a.env.Body.Data))
	if a.env.Kind == wire.Reply {
		if a.env.Fail != nil {
			return "", crash("a call that cannot fail was answered with " + a.env.Fail.Message)
		}
		a.args = []string{string(a.env.Carry.Data)}
	}
	if h, ok := handlers[a.env.To.Method]; ok {
		return h(a)
	}
	return "", crash("no such method: " + a.env.To.String())
}

// then calls to, and the method back with the answer, which will answer the
// caller of this turn.
func (a *act) then(to wire.Address, body, back, carry string) {
	env := a.send(to, body)
	self := object(a.env.To.Key, back)
	env.Back = &wire.Callback{Kind: wire.ToMethod, To: self, Format: wire.CBOR, Carry: text(carry), Parent: a.env.Back}
	a.moved = true
}

// handlers is the code of the methods and functions. The first argument is
// mostly the number of the operation.
var handlers = map[string]func(*act) (string, *wire.Failure){
	"pay": func(a *act) (string, *wire.Failure) {
		if !a.take() {
			return "poor", nil
		}
		a.send(object(a.args[1], "credit"), a.args[0]+" "+a.args[2])
		return "ok", nil
	},
	"payw": func(a *act) (string, *wire.Failure) {
		if !a.take() {
			return "poor", nil
		}
		a.then(object(a.args[1], "credit"), a.args[0]+" "+a.args[2], "paid", a.args[0])
		return "", nil
	},
	"paid": func(a *act) (string, *wire.Failure) {
		a.s.count("conf:" + a.args[0])
		return "ok", nil
	},
	"credit": func(a *act) (string, *wire.Failure) {
		n, _ := strconv.Atoi(a.args[1])
		a.s.set("bal", strconv.Itoa(a.balance()+n))
		a.s.count("got:" + a.args[0])
		return "ok", nil
	},
	"add":   func(a *act) (string, *wire.Failure) { return strconv.Itoa(a.s.count("k:" + a.args[0])), nil },
	"loose": func(a *act) (string, *wire.Failure) { return strconv.Itoa(a.s.count("l:" + a.args[0])), nil },
	"emit": func(a *act) (string, *wire.Failure) {
		for _, to := range a.args[1:] {
			n := a.s.count("next" + to)
			a.send(object(to, "log"), a.env.To.Key+" "+strconv.Itoa(n))
		}
		a.s.count("k:" + a.args[0])
		return "ok", nil
	},
	"log": func(a *act) (string, *wire.Failure) {
		n, _ := strconv.Atoi(a.args[1])
		if last := a.s.num("last" + a.args[0]); n != last+1 {
			a.s.set("bad:order"+a.args[0]+a.args[1], fmt.Sprint("after ", last))
		}
		a.s.set("last"+a.args[0], a.args[1])
		return "ok", nil
	},
	"write": func(a *act) (string, *wire.Failure) { return a.write(a.args[0]) },
	"cas": func(a *act) (string, *wire.Failure) {
		if old := a.args[0]; a.read() != old {
			return "no", nil
		}
		return a.write(a.args[1])
	},
	"clear": func(a *act) (string, *wire.Failure) { a.s.clear(); return "ok", nil },
	"peek":  func(*act) (string, *wire.Failure) { return "seen", nil },
	"read":  func(a *act) (string, *wire.Failure) { return a.read(), nil },
	"remind": func(a *act) (string, *wire.Failure) {
		n, _ := strconv.Atoi(a.args[1])
		due := a.now + wire.Time(n)
		a.send(object(a.env.To.Key, "ring"), fmt.Sprint(a.args[0], " ", due)).Due = due
		a.s.count("rem:" + a.args[0])
		return "ok", nil
	},
	"ring": func(a *act) (string, *wire.Failure) {
		// It may have been due once, have failed, and run again after the
		// clock was set back.
		if due, _ := strconv.Atoi(a.args[1]); a.seen < wire.Time(due) {
			a.s.set("bad:early"+a.args[0], fmt.Sprint(a.now, " before ", due))
		}
		a.s.count("ring:" + a.args[0])
		return "ok", nil
	},
	"hold": func(a *act) (string, *wire.Failure) {
		if a.env.Back != nil {
			a.s.set("held:"+a.args[0], string(wire.AppendCallback(nil, a.env.Back)))
			a.moved = true
		}
		a.s.count("k:" + a.args[0])
		return "ok", nil
	},
	"free": func(a *act) (string, *wire.Failure) {
		for _, k := range sortedKeys(a.s.kv) {
			if strings.HasPrefix(k, "held:") {
				cb, err := wire.DecodeCallback([]byte(a.s.get(k)))
				if err != nil {
					return "", crash("the promise cannot be read: " + err.Error())
				}
				a.sends = append(a.sends, wire.ReplyTo(cb, text("freed"), nil))
				a.s.set(k, "")
			}
		}
		a.s.count("k:" + a.args[0])
		return "ok", nil
	},
	"no": func(*act) (string, *wire.Failure) {
		return "", &wire.Failure{Kind: fault.Conflict.String(), Code: "no", Message: "refused by the handler"}
	},
	"poison": func(*act) (string, *wire.Failure) { return "", crash("poison") },
	"relay": func(a *act) (string, *wire.Failure) {
		a.send(object(a.args[1], "add"), a.args[0]).Back = a.env.Back
		a.moved = true
		return "", nil
	},
	"pair": func(a *act) (string, *wire.Failure) {
		a.send(object(a.args[1], "add"), a.args[0])
		a.send(object(a.args[2], "add"), a.args[0])
		return "ok", nil
	},
}

func (a *act) balance() int {
	if a.s.get("bal") == "" {
		return opening
	}
	return a.s.num("bal")
}

// take takes the amount of a payment from the account, if it is there.
func (a *act) take() bool {
	n, _ := strconv.Atoi(a.args[2])
	if a.balance() < n {
		return false
	}
	a.s.set("bal", strconv.Itoa(a.balance()-n))
	a.s.count("paid:" + a.args[0])
	return true
}

// A register is kept twice, in the root and as an element: both are what was
// written, or neither.
func (a *act) write(v string) (string, *wire.Failure) {
	a.s.set("v", v)
	a.s.set("w:v", v)
	return "ok", nil
}

func (a *act) read() string {
	if v, w := a.s.get("v"), a.s.get("w:v"); v != w {
		return v + " and " + w
	}
	if v := a.s.get("v"); v != "" {
		return v
	}
	return "none"
}
