package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/near"
)

func describeCommand(c *console) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "describe [NAME]",
		Short: "Describe what the program announces: types, methods, functions",
		Long: `Describe shows types with their methods, and functions, with docs, inputs and
outputs. A field with a question mark may be left out. With --json it prints
the JSON Schemas.`,
		Example: `  situ describe flight`,
		Args:    between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all := all || len(args) > 0 && host.Reserved(args[0])
			m, err := c.client().Describe(cmd.Context(), all)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if m, err = only(m, args[0]); err != nil {
					return err
				}
			}
			if c.json {
				return c.machine(m)
			}
			c.showManifest(m)
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "what the platform itself has, too")
	return cmd
}

// only returns the part of m with that name.
func only(m *host.Manifest, name string) (*host.Manifest, error) {
	part := new(host.Manifest)
	var names []string
	for _, t := range m.Types {
		names = append(names, t.Name)
		if t.Name == name {
			part.Types = append(part.Types, t)
		}
	}
	for _, f := range m.Functions {
		names = append(names, f.Name)
		if f.Name == name {
			part.Functions = append(part.Functions, f)
		}
	}
	if part.Types != nil || part.Functions != nil {
		return part, nil
	}
	if len(names) == 0 {
		return nil, fault.New(fault.NotFound, "", "", "there is no type or function %q: no program is loaded (yet)", name)
	}
	hint := "there is " + strings.Join(names, ", ")
	if s := near.Name(name, names); s != "" {
		hint = "did you mean " + s + "?"
	}
	return nil, fault.New(fault.NotFound, "", "", "there is no type or function %q; %s", name, hint)
}

func (c *console) showManifest(m *host.Manifest) {
	for i, t := range m.Types {
		if i > 0 {
			c.printf("\n")
		}
		c.printf("type %s\n", t.Name)
		c.indented("  ", t.Doc)
		for j := range t.Methods {
			c.showMethod("  ", &t.Methods[j])
		}
	}
	if len(m.Functions) > 0 && len(m.Types) > 0 {
		c.printf("\n")
	}
	for i := range m.Functions {
		c.showMethod("function ", &m.Functions[i])
	}
}

func (c *console) showMethod(lead string, m *host.MethodManifest) {
	var marks []string
	for mark, is := range map[string]bool{"read-only": m.ReadOnly, "relaxed": m.Relaxed, "internal": m.Internal} {
		if is {
			marks = append(marks, mark)
		}
	}
	slices.Sort(marks)
	in := "anything"
	if len(m.In) > 0 || m.Internal {
		in = strings.TrimSuffix(strings.TrimPrefix(shape(m.In), "{"), "}")
	}
	line := lead + m.Name + "(" + in + ")"
	if out := shape(m.Out); out != "" && out != "{}" {
		line += " " + out
	}
	if len(marks) > 0 {
		line += "  [" + strings.Join(marks, ", ") + "]"
	}
	c.printf("%s\n", line)
	c.indented("      ", m.Doc)
}

func (c *console) indented(lead, doc string) {
	for line := range strings.Lines(strings.TrimSpace(doc)) {
		c.printf("%s%s\n", lead, strings.TrimSpace(line))
	}
}

// outline is what shape reads in a JSON Schema.
type outline struct {
	Type       any                        `json:"type"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Items      json.RawMessage            `json:"items"`
	Additional json.RawMessage            `json:"additionalProperties"`
}

// shape writes a JSON Schema in short, such as {by integer, why? string}.
func shape(raw json.RawMessage) string { return shapeWithin(raw, 0) }

func shapeWithin(raw json.RawMessage, depth int) string {
	var s outline
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || depth > 4 {
		return ""
	}
	typ, _ := s.Type.(string)
	if list, ok := s.Type.([]any); ok {
		for _, t := range list {
			if name, _ := t.(string); name != "null" {
				typ = name
			}
		}
	}
	switch {
	case typ == "array":
		return "[" + shapeWithin(s.Items, depth+1) + "]"
	case typ == "object" && s.Properties == nil && len(s.Additional) > 0 && s.Additional[0] == '{' && string(s.Additional) != `{"not":{}}`:
		return "{name: " + shapeWithin(s.Additional, depth+1) + "}"
	case typ != "object":
		return typ
	}
	var fields []string
	for _, name := range s.Required {
		fields = append(fields, strings.TrimSpace(name+" "+shapeWithin(s.Properties[name], depth+1)))
	}
	var optional []string
	for name := range s.Properties {
		if !slices.Contains(s.Required, name) {
			optional = append(optional, name)
		}
	}
	slices.Sort(optional)
	for _, name := range optional {
		fields = append(fields, strings.TrimSpace(name+"? "+shapeWithin(s.Properties[name], depth+1)))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}
