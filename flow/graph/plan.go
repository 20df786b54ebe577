package graph

import (
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

// Role says what a step is in the one that it is in.
type Role uint8

// The roles.
const (
	Inner   Role = iota // of seq and par, one of many; of map, the one for each element; of choice
	Handler             // takes a failure
	Undoer              // undoes it
)

// Step is a node with its place in a flow.
type Step struct {
	*Node
	ID      int // its number, from 0; the flow itself is 0
	In      int // the step that it is in, -1 for the first
	Role    Role
	Index   int    // among those of its role
	Inner   []int  // its own
	Catcher []int  // as Catches
	Undoer  int    // -1 is none
	Needs   []int  // of one in a par: others of it that have to be done before, by index
	Pointer string // in the document
	Maps    []int  // the maps that it is in, the outermost first
	Policy  *wire.Policy
	Schemas []*schema.Schema // of a choice's cases, nil for a value
	Within  []int            // named steps inside it, itself included
	Undoes  bool             // it, or one inside it, can be undone
}

// Plan is a flow that was checked.
type Plan struct {
	Steps []*Step
	Names map[string]int
}
