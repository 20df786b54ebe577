package memory

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/situ-dev/situ"
)

// Cell is the state of an object: about 100 bytes as it rests.
type Cell struct {
	ID   uint64 `json:"id"`
	Text string `json:"text"`
}

// cell returns the state that object i is to have.
func cell(i int) Cell { return Cell{uint64(i), fmt.Sprintf("%080d", i)} }

// Key returns the key of object i.
func Key(i int) string { return "o" + strconv.Itoa(i) }

// Range is the objects from From, N of them.
type Range struct {
	From int `json:"from"`
	N    int `json:"n"`
}

// The contract.
var (
	Type = situ.NewType("cell", situ.Doc("About 100 bytes."))
	set  = situ.NewMethod[Cell, situ.None](Type, "set")
	Get  = situ.NewMethod[situ.None, Cell](Type, "get", situ.ReadOnly)
	Make = situ.NewFunc[Range, int]("make-cells", situ.Doc("Sends to each object of a range what it is to be."))
	// Heap is called for the process that user code runs in.
	Heap = situ.NewFunc[situ.None, uint64]("heap", situ.Doc("Collects garbage, gives memory back, and returns the bytes on the heap."))
)

// Components returns the objects and the functions.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(Type,
			situ.On(set, func(c *Cell, _ *situ.Turn, in Cell) (none situ.None, err error) { *c = in; return none, nil }),
			situ.On(Get, func(c *Cell, _ *situ.Turn, _ situ.None) (Cell, error) { return *c, nil })),
		situ.Function(Make, func(t *situ.Turn, r Range) (int, error) {
			for i := r.From; i < r.From+r.N; i++ {
				situ.Send(t, set.To(Key(i), cell(i)))
			}
			return r.N, nil
		}),
		situ.Function(Heap, func(*situ.Turn, situ.None) (uint64, error) { return heap(), nil }),
	}
}

// heap returns the bytes on the heap that are alive.
func heap() uint64 {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what the first one only finished with
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
