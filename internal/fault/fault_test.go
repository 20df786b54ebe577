package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

// kinds are all there are.
func kinds() (ks []Kind) {
	for k := range table {
		ks = append(ks, Kind(k))
	}
	return ks
}

func TestTable(t *testing.T) {
	seen := map[string]Kind{}
	for _, k := range kinds() {
		name := k.String()
		if other, ok := seen[name]; ok || name == "" {
			t.Errorf("kinds %d and %d have the name %q", k, other, name)
		}
		seen[name] = k
		if ParseKind(name) != k {
			t.Errorf("%q reads as %v", name, ParseKind(name))
		}
		if s := k.Status(); s < 400 || s > 599 {
			t.Errorf("%v has the status %d", k, s)
		}
		if e := k.Exit(); e < 3 || e > 130 { // 1 and 2 are Go's and the shell's
			t.Errorf("%v has the exit code %d", k, e)
		}
		if retry := k.Status() == 429 || k.Status() == 503 || k.Status() == 504 || k.Status() == 507; retry && !k.Retryable() {
			t.Errorf("%v has the status %d and is not to be tried again", k, k.Status())
		}
	}
	if len(seen) != int(Gone)+1 {
		t.Errorf("%d kinds, the last is %d", len(seen), Locked)
	}
}

// What a later version says is a failure all the same.
func TestUnknownKinds(t *testing.T) {
	if ParseKind("from-the-future") != Internal || Kind(200).String() != "internal" {
		t.Error("an unknown kind is not internal")
	}
	if k := Kind(200); k.Status() != Internal.Status() || k.Exit() != Internal.Exit() || k.Retryable() {
		t.Errorf("kind 200 has status %d, exit code %d", k.Status(), k.Exit())
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*Error{
		"shard.append a/b: no room: EOF": {Op: "shard.append", On: "a/b", Msg: "no room", Err: io.EOF},
		"shard.append: EOF":              {Op: "shard.append", Err: io.EOF},
		"a/b: no room":                   {On: "a/b", Msg: "no room"},
		"no room":                        {Msg: "no room"},
		"EOF":                            {Err: io.EOF},
		"busy":                           {Kind: Busy},
		"x: 5 of 6":                      New(Busy, "x", "", "%d of %d", 5, 6),
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

func TestWrap(t *testing.T) {
	if Wrap(Busy, "op", "on", nil) != nil {
		t.Error("an error out of nothing")
	}
	err := fmt.Errorf("above: %w", Wrap(Busy, "op", "on", Wrap(Full, "in", "", io.EOF)))
	if KindOf(err) != Busy || !Is(err, Busy) || Is(err, Full) || !errors.Is(err, io.EOF) {
		t.Errorf("%v is %v", err, KindOf(err))
	}
	if KindOf(io.EOF) != Internal || Is(nil, Internal) || !Is(io.EOF, Internal) {
		t.Error("what has no kind is internal, and nil is nothing")
	}
}
