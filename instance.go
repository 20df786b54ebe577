package situ

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/element"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shape"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// code is what all objects of one type share.
type code[S any] struct {
	shape   *shape.Shape
	methods map[*host.Method]func(*S, *Turn) (wire.Payload, error)
}

// instance is one live object.
//
// A failed turn must leave the state as it was. Where copying the struct
// copies all of it (the shape is flat), the copy from before the turn is put
// back. Otherwise the encoding from before the turn is; and while the state is
// just what was committed, nothing is kept at all: the instance is given up
// (Lost), to be loaded again. What is in containers is apart from the struct
// and takes its own changes back.
type instance[S any] struct {
	code  *code[S]
	s     S
	kept  *[]keptContainer // nil if there are none: most objects have none, and they are many
	dirty bool             // differs from what Changes reported last
	clear bool             // was deleted since
	gone  bool             // was deleted, and not used after that
}

// keptContainer is a container of an instance, and what it points to between
// turns.
type keptContainer struct {
	element.Tracked
	field container
}

// Load implements host.Instance.
func (in *instance[S]) Load(st *turn.State) error {
	if st.Root != nil {
		if err := codec.Decode(st.Root, &in.s); err != nil {
			return fmt.Errorf("the stored state does not fit %T: %w", in.s, err)
		}
	}
	fields := in.code.shape.Containers
	if len(fields) > 0 {
		kept := make([]keptContainer, len(fields))
		for i := range fields {
			field := containerOf(&in.s, &fields[i])
			kept[i] = keptContainer{field.kept(), field}
		}
		in.kept = &kept
	}
	for _, e := range st.Entries {
		i := slices.IndexFunc(fields, func(f shape.Container) bool { return f.Name == e.Field })
		if i < 0 {
			return fmt.Errorf("the stored state has elements of a container %q that %T does not have", e.Field, in.s)
		}
		if err := (*in.kept)[i].Load(e.Key, e.Value); err != nil {
			return fmt.Errorf("element of %q: %w", e.Field, err)
		}
	}
	for i, k := range in.containers() {
		if l, ok := k.Tracked.(interface{ Whole() error }); ok {
			if err := l.Whole(); err != nil {
				return fmt.Errorf("elements of %q: %w", fields[i].Name, err)
			}
		}
	}
	return nil
}

func (in *instance[S]) containers() []keptContainer {
	if in.kept == nil {
		return nil
	}
	return *in.kept
}

// Run implements host.Instance.
func (in *instance[S]) Run(ht *host.Turn) host.Outcome {
	call, flat := in.code.methods[ht.Method], in.code.shape.Flat
	t := turnOf(ht)
	for _, k := range in.containers() {
		k.Begin(t.quiet)
	}
	var saved S
	var before []byte
	if flat {
		saved = in.s
	}
	if verify := t.quiet && ht.Verify; verify || !flat && in.dirty && !t.quiet {
		before, _ = codec.EncodeSorted(&in.s) // if it cannot be had, the instance is lost below
	}
	out := t.run(func() (wire.Payload, error) { return call(&in.s, t) })
	if t.quiet && ht.Verify && out.Fail == nil {
		if after, err := codec.EncodeSorted(&in.s); err != nil || !bytes.Equal(before, after) {
			out = misuse(fmt.Sprintf("%v is declared ReadOnly and changed the state", ht.Env.To))
		}
	}
	switch {
	case flat && (out.Fail != nil || t.quiet):
		in.s = saved
		out.Lost = !in.rollback()
	case t.quiet:
		// Its word is taken that nothing was changed, unless it was looked at.
		out.Lost = out.Fail != nil && ht.Verify
	case out.Fail != nil:
		out.Lost = before == nil || !in.restore(before)
	default:
		out.Wrote = true
		in.wrote(t.deleted)
	}
	return out
}

// wrote notes a turn that counts.
func (in *instance[S]) wrote(deleted bool) {
	in.dirty, in.gone = true, deleted
	if deleted {
		in.clear = true
		for _, k := range in.containers() {
			k.Reset()
		}
		in.s = in.empty()
		return
	}
	for _, k := range in.containers() {
		if k.field.kept() != k.Tracked {
			k.field.adopt(k.Tracked) // the handler assigned another container, or a whole new state
		}
	}
}

// empty returns a new state with the containers as they are.
func (in *instance[S]) empty() (s S) {
	for i, k := range in.containers() {
		containerOf(&s, &in.code.shape.Containers[i]).point(k.Tracked)
	}
	return s
}

// restore puts an encoded root back, and the containers as they were.
func (in *instance[S]) restore(root []byte) bool {
	s := in.empty()
	if err := codec.Decode(root, &s); err != nil {
		return false
	}
	in.s = s
	return in.rollback()
}

func (in *instance[S]) rollback() bool {
	whole := true
	for i, k := range in.containers() {
		whole = k.Rollback(in.code.shape.Containers[i].Traits) && whole
	}
	return whole
}

// Changes implements host.Instance.
func (in *instance[S]) Changes(c *turn.Change) error {
	if !in.dirty {
		return nil
	}
	c.Clear = in.clear
	if !in.gone {
		var err error
		if c.Root, err = codec.Store(&in.s, in.code.shape.Traits); err != nil {
			return err
		}
		c.Size = len(c.Root)
		for i, k := range in.containers() {
			field := &in.code.shape.Containers[i]
			if err := k.Collect(field.Name, field.Traits, c); err != nil {
				return err
			}
			c.Size += k.Bytes()
		}
	}
	in.dirty, in.clear = false, false
	return nil
}
