package policy

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// What is written is read as the same.
func TestRoundTrip(t *testing.T) {
	for _, p := range []wire.Policy{
		{Attempts: 3},
		{Attempts: wire.MaxAttempts, Backoff: 1, MaxBackoff: wire.MaxPause, MaxAge: wire.MaxAge},
		{On: "*", Final: wire.CodesOf([]string{"declined", "timeout"})},
		{Backoff: 1500e6, On: wire.CodesOf([]string{"a", "b", "c"})},
	} {
		got, err := Parse(RetryOf(&p), "", "")
		if err != nil || *got != p {
			t.Errorf("%+v became %q, and that %+v, %v", p, RetryOf(&p), got, err)
		}
	}
	if s := RetryOf(&wire.Policy{Priority: wire.Low}); s != "" {
		t.Errorf("no retries are written as %q", s)
	}
}

func TestParse(t *testing.T) {
	p, err := Parse(" 7 ", "high", "desk/a.b.failed")
	want := wire.Policy{Attempts: 7, Priority: wire.High, OnFail: wire.Address{Type: "desk", Key: "a.b", Method: "failed"}}
	if err != nil || *p != want {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := Parse("", "", ""); p != nil || err != nil {
		t.Errorf("nothing is %+v, %v", p, err)
	}
	if p, err := Parse("", "low", "alert"); err != nil || *p != (wire.Policy{Priority: wire.Low, OnFail: wire.Address{Method: "alert"}}) {
		t.Errorf("%+v, %v", p, err)
	}
}

// What is out of range or malformed is refused, and said.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ retry, priority, onFailure, want string }{
		{"0", "", "", "not between 1 and 1000000"},
		{"-3", "", "", "not between"},
		{"2000000", "", "", "not between"},
		{`{"attempts":-1}`, "", "", "attempts: -1"},
		{`{"atempts":1}`, "", "", `did you mean "attempts"?`},
		{`{"nonsense":1}`, "", "", "there is attempts, backoff"},
		{`{"attempts":1} x`, "", "", "more after"},
		{`{"attempts":"many"}`, "", "", "want a number of attempts, or JSON"},
		{`{"backoff":"soon"}`, "", "", `backoff: "soon" is not a duration`},
		{`{"backoff":"-1s"}`, "", "", "is not a duration"},
		{`{"backoff":"2m","maxBackoff":"1m"}`, "", "", "the first pause is longer"},
		{`{"backoff":"9000h"}`, "", "", "longer than a year"},
		{`{"maxAge":"100000h"}`, "", "", "over ten years"},
		{`{"on":["a b"]}`, "", "", "cannot be an error's code"},
		{`{"on":["a\nb"]}`, "", "", "cannot be an error's code"},
		{`{"on":[""]}`, "", "", "cannot be an error's code"},
		{`{"on":["busy"],"final":["busy"]}`, "", "", "choose one"},
		{`{"on":["` + strings.Repeat(`a","`, 20) + `b"]}`, "", "", "at most 16"},
		{"", "urgent", "", "there is low, normal and high"},
		{"", "", "desk/a", "the method is missing"},
		{"", "", "desk/.failed", "the key is empty"},
		{"", "", "a b", "names are letters"},
	} {
		p, err := Parse(c.retry, c.priority, c.onFailure)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %q %q: %+v, %v; want %q", c.retry, c.priority, c.onFailure, p, err, c.want)
		}
	}
}
