package core

import (
	"fmt"
	"testing"

	"github.com/situ-dev/situ/internal/wire"
)

// Types that nobody has are asked for from outside, under any name.
func TestAskingLeavesNothing(t *testing.T) {
	tab := table{types: map[string]*kind{}}
	o := tab.add(wire.ObjectID{Type: "a", Key: "1"})
	for i := range 100 {
		if got := tab.get(wire.ObjectID{Type: fmt.Sprint("none", i), Key: "1"}); got != nil {
			t.Fatalf("there is %v", got.id())
		}
	}
	if len(tab.types) != 1 || tab.get(o.id()) != o || tab.get(wire.ObjectID{Type: "a", Key: "2"}) != nil {
		t.Errorf("%d types are known", len(tab.types))
	}
	tab.remove(o)
	if tab.get(wire.ObjectID{Type: "a", Key: "1"}) != nil {
		t.Error("it is still there")
	}
}
