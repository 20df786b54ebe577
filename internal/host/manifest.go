package host

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/wire"
)

// Prefix begins the names of the types and functions of the platform's own
// components. Programs of users have none such.
const Prefix = "situ."

// Reserved reports whether a name is the platform's to have.
func Reserved(name string) bool { return strings.HasPrefix(name, Prefix) }

// Manifest is what a program announces about itself, as `situ describe` shows.
type Manifest struct {
	Types     []TypeManifest   `json:"types,omitempty"`
	Functions []MethodManifest `json:"functions,omitempty"`
	// Schedules are declared calls by the clock, by name: documents of the API.
	Schedules map[string]json.RawMessage `json:"schedules,omitempty"`
	// Partial says, of a manifest of several programs, that the main one is not
	// known yet: there may be more.
	Partial bool `json:"-"`
}

// Names yields the names of what m has, each after what it is: "type" or
// "function".
func (m *Manifest) Names() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range m.Types {
			if !yield("type", m.Types[i].Name) {
				return
			}
		}
		for i := range m.Functions {
			if !yield("function", m.Functions[i].Name) {
				return
			}
		}
	}
}

// Has reports whether m, which may be nil, has a "type" or a "function" with
// that name.
func (m *Manifest) Has(what, name string) bool {
	if m != nil {
		for w, n := range m.Names() {
			if w == what && n == name {
				return true
			}
		}
	}
	return false
}

// Public returns m without what is the platform's.
func (m *Manifest) Public() *Manifest {
	return &Manifest{Partial: m.Partial, Schedules: m.Schedules,
		Types:     slices.DeleteFunc(slices.Clone(m.Types), func(t TypeManifest) bool { return Reserved(t.Name) }),
		Functions: slices.DeleteFunc(slices.Clone(m.Functions), func(f MethodManifest) bool { return Reserved(f.Name) })}
}

// TypeManifest describes an object type.
type TypeManifest struct {
	Name    string           `json:"name"`
	Doc     string           `json:"doc,omitempty"`
	State   json.RawMessage  `json:"state,omitempty"`
	Retry   *RetryManifest   `json:"retry,omitempty"`
	Halts   bool             `json:"pauseOnDead,omitempty"` // its objects pause after a dead letter
	Methods []MethodManifest `json:"methods"`
}

// MethodManifest describes a method or a function.
type MethodManifest struct {
	Name      string          `json:"name"`
	Doc       string          `json:"doc,omitempty"`
	ReadOnly  bool            `json:"readOnly,omitempty"`
	Relaxed   bool            `json:"relaxed,omitempty"`
	Internal  bool            `json:"internal,omitempty"`
	TimeoutMS int64           `json:"timeoutMs,omitempty"`
	Retry     *RetryManifest  `json:"retry,omitempty"`
	In        json.RawMessage `json:"input,omitempty"`
	Out       json.RawMessage `json:"output,omitempty"`
}

// RetryManifest is a retry policy, in milliseconds.
type RetryManifest struct {
	Attempts     uint32   `json:"attempts,omitempty"`
	BackoffMS    int64    `json:"backoffMs,omitempty"`
	MaxBackoffMS int64    `json:"maxBackoffMs,omitempty"`
	MaxAgeMS     int64    `json:"maxAgeMs,omitempty"`
	On           []string `json:"on,omitempty"`    // returned errors that are run again, too
	Final        []string `json:"final,omitempty"` // failures that are not run again
}

// Policy returns r as a policy; nil is the zero policy.
func (r *RetryManifest) Policy() wire.Policy {
	if r == nil {
		return wire.Policy{}
	}
	return wire.Policy{Attempts: r.Attempts, Backoff: wire.Time(r.BackoffMS * 1e6), MaxBackoff: wire.Time(r.MaxBackoffMS * 1e6),
		MaxAge: wire.Time(r.MaxAgeMS * 1e6), On: wire.CodesOf(r.On), Final: wire.CodesOf(r.Final)}
}

func retryManifest(p wire.Policy) *RetryManifest {
	if p == (wire.Policy{}) {
		return nil
	}
	return &RetryManifest{Attempts: p.Attempts, BackoffMS: int64(p.Backoff / 1e6), MaxBackoffMS: int64(p.MaxBackoff / 1e6),
		MaxAgeMS: int64(p.MaxAge / 1e6), On: p.On.List(), Final: p.Final.List()}
}

// Manifest describes the set, in the order of names.
func (s *Set) Manifest() Manifest {
	m := Manifest{Schedules: s.Schedules}
	for _, name := range sorted(s.Types) {
		t := s.Types[name]
		tm := TypeManifest{Name: t.Name, Doc: t.Doc, State: t.State, Retry: retryManifest(t.Policy), Halts: t.Halts, Methods: []MethodManifest{}}
		for _, name := range sorted(t.Methods) {
			tm.Methods = append(tm.Methods, t.Methods[name].manifest())
		}
		m.Types = append(m.Types, tm)
	}
	for _, name := range sorted(s.Functions) {
		m.Functions = append(m.Functions, s.Functions[name].manifest())
	}
	return m
}

func (m *Method) manifest() MethodManifest {
	return MethodManifest{Name: m.Name, Doc: m.Doc, ReadOnly: m.ReadOnly, Relaxed: m.Relaxed, Internal: m.Internal,
		TimeoutMS: m.Timeout.Milliseconds(), Retry: retryManifest(m.Policy), In: m.In, Out: m.Out}
}
