package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/wire"
)

// Targets knows what can be called: it returns the JSON Schema of the input, nil
// if it has none, or an error that says what there is.
type Targets func(typ, method string) (input json.RawMessage, err error)

// Check says what is wrong with a flow, or how it is carried out. With targets,
// what it calls must exist, and inputs that are constant must fit.
func (g *Flow) Check(targets Targets) (*Plan, Problems) {
	c := &checker{plan: &Plan{Names: map[string]int{}}, targets: targets, needs: map[int]map[int]bool{}}
	if g == nil || g.Do == nil {
		return nil, Problems{{"#", `"do" is missing: a node`}}
	}
	c.number(g.Do, -1, Inner, 0, "#/do", nil, 1)
	if len(c.found) == 0 {
		c.walk(0, scope{seen: map[int]bool{}})
	}
	if len(c.found) > 0 {
		return nil, c.found
	}
	c.circles()
	if len(c.found) > 0 {
		return nil, c.found
	}
	return c.plan, nil
}

type checker struct {
	reader
	plan    *Plan
	targets Targets
	needs   map[int]map[int]bool // of steps in a par: the others, by ID
}

// number gives each node its step, those inside it after it.
func (c *checker) number(n *Node, in int, role Role, index int, at string, maps []int, depth int) int {
	id := len(c.plan.Steps)
	switch {
	case n == nil:
		c.wrong(at, "there is no node")
		return id
	case id >= MaxNodes:
		c.wrong(at, "is one node too many; a flow has at most %d", MaxNodes)
		return id
	case depth > MaxDepth:
		c.wrong(at, "is nested too deep; at most %d nodes are in each other", MaxDepth)
		return id
	}
	copied := *n
	s := &Step{Node: &copied, ID: id, In: in, Role: role, Index: index, Pointer: at, Maps: maps, Undoer: -1}
	c.plan.Steps = append(c.plan.Steps, s)
	c.name(s)
	inner := maps
	if n.Kind == KindMap {
		inner = append(slices.Clone(maps), id)
	}
	for i, in := range n.Nodes {
		s.Inner = append(s.Inner, c.number(in, id, Inner, i, under(under(at, string(n.Kind)), i), inner, depth+1))
	}
	switch n.Kind {
	case KindMap:
		s.Inner = []int{c.number(n.Body, id, Inner, 0, under(at, "do"), inner, depth+1)}
	case KindChoice:
		for i, cs := range n.Cases {
			s.Inner = append(s.Inner, c.number(cs.Do, id, Inner, i, under(under(under(at, "cases"), i), "do"), inner, depth+1))
		}
		if n.Else != nil {
			s.Inner = append(s.Inner, c.number(n.Else, id, Inner, len(n.Cases), under(at, "else"), inner, depth+1))
		}
	}
	for i, h := range n.Catches {
		s.Catcher = append(s.Catcher, c.number(h.Do, id, Handler, i, under(under(under(at, "catch"), i), "do"), maps, depth+1))
	}
	if n.Undone != nil {
		s.Undoer = c.number(n.Undone, id, Undoer, 0, under(at, "undo"), maps, depth+1)
	}
	for _, in := range c.plan.Steps[id:] {
		if in.Name != "" {
			s.Within = append(s.Within, in.ID)
		}
		s.Undoes = s.Undoes || in.Undone != nil
	}
	return id
}

func (c *checker) name(s *Step) {
	if s.Name == "" {
		return
	}
	if err := wire.CheckName("step", s.Name); err != nil {
		c.wrong(under(s.Pointer, "name"), "%s", plain(err))
	}
	if first, twice := c.plan.Names[s.Name]; twice {
		c.wrong(under(s.Pointer, "name"), "the name %q is that of %s, too", s.Name, c.plan.Steps[first].Pointer)
	}
	c.plan.Names[s.Name] = s.ID
}

// scope is what templates may refer to.
type scope struct {
	seen   map[int]bool // steps that come before
	beside map[int]int  // steps inside one of the same par: the ID of that
	self   int          // the one of the par that this is in
	item   bool
	fail   bool
}

