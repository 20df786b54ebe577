package control

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// TestRows holds the formats on disk.
func TestRows(t *testing.T) {
	g := &gate{no: 7, Pause: wire.Pause{Scope: wire.Scope{Type: "flight", Key: "BA123"}, Reason: "fog", Since: 5e18, Draining: true, Rate: 12.5, Parked: 3, Bytes: 900},
		bucket: turn.Bucket{Rate: 12.5}}
	j := &redrive{Redrive: wire.Redrive{ID: "r1", Filter: wire.DeadFilter{Function: "f", Type: "t", Key: "k*", Method: "m", Kind: "crashed", Text: "oh", Since: 1, Until: 2, Chain: "0003-abc"},
		Drop: true, Rate: 0.5, Made: 3, Finished: 4, Total: 5, Done: 6, Stopped: true}, last: 8, cursor: 9, bucket: turn.Bucket{Rate: 0.5}}
	m := &mark{id: "0003-abc", reason: "no need", until: 6e18, swept: true}
	key := parkedKey(7, 1<<40)
	var out bytes.Buffer
	for i, b := range [][]byte{encodeGate(g), encodeRedrive(j), encodeMark(m), key[:]} {
		fmt.Fprintf(&out, "%s %x\n", []string{"pause", "redrive", "cancel", "parked-key"}[i], b)
	}
	golden.File(t, "rows.v1.hex", out.Bytes())
	if got, err := decodeGate(g.Scope.String(), encodeGate(g)); err != nil || !reflect.DeepEqual(got, g) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := decodeRedrive(j.ID, encodeRedrive(j)); err != nil || !reflect.DeepEqual(got, j) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := decodeMark(m.id, encodeMark(m)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := decodeGate("nothing", nil); err == nil {
		t.Error("a pause of nothing")
	}
}
