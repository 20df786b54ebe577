package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/situ-dev/situ/internal/near"
)

// Limits of a text, and of what is told about it.
const (
	maxDepth   = 256
	maxMisfits = 16
)

// Malformed says where a text stops being JSON. It is an error.
type Malformed struct {
	Offset int // in bytes, from 0
	Why    string
}

// Error returns the reason with its place.
func (m *Malformed) Error() string { return fmt.Sprintf("%s at offset %d", m.Why, m.Offset) }

// Check reads doc as one JSON value, and returns what in it s does not admit.
// The error says where doc is malformed, if it is: then nothing was checked.
func (s *Schema) Check(doc []byte) ([]Misfit, *Malformed) { return s.check(doc, false) }

// CheckShown is like Check, for a text that shows a CBOR value: null fits
// everywhere, because Go's encoders write it for empty times and maps, and
// decoders take it for an empty value.
func (s *Schema) CheckShown(doc []byte) ([]Misfit, *Malformed) { return s.check(doc, true) }

func (s *Schema) check(doc []byte, nulls bool) ([]Misfit, *Malformed) {
	c := checkers.Get().(*checker)
	defer c.free()
	c.doc, c.nulls = doc, nulls
	var root *node
	if s != nil {
		root = s.root
	}
	c.value(root)
	if c.bad == nil {
		c.space()
		if c.at < len(doc) {
			c.fail("there is more after the value")
		}
	}
	if c.bad != nil {
		return nil, c.bad
	}
	if s != nil && s.whole != nil && len(c.found) == 0 {
		return s.general(doc), nil
	}
	return c.found, nil
}

// step is one level of the path to a value.
type step struct {
	name  []byte // of a property; nil is an element
	index int
}

// checker walks over a text once. It stops at the first byte that is not
// JSON, and goes on after misfits.
type checker struct {
	doc   []byte
	at    int
	depth int
	path  []step
	keys  [][]byte // names of the objects being read, the innermost last
	found []Misfit
	bad   *Malformed
	nulls bool // null fits everywhere
}

// checkers is where they are taken from: most of the memory of a check is the
// room for names and steps.
var checkers = sync.Pool{New: func() any {
	return &checker{path: make([]step, 0, roomFor), keys: make([][]byte, 0, roomFor)}
}}

// roomFor is how many steps and names a checker has room for. One that had to
// make more is not kept.
const roomFor = 16

// free gives c back, with nothing of its text.
func (c *checker) free() {
	if cap(c.path) > roomFor || cap(c.keys) > roomFor {
		return
	}
	path, keys := c.path[:cap(c.path)], c.keys[:cap(c.keys)]
	clear(path)
	clear(keys)
	*c = checker{path: path[:0], keys: keys[:0]}
	checkers.Put(c)
}

func (c *checker) fail(why string) {
	if c.bad == nil {
		c.bad = &Malformed{c.at, why}
	}
}

func (c *checker) misfit(format string, args ...any) {
	if len(c.found) < maxMisfits {
		c.found = append(c.found, Misfit{c.pointer(), fmt.Sprintf(format, args...)})
	}
}

func (c *checker) pointer() string {
	var b strings.Builder
	b.WriteByte('#')
	for _, s := range c.path {
		b.WriteByte('/')
		if s.name == nil {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(string(s.name)))
		}
	}
	return b.String()
}

