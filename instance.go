package situ

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// code is what all objects of one type share.
type code[S any] struct {
	shape   *shape
	methods map[string]method[S]
}

type method[S any] struct {
	m    *host.Method
	call func(*S, *Turn) (wire.Payload, error)
}

// instance is one live object.
//
// A failed turn must leave the state as it was. Where copying the struct
// copies all of it (the shape is flat), the copy from before the turn is put
// back. Otherwise the encoding from before the turn is; and while the state is
// just what was committed, nothing is kept at all: the instance is given up
// (Lost), to be loaded again.
type instance[S any] struct {
	code  *code[S]
	s     S
	dirty bool // differs from what Changes reported last
	clear bool // was deleted since
	size  int  // bytes of the root
}

// Load implements host.Instance.
func (in *instance[S]) Load(st *turn.State) error {
	if st.Root != nil {
		if err := decMode.Unmarshal(st.Root, &in.s); err != nil {
			return fmt.Errorf("the stored state does not fit %T: %w", in.s, err)
		}
	}
	in.size = len(st.Root)
	for _, e := range st.Entries {
		c := in.container(e.Field)
		if c == nil {
			return fmt.Errorf("the stored state has elements of a container %q that %T does not have", e.Field, in.s)
		}
		if err := c.load(e.Key, e.Value); err != nil {
			return fmt.Errorf("element of %q: %w", e.Field, err)
		}
	}
	return nil
}

func (in *instance[S]) container(name string) tracked {
	for _, f := range in.code.shape.tracked {
		if f.name == name {
			return in.at(f)
		}
	}
	return nil
}

func (in *instance[S]) at(f trackedField) tracked {
	return reflect.ValueOf(&in.s).Elem().FieldByIndex(f.index).Addr().Interface().(tracked)
}

// Run implements host.Instance.
func (in *instance[S]) Run(ht *host.Turn) host.Outcome {
	b := in.code.methods[ht.Env.To.Method]
	t := newTurn(ht, b.m)
	undo := in.begin(b.m.ReadOnly, ht.Verify)
	out := t.run(func() (wire.Payload, error) { return b.call(&in.s, t) })
	if out.Fail != nil {
		out.Lost = !undo()
		return out
	}
	if b.m.ReadOnly {
		if wrote := !undo(); wrote {
			return host.Outcome{Panic: true, Lost: true, Fail: &wire.Failure{Kind: fault.Crashed.String(),
				Message: fmt.Sprintf("%v is declared ReadOnly and changed the state", ht.Env.To)}}
		}
		return out
	}
	out.Wrote, in.dirty = true, true
	if t.deleted {
		in.reset()
	}
	return out
}

// begin prepares for a turn and returns a function that takes the turn back;
// it returns false if it cannot, and the instance must be given up.
func (in *instance[S]) begin(readOnly, verify bool) (undo func() bool) {
	sh := in.code.shape
	for _, f := range sh.tracked {
		in.at(f).begin(readOnly)
	}
	if sh.flat {
		saved, clear := in.s, in.clear
		return func() bool {
			in.s, in.clear = saved, clear
			in.rollback()
			return true
		}
	}
	if !in.dirty && !(readOnly && verify) {
		return func() bool { return readOnly }
	}
	before, err := encode(&in.s)
	if err != nil {
		return func() bool { return false }
	}
	return func() bool {
		if readOnly {
			after, err := encode(&in.s)
			return err == nil && bytes.Equal(before, after)
		}
		return in.restore(before)
	}
}

// restore puts an encoded root back, beside the containers as they are.
func (in *instance[S]) restore(root []byte) bool {
	var s S
	if err := decMode.Unmarshal(root, &s); err != nil {
		return false
	}
	for _, f := range in.code.shape.tracked {
		reflect.ValueOf(&s).Elem().FieldByIndex(f.index).Set(reflect.ValueOf(&in.s).Elem().FieldByIndex(f.index))
	}
	in.s = s
	in.rollback()
	return true
}

func (in *instance[S]) rollback() {
	for _, f := range in.code.shape.tracked {
		in.at(f).rollback()
	}
}

// reset empties a deleted object.
func (in *instance[S]) reset() {
	var zero S
	in.s, in.clear = zero, true
}

// Changes implements host.Instance.
func (in *instance[S]) Changes(c *turn.Change) error {
	c.Clear = in.clear
	if !in.dirty {
		return nil
	}
	if in.clear && in.empty() {
		in.dirty, in.clear, in.size = false, false, 0
		return nil
	}
	root, err := encode(&in.s)
	if err != nil {
		return err
	}
	c.Root, c.Size = root, len(root)
	for _, f := range in.code.shape.tracked {
		t := in.at(f)
		if err := t.collect(f.name, in.clear, c); err != nil {
			return err
		}
		c.Size += t.bytes()
	}
	in.dirty, in.clear, in.size = false, false, len(root)
	return nil
}

// empty reports whether the state is as if it had never been used.
func (in *instance[S]) empty() bool {
	return reflect.ValueOf(&in.s).Elem().IsZero()
}
