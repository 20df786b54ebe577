package resident

import (
	"fmt"
	"testing"

	"github.com/situ-dev/situ/internal/wire"
)

// Types that nobody has are asked for from outside, under any name.
func TestAskingLeavesNothing(t *testing.T) {
	var tab Table
	o := tab.Add(wire.ObjectID{Type: "a", Key: "1"})
	for i := range 100 {
		if got := tab.Find(wire.ObjectID{Type: fmt.Sprint("none", i), Key: "1"}); got != nil {
			t.Fatalf("there is %v", got.ID())
		}
	}
	if len(tab.types) != 1 || tab.Find(o.ID()) != o || tab.Find(wire.ObjectID{Type: "a", Key: "2"}) != nil {
		t.Errorf("%d types are known", len(tab.types))
	}
	tab.Remove(o)
	if tab.Find(wire.ObjectID{Type: "a", Key: "1"}) != nil {
		t.Error("it is still there")
	}
}
