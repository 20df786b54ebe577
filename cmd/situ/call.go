package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

func callCommand(c *console) *cobra.Command {
	var o client.Options
	var at, retry, priority, onFailure string
	cmd := &cobra.Command{
		Use:   "call TARGET [METHOD] [INPUT]",
		Short: "Call a method of an object, or a function",
		Long: `Call calls a method of an object, or a function, and prints its answer.

TARGET is type/key, with the METHOD after it, or type/key.method, or the name
of a function. INPUT is JSON, or @FILE, or - for the standard input; it may be
left out if nothing is needed.`,
		Example: `  situ call flight/BA123 cancel '{"reason":"fog"}'
  situ call flight/BA123.cancel @reason.json
  situ call cancelAll '["BA123","BA124"]'
  situ call flight/BA123 cancel --async --key cancel-BA123`,
		Args: between(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, input, err := parseCall(args)
			if err != nil {
				return err
			}
			if err := times(cmd, &o, at); err != nil {
				return err
			}
			if i, err := policy.Wrong([3]string{retry, priority, onFailure}); err != nil {
				return usage("%s: %v", [...]string{"--retry", "--priority", "--on-failure"}[i], err)
			}
			if o.Policy, err = policy.Parse(retry, priority, onFailure); err != nil {
				return err
			}
			body, err := c.input(input)
			if err != nil {
				return err
			}
			return c.call(cmd.Context(), to, body, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Async, "async", false, "do not wait for the answer: print the invocation's id")
	f.StringVar(&o.Key, "key", "", "idempotency key: however often it is called, it has its effect once")
	f.DurationVar(&o.After, "after", 0, "deliver after `DURATION`; does not wait for the answer")
	f.StringVar(&at, "at", "", "deliver at `INSTANT` (RFC 3339); does not wait for the answer")
	f.StringVar(&retry, "retry", "", "retry policy: a number of attempts, or `JSON` such as '{\"attempts\":5,\"backoff\":\"200ms\",\"maxAge\":\"1h\",\"on\":[\"busy\"]}'")
	f.StringVar(&priority, "priority", "", "run before or after others: `low`, normal or high")
	f.StringVar(&onFailure, "on-failure", "", "function, or type/key.method, that is called with the failure, if it fails: `TARGET`")
	f.DurationVar(&o.Within, "within", 0, "have an answer after `DURATION` at the latest, if only that there is none")
	f.StringVar(&o.Callback, "callback-url", "", "have the answer posted to `URL`; does not wait for it")
	f.StringVar(&o.Trace, "traceparent", "", "W3C trace `CONTEXT` that the call belongs to")
	return cmd
}

// times checks what the flags say of when the call is delivered and answered, and
// gives o the instant at.
func times(cmd *cobra.Command, o *client.Options, at string) (err error) {
	if at != "" && o.After != 0 {
		return usage("--after and --at say both when: give one of them")
	}
	if at != "" {
		if o.At, err = time.Parse(time.RFC3339, at); err != nil {
			return usage("--at %s is not an instant such as 2026-01-02T15:04:05Z", at)
		}
	}
	if cmd.Flags().Changed("within") && o.Within <= 0 {
		return usage("--within %s is past: give it a deadline that is to come", o.Within)
	}
	if o.After < 0 {
		return usage("--after %s is in the past", o.After)
	}
	return nil
}

func (c *console) call(ctx context.Context, to wire.Address, body []byte, o client.Options) error {
	res, err := c.client().Call(ctx, to, wire.Payload{Format: wire.JSON, Data: body}, o)
	if err != nil {
		return err
	}
	if !res.Done {
		if c.json {
			return c.machine(api.Invocation{ID: string(res.ID), Status: api.Pending})
		}
		c.printf("%s\n", res.ID)
		c.note("accepted; its answer: situ wait %s", res.ID)
		return nil
	}
	if res.Again {
		c.note("this is the answer to an earlier call with the same key")
	}
	if res.Body.Format == wire.None {
		if c.json {
			return c.value(json.RawMessage("null"))
		}
		return nil
	}
	return c.value(res.Body.Data)
}

// parseCall understands the arguments of call.
func parseCall(args []string) (to wire.Address, input string, err error) {
	target := args[0]
	typ, key, object := strings.Cut(target, "/")
	if !object {
		if len(args) == 3 {
			return to, "", usage("%q is a function, and takes one input; an object is named type/key", target)
		}
		to.Method = target
		if len(args) == 2 {
			input = args[1]
		}
		return to, input, wire.CheckName("function", target)
	}
	to = wire.Address{Type: typ, Key: key}
	rest := args[1:]
	if len(rest) > 0 && (len(rest) == 2 || isMethod(rest[0])) {
		to.Method, rest = rest[0], rest[1:]
	} else {
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return to, "", usage("which method? Try: situ call %s METHOD, or see: situ describe %s", target, typ)
		}
		to.Key, to.Method = key[:i], key[i+1:]
	}
	if len(rest) > 0 {
		input = rest[0]
	}
	for _, err := range []error{wire.CheckName("type", to.Type), wire.CheckKey(to.Key), wire.CheckName("method", to.Method)} {
		if err != nil {
			return to, "", fault.Wrap(fault.Invalid, "", target, err)
		}
	}
	return to, input, nil
}

// isMethod reports whether an argument is a method's name, not an input.
func isMethod(s string) bool {
	return wire.CheckName("", s) == nil && !json.Valid([]byte(s))
}

// input returns the JSON that an argument stands for.
func (c *console) input(arg string) (text []byte, err error) {
	switch {
	case arg == "":
		return nil, nil
	case arg == "-":
		text, err = io.ReadAll(c.in)
	case arg[0] == '@':
		text, err = os.ReadFile(arg[1:])
	default:
		text = []byte(arg)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "", "input", err)
	}
	var anything *schema.Schema
	if _, bad := anything.Check(text); bad != nil {
		return nil, usage("the input is not JSON: %s", pointAt(text, bad, arg == string(text)))
	}
	return text, nil
}

// pointAt shows where a text is malformed.
func pointAt(text []byte, bad *schema.Malformed, quoted bool) string {
	before, after := string(text[:bad.Offset]), string(text[bad.Offset:])
	line := strings.Count(before, "\n") + 1
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after, _, _ = strings.Cut(after, "\n")
	if n := utf8.RuneCountInString(before); n > 50 {
		before = "…" + string([]rune(before)[n-50:])
	}
	if utf8.RuneCountInString(after) > 25 {
		after = string([]rune(after)[:25]) + "…"
	}
	before, after = strings.ToValidUTF8(before, "?"), strings.ToValidUTF8(after, "?")
	s := fmt.Sprintf("%s\n  %s\n  %s^", bad, before+after, strings.Repeat(" ", utf8.RuneCountInString(before)))
	if line > 1 {
		s = fmt.Sprintf("line %d: %s", line, s)
	}
	if quoted {
		s += "\n  a shell eats double quotes: put the whole input into single quotes, as in '{\"name\":\"value\"}'"
	}
	return s
}
