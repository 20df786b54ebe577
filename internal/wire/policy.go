package wire

import (
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// Policy is what a call carries about how it is to be carried out. Of retries,
// zero fields mean the defaults of the method, the type, and then of the platform.
type Policy struct {
	Attempts   uint32 // runs in all, before the message is given up
	Backoff    Time   // before the second run, in nanoseconds; doubles each time
	MaxBackoff Time
	MaxAge     Time  // no run begins later after the message was due; 0 is no bound
	On         Codes // returned errors that are run again, too
	Final      Codes // failures that are not run again, whatever else says so
	Priority   Priority
	OnFail     Address // who is called with what failed; zero is nobody
}

// Limits of policies.
const (
	MaxAttempts = 1_000_000
	MaxPause    = Time(366 * 24 * 3600 * 1e9)
	MaxAge      = 10 * MaxPause
	MaxCodes    = 16
)

// Check reports a field that is out of its range. The error is of kind
// fault.Invalid.
func (p *Policy) Check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "", "policy", format, args...)
	}
	switch {
	case p.Attempts > MaxAttempts:
		return bad("%d attempts are too many; at most %d are allowed", p.Attempts, MaxAttempts)
	case p.Backoff < 0 || p.MaxBackoff < 0 || p.MaxAge < 0:
		return bad("backoff %v, longest backoff %v, maximum age %v: none can be negative; 0 means the default",
			time.Duration(p.Backoff), time.Duration(p.MaxBackoff), time.Duration(p.MaxAge))
	case p.Backoff > MaxPause || p.MaxBackoff > MaxPause:
		return bad("a pause is longer than a year")
	case p.MaxBackoff != 0 && p.Backoff > p.MaxBackoff:
		return bad("the first pause is longer than the longest: raise the longest, or lower the first")
	case p.MaxAge > MaxAge:
		return bad("the maximum age is over ten years; 0 is no bound")
	case p.Priority > Low:
		return bad("there is no priority %d", p.Priority)
	}
	for _, c := range []Codes{p.On, p.Final} {
		if err := c.check(); err != nil {
			return bad("%s", err.Msg)
		}
	}
	for code := range p.On.all() {
		if code != AnyCode && p.Final.Has(code) {
			return bad("%q is to be run again and is final: choose one", code)
		}
	}
	return p.checkOnFail()
}

func (p *Policy) checkOnFail() error {
	to := p.OnFail
	if to == (Address{}) {
		return nil
	}
	if to.Function() {
		return CheckName("function", to.Method)
	}
	for _, err := range []error{CheckName("type", to.Type), CheckKey(to.Key), CheckName("method", to.Method)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Priority says what is run first, of what could be run now. The numbers are on
// disk: append only.
type Priority uint8

// The priorities.
const (
	Normal Priority = 0
	High   Priority = 1
	Low    Priority = 2
)

var priorities = [...]string{Normal: "normal", High: "high", Low: "low"}

// String returns "normal", "high" or "low".
func (p Priority) String() string {
	if int(p) >= len(priorities) {
		return priorities[Normal]
	}
	return priorities[p]
}

// ParsePriority understands what String returns, and "" as normal. The error is
// of kind fault.Invalid.
func ParsePriority(s string) (Priority, error) {
	if s == "" {
		return Normal, nil
	}
	if i := slices.Index(priorities[:], s); i >= 0 {
		return Priority(i), nil
	}
	return 0, fault.New(fault.Invalid, "", "policy", "there is no priority %q; there is low, normal and high", s)
}

// AnyCode stands for every returned error.
const AnyCode = "*"

// Codes is a set of codes or kinds of failures. It is a text, a line for each, so
// that policies can be compared.
type Codes string

// CodesOf returns the set of those names.
func CodesOf(names []string) Codes {
	if len(names) == 0 {
		return ""
	}
	return Codes(strings.Join(names, "\n"))
}

// List returns the names in c.
func (c Codes) List() []string {
	if c == "" {
		return nil
	}
	return strings.Split(string(c), "\n")
}

// Has reports whether name is in c.
func (c Codes) Has(name string) bool {
	for have := range c.all() {
		if have == name {
			return true
		}
	}
	return false
}

// Match reports whether c has a failure, by its code or by its kind.
func (c Codes) Match(f *Failure) bool {
	if c == "" {
		return false
	}
	return f.Code != "" && c.Has(f.Code) || c.Has(f.Kind)
}

func (c Codes) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		if c == "" {
			return
		}
		strings.SplitSeq(string(c), "\n")(yield)
	}
}

func (c Codes) check() *fault.Error {
	list := c.List()
	if len(list) > MaxCodes {
		return fault.New(fault.Invalid, "", "", "it names %d errors; at most %d are allowed", len(list), MaxCodes)
	}
	for _, s := range list {
		if s == "" || len(s) > MaxName || strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r == 0x7f }) {
			return fault.New(fault.Invalid, "", "", "%q cannot be an error's code: it has 1 to %d characters, none of them a space", s, MaxName)
		}
	}
	return nil
}

func (p *Policy) encode(e *Encoder) {
	e.Int(1, uint64(p.Attempts))
	e.Int(2, uint64(p.Backoff))
	e.Int(3, uint64(p.MaxBackoff))
	e.Int(4, uint64(p.MaxAge))
	e.String(5, string(p.On))
	e.String(6, string(p.Final))
	e.Int(7, uint64(p.Priority))
	if p.OnFail != (Address{}) {
		at := e.open(8)
		p.OnFail.encode(e)
		e.close(at)
	}
}

func (p *Policy) decode(d *Decoder) {
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			p.Attempts = uint32(d.Small(math.MaxUint32))
		case 2:
			p.Backoff = Time(d.Int())
		case 3:
			p.MaxBackoff = Time(d.Int())
		case 4:
			p.MaxAge = Time(d.Int())
		case 5:
			p.On = Codes(d.Text())
		case 6:
			p.Final = Codes(d.Text())
		case 7:
			p.Priority = Priority(d.Small(math.MaxUint8))
		case 8:
			d.nested(p.OnFail.decode)
		}
	}
}

func (a *Address) encode(e *Encoder) {
	e.String(1, a.Type)
	e.String(2, a.Key)
	e.String(3, a.Method)
}

func (a *Address) decode(d *Decoder) {
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			a.Type = intern(d.Raw())
		case 2:
			a.Key = d.Text()
		case 3:
			a.Method = intern(d.Raw())
		}
	}
}
