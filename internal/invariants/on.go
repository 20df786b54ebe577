//go:build race || invariants

package invariants

// Enabled reports whether invariants are checked in this build.
const Enabled = true
