// Package invariants turns "this must stay true" into code that tests run and
// releases do not. A build with -race or -tags invariants checks; any other
// build has Enabled false, and the compiler drops the check.
//
// It is for our own promises to ourselves. What a user, a disk or a network
// can get wrong is an error of package fault, in every build.
package invariants

import "fmt"

// Check panics with the formatted message if ok is false and invariants are
// enabled. It does nothing in other builds. The arguments are evaluated in
// every build, so where that costs, the caller writes
//
//	if invariants.Enabled {
//		invariants.Check(expensive(), "…")
//	}
//
// The message says what must hold, then what was found.
func Check(ok bool, format string, args ...any) {
	if Enabled && !ok {
		panic("invariant violated: " + fmt.Sprintf(format, args...))
	}
}
