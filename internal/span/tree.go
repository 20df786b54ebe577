package span

import (
	"cmp"
	"slices"

	"github.com/situ-dev/situ/internal/wire"
)

// MaxCalls bounds the calls that are told of one chain.
const MaxCalls = 100_000

// Trace is what is known of a chain at one time.
type Trace struct {
	Record  *wire.Invocation
	Now     wire.Time
	Rows    []Row
	Running map[wire.SpanID]wire.Time // calls that run now, and since when
	Left    uint64                    // calls of which there is no row: there are too many
}

// Where says where a call is.
type Where string

// Where a call can be. The texts are in the HTTP API.
const (
	Delayed  Where = "delayed"   // it is not due yet
	Queued   Where = "queued"    // for its turn
	Running  Where = "running"   // now
	Paused   Where = "retrying"  // it has failed, and waits for another run
	Awaiting Where = "waiting"   // for the answer of a call that it made
	HandedOn Where = "handed-on" // a call that it made answers for it
	OnHold   Where = "held"      // its caller's promise is kept in state
	Done     Where = "done"
	Failed   Where = "failed"   // it was answered with an error
	Lost     Where = "given-up" // it is, or was, a dead letter
)

// Over reports whether there is nothing to come.
func (w Where) Over() bool { return w == Done || w == Failed || w == Lost }

// Node is a call in its tree.
type Node struct {
	Row
	Depth    int
	Children []*Node // by when they were made
	Where    Where
	Since    wire.Time // it is there; 0 is not known
	Until    wire.Time // it will be; 0 is not known
	Answered wire.Time // when its caller was answered; 0 is not yet
	Missing  uint32    // calls that it made of which nothing is known: they are on their way, or were left out
	Own      wire.Time // active time of it and of the later turns that go on with it
}

// End returns when a call ended, or now.
func (n *Node) End(now wire.Time) wire.Time {
	switch {
	case n.Answered != 0:
		return n.Answered
	case n.Where.Over():
		return n.Ended
	}
	return now
}

// Wall returns how long a call took, or has taken, from when it was made.
func (n *Node) Wall(now wire.Time) wire.Time { return max(n.End(now)-n.Made, 0) }

// Waited returns how long of that nothing ran for it.
func (n *Node) Waited(now wire.Time) wire.Time { return max(n.Wall(now)-n.Own, 0) }

// Sync returns for how long a call would be billed if callers waited: from
// when it first ran until it was answered. A continuation would be part of the
// call that it goes on with.
func (n *Node) Sync(now wire.Time) wire.Time {
	if n.Begun == 0 || n.Continuation() {
		return 0
	}
	return max(n.End(now)-n.Begun, 0)
}

// Tree is a chain, with what it would cost if its callers waited.
type Tree struct {
	*Trace
	Roots  []*Node // the call from outside first
	Nodes  []*Node // all, parents before their children
	Active wire.Time
	Sync   wire.Time
	Wall   wire.Time
}

// Waited returns for how long nothing of the chain ran. Of a call that ran more
// than once, the runs are taken to be of one length, and all but the last to have followed the first.
func (t *Tree) Waited() wire.Time {
	type run struct{ from, to wire.Time }
	var runs []run
	begin := t.Record.Created
	end := begin + t.Wall
	add := func(from, to wire.Time) {
		if from, to = max(from, begin), min(to, end); from < to {
			runs = append(runs, run{from, to})
		}
	}
	for _, n := range t.Nodes {
		if since, ok := t.Running[n.ID]; ok && n.Where == Running {
			add(since, t.Now)
		}
		if n.Runs == 0 {
			continue
		}
		one := n.Active / wire.Time(n.Runs)
		add(n.Ended-one, n.Ended)
		add(n.Begun, n.Begun+n.Active-one)
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.from, b.from) })
	idle, at := t.Wall, begin
	for _, r := range runs {
		if r.to > at {
			idle -= r.to - max(r.from, at)
			at = r.to
		}
	}
	return idle
}

