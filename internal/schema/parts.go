package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/situ-dev/situ/internal/clean"
	"github.com/situ-dev/situ/internal/near"
)

// names are the names of the pairs of one object.
type names struct {
	first int                 // the first of them in the checker's keys
	many  map[string]struct{} // all of them, once they are many
	seen  uint64              // which of the first 64 required ones are there
}

// manyNames is how many names of an object are compared one by one.
const manyNames = 32

// object reads the pairs of an object, after its brace.
func (c *checker) object(n *node) {
	o := names{first: len(c.keys)}
	c.space()
	if c.at < len(c.doc) && c.doc[c.at] == '}' {
		c.at++
	} else {
		for c.pair(n, &o) {
		}
	}
	if n != nil && c.bad == nil {
		c.missing(n, &o)
		c.count(len(c.keys)-o.first, n.minProperties, n.maxProperties, "properties")
	}
	c.keys = c.keys[:o.first]
}

// pair reads one pair and what separates it from the next; it returns false
// after the last.
func (c *checker) pair(n *node, o *names) (more bool) {
	c.space()
	if c.at >= len(c.doc) {
		c.fail("the text ends inside an object")
		return false
	}
	if c.doc[c.at] != '"' {
		c.fail(fmt.Sprintf("%s instead of a name in double quotes", printable(c.doc[c.at:])))
		return false
	}
	from := c.at
	name := c.quoted()
	if c.bad != nil {
		return false
	}
	if c.holds(o, name) {
		c.at = from
		c.fail(fmt.Sprintf("the name %s is there twice", abridged(name)))
		return false
	}
	c.keep(o, name)
	c.space()
	if c.at >= len(c.doc) || c.doc[c.at] != ':' {
		c.fail(fmt.Sprintf("no ':' after the name %s", abridged(name)))
		return false
	}
	c.at++
	c.path = append(c.path, step{name: name})
	c.value(c.member(n, name, &o.seen))
	c.path = c.path[:len(c.path)-1]
	return !c.next('}', "an object")
}

// keep notes a name of o.
func (c *checker) keep(o *names, name []byte) {
	c.keys = append(c.keys, name)
	if all := c.keys[o.first:]; o.many != nil {
		o.many[string(name)] = struct{}{}
	} else if len(all) > manyNames {
		o.many = make(map[string]struct{}, 4*manyNames)
		for _, k := range all {
			o.many[string(k)] = struct{}{}
		}
	}
}

// holds reports whether name is one of o.
func (c *checker) holds(o *names, name []byte) bool {
	if o.many != nil {
		_, ok := o.many[string(name)]
		return ok
	}
	for _, k := range c.keys[o.first:] {
		if string(k) == string(name) {
			return true
		}
	}
	return false
}

// member returns what the property of that name should fit.
func (c *checker) member(n *node, name []byte, seen *uint64) *node {
	if n == nil {
		return nil
	}
	if p := n.props[string(name)]; p != nil {
		if p.need >= 0 && p.need < 64 {
			*seen |= 1 << p.need
		}
		return p.node
	}
	if n.closed {
		c.unknown(n, string(name))
		return nil
	}
	return n.others
}

func (c *checker) unknown(n *node, name string) {
	known := n.names()
	switch hint := near.Name(name, known); {
	case hint != "":
		c.misfit("is not known; did you mean %q?", hint)
	case len(known) == 0:
		c.misfit("is not known; nothing is expected here")
	default:
		c.misfit("is not known; known: %s", strings.Join(known, ", "))
	}
}

// missing notes required properties that are not in o.
func (c *checker) missing(n *node, o *names) {
	if len(n.required) == 0 || len(n.required) < 64 && o.seen == 1<<len(n.required)-1 {
		return
	}
	for _, name := range n.required {
		if c.holds(o, []byte(name)) {
			continue
		}
		want := ""
		if p := n.props[name]; p != nil && p.node.kinds != 0 {
			want = "; want " + p.want()
		}
		c.path = append(c.path, step{name: []byte(name)})
		c.misfit("is missing%s", want)
		c.path = c.path[:len(c.path)-1]
	}
}

// text reads a string value.
func (c *checker) text(n *node) {
	s := c.quoted()
	if c.bad != nil || n == nil {
		return
	}
	if n.kinds != 0 && n.kinds&isString == 0 || n.never {
		c.admits(n, isString, fmt.Sprintf("the string %s", abridged(s)))
		return
	}
	if n.minLength != nil || n.maxLength != nil {
		c.count(utf8.RuneCount(s), n.minLength, n.maxLength, "characters")
	}
	if n.pattern != nil && !n.pattern.Match(s) {
		c.misfit("is %s, which does not match the pattern %s", abridged(s), n.pattern)
	}
}

