// Package other is of another module: what it does is not known.
package other

import "time"

func Stamp() time.Time { return time.Now() }
