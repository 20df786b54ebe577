package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "Z9": true, "0": true, "a.b-c_d": true, strings.Repeat("x", MaxName): true,
		"": false, ".a": false, "-a": false, "_a": false, "a b": false, "a/b": false, "é": false, "a\x00": false, strings.Repeat("x", MaxName+1): false,
	} {
		if err := CheckName("method", name); (err == nil) != ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestCheckKey(t *testing.T) {
	for key, ok := range map[string]bool{
		"a": true, "BA123": true, "a/b c": true, "é世界": true, " ": true, strings.Repeat("x", MaxKey): true,
		"": false, "a\nb": false, "\x00": false, "\x7f": false, "\u0085": false, "\xff": false, "a\xc3": false, "\uFFFD": false, strings.Repeat("x", MaxKey+1): false,
	} {
		if err := CheckKey(key); (err == nil) != ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAddress(t *testing.T) {
	a := Address{"flight", "BA123", "cancel"}
	f := Address{Method: "quote"}
	if a.String() != "flight/BA123.cancel" || a.Function() || a.Object().String() != "flight/BA123" || f.String() != "quote" || !f.Function() || ShardID(3).String() != "shard 3" {
		t.Error(a, f, a.Object())
	}
}

func TestFailureOf(t *testing.T) {
	if FailureOf(nil) != nil || (*Failure)(nil).Err("x") != nil {
		t.Error("a failure out of nothing")
	}
	e := &fault.Error{Kind: fault.Busy, Op: "call", On: "a/b.c", Msg: "later", Code: "c"}
	for _, c := range []struct {
		err  error
		want Failure
	}{
		{e, Failure{Kind: "busy", Code: "c", Message: "call a/b.c: later"}},
		{fmt.Errorf("above: %w", e), Failure{Kind: "busy", Code: "c", Message: "above: call a/b.c: later"}},
		{io.EOF, Failure{Kind: "internal", Message: "EOF"}},
	} {
		if got := FailureOf(c.err); *got != c.want {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	back := (&Failure{Kind: "busy", Code: "c", Message: "later"}).Err("a/b.c")
	if fe, ok := errors.AsType[*fault.Error](back); !ok || fe.Kind != fault.Busy || fe.Code != "c" || back.Error() != "a/b.c: later" {
		t.Errorf("%+v", back)
	}
}

func TestReplyTo(t *testing.T) {
	body, fail := Payload{JSON, []byte("1")}, &Failure{Kind: "failed"}
	outside := chain(1)
	if r := ReplyTo(outside, body, fail); r.Kind != Reply || r.To != (Address{}) || r.Back != outside || r.Fail != fail || string(r.Body.Data) != "1" {
		t.Errorf("to a caller outside: %+v", r)
	}
	method := chain(2)
	if r := ReplyTo(method, body, nil); r.To != method.To || r.Back != method.Parent || string(r.Carry.Data) != string(method.Carry.Data) {
		t.Errorf("to a method: %+v", r)
	}
	if (*Callback)(nil).Depth() != 0 || chain(5).Depth() != 5 {
		t.Error("depth")
	}
}