func abridged(s []byte) string {
	if len(s) > 40 {
		return strconv.Quote(strings.ToValidUTF8(string(s[:37]), "") + "...")
	}
	return strconv.Quote(string(s))
}

// quoted reads a string and returns its text.
func (c *checker) quoted() []byte {
	from := c.at
	c.at++
	c.at += clean.Prefix(c.doc[c.at:])
	escaped, ascii := false, true
	for c.at < len(c.doc) {
		switch b := c.doc[c.at]; {
		case b == '"':
			raw := c.doc[from+1 : c.at]
			if !ascii && !utf8.Valid(raw) {
				c.at = from
				c.fail("a string that is not valid UTF-8")
				return nil
			}
			c.at++
			if escaped {
				var s string
				if json.Unmarshal(c.doc[from:c.at], &s) != nil {
					c.at = from
					c.fail("a string with a malformed escape")
				}
				return []byte(s)
			}
			return raw
		case b == '\\':
			escaped = true
			if !c.escape() {
				c.fail("a malformed escape in a string")
				return nil
			}
		case b < 0x20:
			c.fail("a control character in a string; write it as an escape, such as \\n")
			return nil
		default:
			ascii = ascii && b < utf8.RuneSelf
			c.at++
		}
	}
	c.at = from
	c.fail("a string without an end")
	return nil
}

// escape reads an escape sequence.
func (c *checker) escape() bool {
	rest := c.doc[c.at+1:]
	if len(rest) == 0 {
		return false
	}
	if strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0 {
		c.at += 2
		return true
	}
	if rest[0] != 'u' || len(rest) < 5 {
		return false
	}
	for _, h := range rest[1:5] {
		if h |= 0x20; (h < '0' || h > '9') && (h < 'a' || h > 'f') {
			return false
		}
	}
	c.at += 6
	return true
}

// digits reads digits and reports whether there were any.
func (c *checker) digits() bool {
	from := c.at
	for c.at < len(c.doc) && c.doc[c.at] >= '0' && c.doc[c.at] <= '9' {
		c.at++
	}
	return c.at > from
}

// has consumes the next byte if it is one of set.
func (c *checker) has(set string) bool {
	if c.at < len(c.doc) && strings.IndexByte(set, c.doc[c.at]) >= 0 {
		c.at++
		return true
	}
	return false
}

func (c *checker) number(n *node) {
	from := c.at
	c.has("-")
	ok := c.has("0")
	if !ok {
		ok = c.digits()
	}
	whole := true
	if ok && c.has(".") {
		whole = false
		ok = c.digits()
	}
	if ok && c.has("eE") {
		whole = false
		c.has("+-")
		ok = c.digits()
	}
	if !ok || c.at < len(c.doc) && c.doc[c.at] >= '0' && c.doc[c.at] <= '9' {
		c.fail("a malformed number")
		return
	}
	if n != nil {
		c.amount(n, c.doc[from:c.at], whole)
	}
}

// amount checks a number against n.
func (c *checker) amount(n *node, raw []byte, whole bool) {
	k := isNumber
	if whole {
		k = isInt
	}
	if n.kinds&(isInt|isNumber) == isInt && !whole {
		c.misfit("is %.40s; want a whole number, written without a fraction or exponent", raw)
		return
	}
	if n.never || n.kinds != 0 && n.kinds&k == 0 {
		c.admits(n, k, "the number "+string(raw[:min(len(raw), 40)]))
		return
	}
	if n.kinds&isNumber == 0 && n.kinds&isInt != 0 && len(raw) > 18 && !fits64(string(raw)) {
		c.misfit("is %.40s, which does not fit into 64 bits", raw)
		return
	}
	if n.min == nil && n.max == nil && n.above == nil && n.below == nil {
		return
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil:
		c.misfit("is %.40s, which is too large for a number", raw)
	case n.min != nil && f < *n.min:
		c.misfit("is %.40s; at least %v is allowed", raw, plain(*n.min))
	case n.max != nil && f > *n.max:
		c.misfit("is %.40s; at most %v is allowed", raw, plain(*n.max))
	case n.above != nil && f <= *n.above:
		c.misfit("is %.40s; more than %v is needed", raw, plain(*n.above))
	case n.below != nil && f >= *n.below:
		c.misfit("is %.40s; less than %v is needed", raw, plain(*n.below))
	}
}

func fits64(s string) bool {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return true
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
