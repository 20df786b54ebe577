package table

import (
	"fmt"
	"testing"

	"github.com/situ-dev/situ/internal/wire"
)

// Types that nobody has are asked for from outside, under any name.
func TestAskingLeavesNothing(t *testing.T) {
	tab := New[*int]()
	one, id := new(int), wire.ObjectID{Type: "a", Key: "1"}
	tab.Kind("a").Set("1", one)
	for i := range 100 {
		if got := tab.Get(wire.ObjectID{Type: fmt.Sprint("none", i), Key: "1"}); got != nil {
			t.Fatalf("there is %v", got)
		}
	}
	if len(tab.types) != 1 || tab.Get(id) != one || tab.Get(wire.ObjectID{Type: "a", Key: "2"}) != nil {
		t.Errorf("%d types are known", len(tab.types))
	}
	tab.Remove(id)
	if tab.Get(id) != nil {
		t.Error("it is still there")
	}
}