func (s scope) with(ids ...int) scope {
	s.seen = maps.Clone(s.seen)
	for _, id := range ids {
		s.seen[id] = true
	}
	return s
}

// walk checks step id and those inside it.
func (c *checker) walk(id int, sc scope) {
	s := c.plan.Steps[id]
	c.own(s, sc)
	after := sc
	switch s.Kind {
	case KindSeq:
		for _, in := range s.Inner {
			c.walk(in, after)
			after = after.with(c.shown(in)...)
		}
	case KindPar:
		c.par(s, sc)
	case KindMap:
		in := sc
		in.item = true
		c.walk(s.Inner[0], in)
	case KindChoice:
		for _, in := range s.Inner {
			c.walk(in, sc)
		}
	}
	for _, h := range s.Catcher {
		in := sc
		in.fail = true
		c.walk(h, in)
	}
	if s.Undoer >= 0 {
		c.walk(s.Undoer, sc.with(c.shown(id)...))
	}
}

// shown returns the named steps in id that others see after it: not those inside a
// map, of which there are many, and not those that undo it.
func (c *checker) shown(id int) (ids []int) {
	depth := len(c.plan.Steps[id].Maps)
	for _, in := range c.plan.Steps[id].Within {
		if s := c.plan.Steps[in]; len(s.Maps) == depth && !c.undoing(in, id) {
			ids = append(ids, in)
		}
	}
	return ids
}

// undoing reports whether id is in something that undoes, up to top.
func (c *checker) undoing(id, top int) bool {
	for ; id != top && id >= 0; id = c.plan.Steps[id].In {
		if c.plan.Steps[id].Role == Undoer {
			return true
		}
	}
	return false
}

func (c *checker) par(s *Step, sc scope) {
	beside := maps.Clone(sc.beside)
	if beside == nil {
		beside = map[int]int{}
	}
	for _, in := range s.Inner {
		for _, name := range c.shown(in) {
			beside[name] = in
		}
	}
	for _, in := range s.Inner {
		one := sc
		one.beside, one.self = beside, in
		c.walk(in, one)
	}
}

// own checks what a step has of its own.
func (c *checker) own(s *Step, sc scope) {
	template := func(t *any, part ...string) {
		at := s.Pointer
		for _, p := range part {
			at = under(at, p)
		}
		var err error
		if *t, err = normal(*t); err != nil {
			c.wrong(at, "cannot be written as JSON: %v", err)
			return
		}
		refs(*t, at, func(at, pointer string, _ bool) { c.reference(s, sc, at, pointer) }, func(at, why string) { c.wrong(at, "%s", why) })
	}
	switch s.Kind {
	case KindCall:
		template(&s.Target.Key, "call", "key")
		template(&s.Input, "input")
		template(&s.Delay, "delay")
		template(&s.Deadline, "within")
		c.call(s)
		c.moment(s.Delay, under(s.Pointer, "delay"))
		c.deadline(s)
	case KindSeq, KindPar:
		if len(s.Nodes) == 0 {
			c.wrong(s.Pointer, "has no nodes")
		}
		if s.Need > len(s.Nodes) {
			c.wrong(under(s.Pointer, "need"), "is more than there are nodes")
		}
	case KindMap:
		template(&s.Over, "map")
		if list, bad := s.Over.(map[string]any); !bad && s.Over != nil || s.Over == nil {
			if _, ok := s.Over.([]any); !ok {
				c.wrong(under(s.Pointer, "map"), "is %s; want a list, or a template that is one", kindOf(s.Over))
			}
		} else if _, op := operator(list); !op {
			c.wrong(under(s.Pointer, "map"), "is an object; want a list, or a template that is one")
		}
		if s.Drop && (s.Need > 0 || s.Collect) {
			c.wrong(under(s.Pointer, "count"), `stands alone: without results there is no "need" and nothing to "collect"`)
		}
	case KindChoice:
		template(&s.On, "choice")
		c.choice(s)
	case KindWait:
		template(&s.Until, "wait")
		if s.Until == nil {
			c.wrong(under(s.Pointer, "wait"), "is null; want a duration such as 90s, or an instant")
		}
		c.moment(s.Until, under(s.Pointer, "wait"))
	case KindValue:
		template(&s.Value, "value")
	case KindFail:
		template(&s.Message, "fail", "message")
	default:
		c.wrong(s.Pointer, "there is no kind %q of nodes", s.Kind)
	}
	if s.Most > MaxLimit {
		c.wrong(under(s.Pointer, "limit"), "is over %d", MaxLimit)
	}
	if s.Collect && s.Need > 0 {
		c.wrong(under(s.Pointer, "collect"), `is for all results: with "need", failures count as none`)
	}
}

