package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

// call checks a target, its policy, and an input that is constant.
func (c *checker) call(s *Step) {
	to, at := s.Target, under(s.Pointer, "call")
	if (to.Function == "") == (to.Type == "") {
		c.wrong(at, `names no method and no function: want "type/key.method", or the name of a function`)
		return
	}
	p, err := policy.Parse("", s.Priority, s.OnFailure)
	if err != nil {
		c.wrong(s.Pointer, "%s", plain(err))
	} else if s.Policy = p; s.Retry != nil {
		retry, err := s.Retry.Policy()
		if err != nil {
			c.wrong(under(s.Pointer, "retry"), "%s", plain(err))
		}
		if p != nil {
			retry.Priority, retry.OnFail = p.Priority, p.OnFail
		}
		s.Policy = &retry
	}
	if s.OnFailure != "" && s.Policy != nil {
		c.target(s.Policy.OnFail.Type, s.Policy.OnFail.Method, under(s.Pointer, "onFailure"))
	}
	typ, method := to.Type, to.Method
	if to.Function != "" {
		method = to.Function
	} else if key, constant := s.Target.Key.(string); constant {
		if err := wire.CheckKey(key); err != nil {
			c.wrong(under(at, "key"), "%s", plain(err))
		}
	} else if _, template := s.Target.Key.(map[string]any); !template {
		c.wrong(under(at, "key"), "is %s; want a string, or a template that is one", kindOf(s.Target.Key))
	}
	if input, ok := c.target(typ, method, at); ok {
		c.constant(s, input)
	}
}

// target checks that what is called exists.
func (c *checker) target(typ, method, at string) (input json.RawMessage, ok bool) {
	if err := wire.CheckName("method", method); err != nil {
		c.wrong(at, "%s", plain(err))
		return nil, false
	}
	if c.targets == nil {
		return nil, false
	}
	input, err := c.targets(typ, method)
	if err != nil {
		c.wrong(at, "%s", plain(err))
	}
	return input, err == nil
}

// constant checks an input that refers to nothing.
func (c *checker) constant(s *Step, input json.RawMessage) {
	constant := true
	refs(s.Input, "", func(string, string, bool) { constant = false }, func(string, string) {})
	if !constant {
		return
	}
	v, err := Eval(s.Input, nil)
	if err != nil {
		c.wrong(under(s.Pointer, "input"), "%v", err)
		return
	}
	text := []byte("{}") // as for a body that was left out
	if v != nil {
		if text, err = json.Marshal(v); err != nil {
			return
		}
	}
	fits, err := schema.Compile(input)
	if err != nil {
		return // its program's fault, and told there
	}
	found, _ := fits.Check(text)
	for _, m := range found {
		c.wrong(under(s.Pointer, "input")+strings.TrimPrefix(m.Pointer, "#"), "%s", m.Detail)
	}
}

func (c *checker) choice(s *Step) {
	if len(s.Cases) == 0 {
		c.wrong(under(s.Pointer, "cases"), "is empty")
	}
	s.Cases = slices.Clone(s.Cases)
	for i := range s.Cases {
		cs := &s.Cases[i]
		at := under(under(s.Pointer, "cases"), i)
		var err error
		if cs.Is, err = normal(cs.Is); err != nil {
			c.wrong(at, "cannot be written as JSON: %v", err)
		}
		var compiled *schema.Schema
		if cs.Fits != nil {
			if compiled, err = schema.Compile(cs.Fits); err != nil {
				c.wrong(under(at, "fits"), "is no JSON Schema: %v", err)
			}
		}
		s.Schemas = append(s.Schemas, compiled)
	}
}

// moment checks a duration or an instant, if it is constant.
func (c *checker) moment(v any, at string) {
	if v == nil {
		return
	}
	if _, template := v.(map[string]any); template {
		return
	}
	if _, err := Moment(v, time.Unix(0, 0)); err != nil {
		c.wrong(at, "%v", err)
	}
}

// maxWait is how long a flow may wait for.
const maxWait = 10 * 366 * 24 * time.Hour

// Moment returns when a wait that begins now ends. V is a duration such as "90s",
// a number of seconds, or an instant.
func Moment(v any, now time.Time) (time.Time, error) {
	s, ok := asText(v)
	if !ok {
		return now, fmt.Errorf("is %s; want a duration such as 90s, or an instant such as 2026-01-02T15:04:05Z", kindOf(v))
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	d, err := time.ParseDuration(s)
	if _, number := v.(json.Number); number {
		d, err = time.ParseDuration(s + "s")
	}
	if err != nil || d < 0 || d > maxWait {
		return now, fmt.Errorf("%q is neither a duration such as 90s, at most ten years, nor an instant such as 2026-01-02T15:04:05Z", s)
	}
	return now.Add(d), nil
}

// deadline checks that of a call, as far as it is constant.
func (c *checker) deadline(s *Step) {
	at := under(s.Pointer, "within")
	c.moment(s.Deadline, at)
	within, ok := span(s.Deadline)
	if !ok {
		return
	}
	if delay, delayed := span(s.Delay); within <= 0 {
		c.wrong(at, "a deadline of %v is past: give the call one that is to come", within)
	} else if delayed && within <= delay {
		c.wrong(at, "the deadline, %v, is before the call is delivered, after %v: it would never run", within, delay)
	}
}

// span returns the duration that v is, if it is one.
func span(v any) (d time.Duration, ok bool) {
	if _, ok := asText(v); !ok {
		return 0, false
	}
	at := time.Unix(0, 0)
	a, err := Moment(v, at)
	b, _ := Moment(v, at.Add(1)) // as a
	return a.Sub(at), err == nil && !a.Equal(b)
}

// CheckOrder checks the input of the call that carries a flow out, JSON with the
// members flow and input. The error is a *schema.Malformed, or Problems whose places
// are those in the order.
func CheckOrder(order []byte, targets Targets) error {
	var o struct {
		Flow json.RawMessage `json:"flow"`
	}
	if err := json.Unmarshal(order, &o); err != nil {
		return err
	}
	g, err := Parse(o.Flow)
	found, wrong := errors.AsType[Problems](err)
	if err != nil && !wrong {
		return err
	}
	if err == nil {
		_, found = g.Check(targets)
	}
	if len(found) == 0 {
		return nil
	}
	placed := slices.Clone(found)
	for i := range placed {
		placed[i].Pointer = "#/flow" + strings.TrimPrefix(placed[i].Pointer, "#")
	}
	return placed
}
