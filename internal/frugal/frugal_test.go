package frugal_test

import (
	"testing"

	"github.com/situ-dev/situ/internal/frugal"
)

type count struct{ n int }

func (*count) Helper()                 {}
func (c *count) Errorf(string, ...any) { c.n++ }

var sink []byte

func TestCheck(t *testing.T) {
	for _, c := range []struct{ size, takes, want int }{{100, 1000, 0}, {100, 4 << 20, 1}, {1 << 20, 4 << 20, 0}} {
		var seen count
		frugal.Check(&seen, c.size, func() { sink = make([]byte, c.takes) })
		if seen.n != c.want {
			t.Errorf("%d bytes that take %d: %d complaints", c.size, c.takes, seen.n)
		}
	}
}