// Build makes the tree of a chain.
func Build(t *Trace) *Tree {
	b := &builder{t: t, by: make(map[wire.SpanID]*Node, len(t.Rows))}
	rows := slices.Clone(t.Rows)
	slices.SortStableFunc(rows, func(x, y Row) int {
		return cmp.Or(cmp.Compare(x.Made, y.Made), cmp.Compare(x.Begun, y.Begun), cmp.Compare(x.ID&^1, y.ID&^1), cmp.Compare(x.ID, y.ID))
	})
	all := make([]*Node, len(rows))
	for i := range rows {
		all[i] = &Node{Row: rows[i]}
		b.by[rows[i].ID] = all[i]
	}
	tree := &Tree{Trace: t}
	for _, n := range all {
		if p := b.by[n.Parent]; p != nil && p != n {
			p.Children = append(p.Children, n)
		} else {
			tree.Roots = append(tree.Roots, n)
		}
	}
	for i, n := range tree.Roots {
		if n.Answers == n.ID && n.Parent == 0 {
			b.root = n
			tree.Roots = append([]*Node{n}, slices.Delete(tree.Roots, i, i+1)...)
			break
		}
	}
	for _, n := range all {
		b.settle(n)
		tree.Active += n.Active
	}
	for _, n := range all {
		b.own(n)
		tree.Sync += n.Sync(t.Now)
	}
	end := t.Now
	if t.Record.Finished != 0 {
		end = t.Record.Finished
	}
	tree.Wall = max(end-t.Record.Created, 0)
	for _, n := range tree.Roots {
		tree.walk(n, 0)
	}
	return tree
}

// walk puts a node and what is below it in order. It does not recurse: chains
// may be deep.
func (t *Tree) walk(root *Node, depth int) {
	root.Depth = depth
	stack := []*Node{root}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		t.Nodes = append(t.Nodes, n)
		for _, c := range slices.Backward(n.Children) {
			c.Depth = n.Depth + 1
			stack = append(stack, c)
		}
	}
}

type builder struct {
	t    *Trace
	by   map[wire.SpanID]*Node
	root *Node
}

// settle finds out when a call was answered and where it is.
func (b *builder) settle(n *Node) {
	n.Answered = b.answered(n)
	calls := uint32(0)
	for _, c := range n.Children {
		if !c.Continuation() {
			calls++
		}
	}
	if n.Sent > calls {
		n.Missing = n.Sent - calls
	}
	since, runs := b.t.Running[n.ID]
	switch {
	case n.State == GivenUp:
		n.Where, n.Since = Lost, n.Ended
	case n.State == Ended && (n.How == Answered || n.Answered != 0):
		n.Where, n.Since = Done, n.Ended
		if n.Fail != nil {
			n.Where = Failed
		}
	case n.State == Ended:
		n.Where, n.Since = [...]Where{Tailed: HandedOn, Then: Awaiting, Held: OnHold}[n.How], n.Ended
	case n.To.Method == Token && n.Answered != 0:
		n.Where, n.Since = Done, n.Answered
	case n.To.Method == Token:
		n.Where, n.Since = Awaiting, n.Made
	case runs:
		n.Where, n.Since = Running, since
	case n.State == Retrying:
		n.Where, n.Since, n.Until = Paused, n.Ended, n.Next
	case n.Due > b.t.Now:
		n.Where, n.Since, n.Until = Delayed, n.Made, n.Due
	default:
		n.Where, n.Since = Queued, max(n.Made, n.Due)
	}
}

// answered returns when the caller of n was answered, 0 if that is to come or
// if nobody waited for an answer and n is not over.
func (b *builder) answered(n *Node) wire.Time {
	over := n.State == Ended && n.How == Answered || n.State == GivenUp
	for range len(b.by) + 1 { // a row of calls that handed one callback on has an end
		switch {
		case n == b.root:
			return b.t.Record.Finished
		case n.Continuation(), n.Answers == 0:
			if over {
				return n.Ended
			}
			if n.Continuation() || n.State != Ended {
				return 0
			}
			return n.Ended
		case n.Answers == n.ID:
			if c := b.by[n.ID.Continuation()]; c != nil {
				return c.Made
			}
			if over {
				return n.Ended // the answer is on its way
			}
			return 0
		case over:
			return n.Ended
		}
		if n = b.by[n.Answers]; n == nil {
			return 0
		}
		over = false
	}
	return 0
}

// own adds the active time of a node to the call that it ran for.
func (b *builder) own(n *Node) {
	to := n
	if n.Continuation() {
		if to = b.by[n.Answers]; to == nil {
			to = n
		}
	}
	to.Own += n.Active
}
