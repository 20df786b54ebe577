// Package helper is called by workflows of another package.
package helper

import (
	"context"
	"os"
	"time"
)

func Stamp() time.Time { return deeper() } // want Stamp:"uses time.Now"

func deeper() time.Time { return time.Now() } // want deeper:"uses time.Now"

func Sum(a, b int) int { return a + b }

func Read(ctx context.Context) ([]byte, error) { return os.ReadFile("x") } // it takes a context: it is for steps

type Clock struct{}

func (Clock) Tell() time.Time { return time.Now() } // want Tell:"uses time.Now"