// reference checks that what is referred to comes before.
func (c *checker) reference(s *Step, sc scope, at, pointer string) {
	parts, err := split(pointer)
	if err != nil {
		c.wrong(at, "%v", err)
		return
	}
	switch head := parts[0]; head {
	case "input":
	case "item", "index":
		if !sc.item {
			c.wrong(at, "%s: there is an item only inside a map", pointer)
		}
	case "error":
		if !sc.fail {
			c.wrong(at, "%s: there is an error only inside a catch", pointer)
		}
	case "steps":
		if len(parts) == 1 {
			c.wrong(at, "%s: name a step: #/steps/NAME", pointer)
			return
		}
		c.stepReference(s, sc, at, parts[1])
	default:
		c.wrong(at, "%s: there is #/input, #/steps/NAME, #/item, #/index and #/error", pointer)
	}
}

func (c *checker) stepReference(s *Step, sc scope, at, name string) {
	id, ok := c.plan.Names[name]
	if !ok {
		hint := "; steps are named by a member \"name\""
		if near := near.Name(name, sortedKeys(c.plan.Names)); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		c.wrong(at, "there is no step %q%s", name, hint)
		return
	}
	if sc.seen[id] {
		return
	}
	other, beside := sc.beside[id]
	inside := c.branch(s.ID, other)
	switch {
	case beside && inside >= 0 && inside != other:
		if c.needs[inside] == nil {
			c.needs[inside] = map[int]bool{}
		}
		c.needs[inside][other] = true
	case id == s.ID:
		c.wrong(at, "the step %q refers to itself, in a circle", name)
	case len(c.plan.Steps[id].Maps) > len(s.Maps):
		c.wrong(at, "the step %q is in a map, and there is one for each element: refer to the result of the map", name)
	default:
		c.wrong(at, "the step %q does not come before this one: put them in order in a seq, or beside each other in a par", name)
	}
}

// branch returns which of the nodes of the par that other is in has step id in it,
// -1 if none has.
func (c *checker) branch(id, other int) int {
	par := c.plan.Steps[other].In
	for ; id >= 0; id = c.plan.Steps[id].In {
		if c.plan.Steps[id].In == par && c.plan.Steps[id].Role == Inner {
			return id
		}
	}
	return -1
}

// circles finds nodes of a par that wait for each other.
func (c *checker) circles() {
	const white, grey, black = 0, 1, 2
	colour := map[int]int{}
	var path []int
	var visit func(id int)
	visit = func(id int) {
		colour[id] = grey
		path = append(path, id)
		s := c.plan.Steps[id]
		for _, need := range slices.Sorted(maps.Keys(c.needs[id])) {
			s.Needs = append(s.Needs, c.plan.Steps[need].Index)
			switch colour[need] {
			case grey:
				var names []string
				for _, p := range append(slices.Clone(path[slices.Index(path, need):]), need) {
					names = append(names, c.called(p))
				}
				c.wrong(c.plan.Steps[need].Pointer, "the steps refer to each other in a circle: %s", strings.Join(names, " needs "))
			case white:
				visit(need)
			}
		}
		path = path[:len(path)-1]
		colour[id] = black
	}
	for id := range c.plan.Steps {
		if colour[id] == white {
			visit(id)
		}
	}
}

// called names a step for people.
func (c *checker) called(id int) string {
	s := c.plan.Steps[id]
	if s.Name != "" {
		return s.Name
	}
	if len(s.Within) > 0 {
		return c.plan.Steps[s.Within[0]].Name
	}
	return s.Pointer
}

// plain is what an error of ours says, without the operation that failed.
func plain(err error) string {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err.Error()
	}
	s := *e
	s.Op = ""
	return s.Error()
}
