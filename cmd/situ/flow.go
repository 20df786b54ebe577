package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

func flowCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flow",
		Short: "Run flows that are documents",
		Long: `A flow is a small graph of calls in a JSON document: steps in a sequence or
beside each other, for each element of a list, by a choice, with waits and what
is done if one fails. The platform carries it out durably; nothing is deployed.`,
		Args: known,
		RunE: help,
	}
	cmd.AddCommand(flowRunCommand(c), flowCheckCommand(c), flowGetCommand(c))
	return cmd
}

func flowRunCommand(c *console) *cobra.Command {
	var o client.Options
	var input, key string
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Carry out the flow in a file, and print its result",
		Long: `Run carries out the flow in FILE, or on the standard input for -, and prints its
result. With --key the flow has that name: who runs the same again under it gets
the same result.`,
		Example: `  situ flow run greet.json --input '["ann","bob"]'
  situ flow run greet.json --input @names.json --key monday --async`,
		Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if input == "-" && args[0] == "-" {
				return usage("the flow and its input cannot both be on the standard input")
			}
			doc, err := c.flowFile(args[0])
			if err != nil {
				return err
			}
			in, err := c.input(input)
			if err != nil {
				return err
			}
			return c.runFlow(cmd.Context(), doc, in, key, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&input, "input", "", "input of the flow: `JSON`, @FILE, or - for the standard input")
	f.StringVar(&key, "key", "", "`name` of the flow; made if there is none")
	f.BoolVar(&o.Async, "async", false, "do not wait for the result: print the invocation's id")
	f.DurationVar(&o.After, "after", 0, "begin after `DURATION`; does not wait for the result")
	return cmd
}

func (c *console) runFlow(ctx context.Context, doc, in json.RawMessage, key string, o client.Options) error {
	body, err := json.Marshal(map[string]json.RawMessage{"flow": doc, "input": in})
	if len(in) == 0 {
		body, err = json.Marshal(map[string]json.RawMessage{"flow": doc})
	}
	if err != nil {
		return err
	}
	name, res, err := c.client().RunFlow(ctx, key, body, o)
	if err != nil {
		return err
	}
	if !res.Done {
		if c.json {
			return c.machine(api.Invocation{ID: string(res.ID), Status: api.Pending})
		}
		c.printf("%s\n", res.ID)
		c.note("accepted; its result: situ wait %s; how far it is: situ flow get %s", res.ID, name)
		return nil
	}
	return c.value(res.Body.Data)
}

// flowFile reads a document and says what is malformed.
func (c *console) flowFile(name string) (text []byte, err error) {
	if name == "-" {
		text, err = io.ReadAll(c.in)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "", name, err)
	}
	_, err = graph.Parse(text)
	if bad, ok := errors.AsType[*schema.Malformed](err); ok {
		return nil, usage("%s is not JSON: %s", name, pointAt(text, bad, false))
	}
	return text, nil
}

func flowCheckCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with the flow in a file",
		Long: `Check says what is wrong with a flow, and where in the document. If a server
runs, what the flow calls is checked against its program, too.`,
		Example: `  situ flow check greet.json`,
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := c.flowFile(args[0])
			if err != nil {
				return err
			}
			return c.checkFlow(cmd.Context(), args[0], text)
		},
	}
}

func (c *console) checkFlow(ctx context.Context, name string, text []byte) error {
	targets, err := c.targets(ctx)
	if err != nil {
		return err
	}
	g, err := graph.Parse(text)
	found, _ := errors.AsType[graph.Problems](err)
	var plan *graph.Plan
	if err == nil {
		plan, found = g.Check(targets)
	}
	if c.json {
		if err := c.machine(map[string]any{"ok": len(found) == 0, "problems": append(graph.Problems{}, found...)}); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		var lines []string
		for _, p := range found {
			lines = append(lines, p.Pointer+" "+p.Detail)
		}
		return fault.New(fault.Unfit, "", name, "the flow cannot be taken:\n  %s", strings.Join(lines, "\n  "))
	}
	if targets == nil {
		c.note("no server was asked: what the flow calls was not looked for")
	}
	if !c.json {
		c.printf("%s is fine: %s\n", name, count(len(plan.Steps), "step"))
	}
	return nil
}

// targets knows what the server's program has, nil if there is no server.
func (c *console) targets(ctx context.Context) (graph.Targets, error) {
	m, err := c.client().Describe(ctx, true)
	if errors.Is(err, client.ErrNoServer) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ix := host.NewIndex(m)
	return func(typ, method string) (json.RawMessage, error) {
		mm, _ := ix.Method(wire.Address{Type: typ, Method: method})
		switch {
		case mm != nil && !mm.Internal:
			return mm.In, nil
		case mm != nil:
			return nil, fault.New(fault.NotFound, "", "", "%s is for the program itself, and cannot be called", method)
		case typ == "":
			return nil, fault.New(fault.NotFound, "", "", "there is no function %q; there is %s", method, strings.Join(ix.Methods(""), ", "))
		}
		return nil, fault.New(fault.NotFound, "", "", "there is no method %s.%s; the types are %s, and the methods of %s %s", typ, method,
			strings.Join(ix.Types(), ", "), typ, strings.Join(ix.Methods(typ), ", "))
	}, nil
}

func flowGetCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "get KEY",
		Short: "Show how far a flow is",
		Args:  between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := c.client().Flow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				return c.machine(in)
			}
			c.printf("flow     %s\n", strings.TrimSpace(in.Key+" "+in.Name))
			c.printf("status   %s\nbegan    %s\n", in.Status, timeText(in.Began))
			if !in.Ended.IsZero() {
				c.printf("ended    %s\n", timeText(in.Ended))
			}
			if in.Error != nil {
				c.printf("error    %s: %s\n", in.Error.Kind, in.Error.Message)
			}
			rows := make([][]string, len(in.Steps))
			for i, s := range in.Steps {
				done := ""
				if s.Total > 0 {
					done = strconv.Itoa(s.Done+s.Failed) + "/" + strconv.Itoa(s.Total)
				}
				rows[i] = []string{s.Step, s.Kind, timeText(s.Since), done}
			}
			if len(rows) > 0 {
				c.table("STEP KIND SINCE DONE", rows)
			}
			if in.More > 0 {
				c.note("and %s more under way", count(in.More, "step"))
			}
			return nil
		},
	}
}
