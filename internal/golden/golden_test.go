package golden_test

import (
	"bytes"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
)

// told is a test that notes that it has failed, and does not.
type told struct {
	testing.TB
	errors int
}

func (t *told) Errorf(string, ...any) { t.errors++ }

func TestFileTellsADifference(t *testing.T) {
	for got, want := range map[string]int{"00ff 10\n": 0, "00ff 11\n": 1, "": 1} {
		tb := &told{TB: t}
		if b := golden.File(tb, "sample.hex", []byte(got)); string(b) != "00ff 10\n" || tb.errors != want {
			t.Errorf("%q: %d errors, and the file holds %q", got, tb.errors, b)
		}
	}
}

func TestHexTellsADifference(t *testing.T) {
	for _, got := range [][]byte{{0, 0xff, 0x10}, {0, 0xff}} {
		tb := &told{TB: t}
		if b := golden.Hex(tb, "sample.v1.hex", got); !bytes.Equal(b, []byte{0, 0xff, 0x10}) || (tb.errors != 0) != (len(got) != 3) {
			t.Errorf("%x: %d errors, and the file holds %x", got, tb.errors, b)
		}
	}
}

func TestUnhex(t *testing.T) {
	if b := golden.Unhex(t, []byte(" 00ff\n10 ")); !bytes.Equal(b, []byte{0, 0xff, 0x10}) {
		t.Errorf("%x", b)
	}
}
