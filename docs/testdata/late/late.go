// Package late is workflow code that is not the same in each run.
package late

import (
	"time"

	"github.com/situ-dev/situ/flow"
)

// Late is such code.
func Late(f *flow.Flow) bool { return time.Now().After(f.Now()) }
