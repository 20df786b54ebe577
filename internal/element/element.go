// Package element keeps what is in the containers of an object's state: maps,
// lists and counters whose elements are rows of their own. They notice which
// elements a turn changes, take the changes of a failed turn back, and hand
// them over to be committed. The root package shows them to users as Map, List
// and Counter. One goroutine uses a container at a time.
package element

import (
	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// Tracked is what is in a container. Its elements are rows of their own.
type Tracked interface {
	// Load adds a stored element.
	Load(key, value []byte) error
	// Begin starts a turn: from here Rollback takes changes back. Changing a
	// container in a read-only turn panics.
	Begin(readOnly bool)
	// Rollback reports whether all is as it was: an element that is not flat
	// may have been changed in place.
	Rollback(traits codec.Traits) bool
	// Collect appends the elements, which have those traits, changed since the
	// last Collect.
	Collect(field string, traits codec.Traits, c *turn.Change) error
	// Bytes returns the size of all elements at the last Collect.
	Bytes() int
	// Reset forgets everything, as if it had never been used.
	Reset()
}

// Kind stands in the root's encoding where a container is, under a tag, so
// that state can be shown without its program. Append only.
type Kind uint64

// The kinds of containers.
const (
	MapText      Kind = 1 // keys are texts
	MapInt       Kind = 2
	MapUint      Kind = 3
	ListKind     Kind = 4
	CounterKind  Kind = 5
	containerTag      = 40500 // unassigned in the IANA registry of CBOR tags when chosen
)

// marks are what stands in a root, by kind.
var marks = func() (m [CounterKind + 1][]byte) {
	for k := range m {
		var err error
		if m[k], err = codec.Encode(cbor.Tag{Number: containerTag, Content: uint64(k)}); err != nil {
			panic(err)
		}
	}
	return m
}()

// Mark returns what stands in a root for a container of kind k. It is not to
// be changed.
func (k Kind) Mark() []byte { return marks[k] }

func noWrite(readOnly bool) {
	if readOnly {
		panic("situ: a read-only method changed a container")
	}
}