func (c *checker) space() {
	for c.at < len(c.doc) {
		switch c.doc[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// value reads a value that should fit n.
func (c *checker) value(n *node) {
	c.space()
	if c.at >= len(c.doc) {
		c.fail("the text ends where a value should be")
		return
	}
	if len(c.found) >= maxMisfits {
		n = nil // enough is told; read on, for malformed text
	}
	from := c.at
	switch b := c.doc[c.at]; {
	case b == '{':
		c.enter(n, isObject)
	case b == '[':
		c.enter(n, isArray)
	case b == '"':
		c.text(n)
	case b == '-' || b >= '0' && b <= '9':
		c.number(n)
	case b == 't':
		c.literal(n, "true", isBool)
	case b == 'f':
		c.literal(n, "false", isBool)
	case b == 'n':
		c.literal(n, "null", isNull)
	default:
		c.fail(fmt.Sprintf("%s is not the beginning of a value", printable(c.doc[c.at:])))
	}
	if n != nil && n.enum != nil && c.bad == nil {
		c.oneOf(n, c.doc[from:c.at])
	}
}

// printable returns the first character of b, quoted.
func printable(b []byte) string {
	for _, r := range string(b[:min(len(b), 4)]) {
		return strconv.QuoteRune(r)
	}
	return "the end"
}

// admits reports whether n admits a value of kind k, and notes a misfit if not.
func (c *checker) admits(n *node, k kinds, what string) bool {
	if n == nil {
		return true
	}
	if n.never {
		c.misfit("is not allowed")
		return false
	}
	if n.kinds == 0 || n.kinds&k != 0 {
		return true
	}
	c.misfit("is %s; want %s", what, n.want())
	return false
}

// enter reads an object or a list, one level deeper.
func (c *checker) enter(n *node, k kinds) {
	if c.depth++; c.depth > maxDepth {
		c.fail(fmt.Sprintf("nested more than %d levels deep", maxDepth))
		return
	}
	what := "an object"
	if k == isArray {
		what = "a list"
	}
	if !c.admits(n, k, what) {
		n = nil // read on, for malformed text
	}
	c.at++
	if k == isObject {
		c.object(n)
	} else {
		c.array(n)
	}
	c.depth--
}

func (c *checker) literal(n *node, word string, k kinds) {
	if !bytes.HasPrefix(c.doc[c.at:], []byte(word)) {
		c.fail(fmt.Sprintf("this is not %q", word))
		return
	}
	c.at += len(word)
	if k != isNull || !c.nulls || n != nil && n.never {
		c.admits(n, k, word)
	}
}

func (c *checker) array(n *node) {
	var items *node
	if n != nil {
		items = n.items
	}
	i := 0
	c.space()
	if c.at < len(c.doc) && c.doc[c.at] == ']' {
		c.at++
	} else {
		for {
			c.path = append(c.path, step{index: i})
			c.value(items)
			c.path = c.path[:len(c.path)-1]
			i++
			if done := c.next(']', "a list"); done || c.bad != nil {
				break
			}
		}
	}
	if n != nil && c.bad == nil {
		c.count(i, n.minItems, n.maxItems, "elements")
	}
}

// next reads a comma, or the end of an object or a list.
func (c *checker) next(end byte, what string) (done bool) {
	if c.bad != nil {
		return true
	}
	c.space()
	if c.at >= len(c.doc) {
		c.fail("the text ends inside " + what)
		return true
	}
	switch c.doc[c.at] {
	case end:
		c.at++
		return true
	case ',':
		c.at++
		return false
	}
	c.fail(fmt.Sprintf("%s instead of ',' or '%c'", printable(c.doc[c.at:]), end))
	return true
}

func (c *checker) count(n int, least, most *int, what string) {
	if least != nil && n < *least {
		c.misfit("has %d %s; at least %d are needed", n, what, *least)
	}
	if most != nil && n > *most {
		c.misfit("has %d %s; at most %d are allowed", n, what, *most)
	}
}

// oneOf checks raw against n's list of values.
func (c *checker) oneOf(n *node, raw []byte) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return
	}
	got, _ := json.Marshal(v)
	var all []string
	for _, e := range n.enum {
		want, _ := json.Marshal(e)
		if bytes.Equal(got, want) {
			return
		}
		all = append(all, string(want))
	}
	hint := ""
	if s, ok := v.(string); ok {
		var names []string
		for _, e := range n.enum {
			if t, ok := e.(string); ok {
				names = append(names, t)
			}
		}
		if m := near.Name(s, names); m != "" {
			hint = fmt.Sprintf("; did you mean %q?", m)
		}
	}
	c.misfit("is %.80s; want one of %s%s", got, strings.Join(all, ", "), hint)
}
