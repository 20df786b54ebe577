package node

import (
	"runtime/debug"
	"testing"

	"github.com/situ-dev/situ/internal/shard"
)

// Bounds that hold memory are less when there is little, and never more than
// they were set to.
func TestDefaultsOfSmallMemory(t *testing.T) {
	limit := debug.SetMemoryLimit(256 << 20)
	defer debug.SetMemoryLimit(limit)
	var c shard.Config
	l := Limits{}.withDefaults()
	l.apply(&c, 4)
	if l.InFlight != 64<<20 || c.MaxMailbox != 2730 || c.MaxResidentBytes != 16<<20 || c.MaxQueuedBytes != 8<<20 {
		t.Errorf("%+v, %+v", l, c)
	}
	c = shard.Config{}
	Limits{Mailbox: 7, ResidentBytes: 400}.apply(&c, 4)
	if c.MaxMailbox != 7 || c.MaxResidentBytes != 100 {
		t.Errorf("%+v", c)
	}
}
