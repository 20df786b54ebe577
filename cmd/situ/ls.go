package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
)

func lsCommand(c *console) *cobra.Command {
	var prefix, cursor string
	var limit int
	var all bool
	cmd := &cobra.Command{
		Use:   "ls [TYPE]",
		Short: "List types and functions, or the objects of a type",
		Example: `  situ ls
  situ ls flight --prefix BA --limit 20`,
		Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listProgram(cmd.Context(), all)
			}
			return c.listObjects(cmd.Context(), strings.TrimSuffix(args[0], "/"), prefix, cursor, limit)
		},
	}
	f := cmd.Flags()
	f.StringVar(&prefix, "prefix", "", "only objects whose `KEY` begins so")
	f.IntVar(&limit, "limit", 100, "at most `N` objects; 0 is all")
	f.StringVar(&cursor, "cursor", "", "go on where an earlier list ended")
	f.BoolVar(&all, "all", false, "without a type: what the platform itself has, too")
	return cmd
}

// listProgram lists what can be called.
func (c *console) listProgram(ctx context.Context, all bool) error {
	cl := c.client()
	types, err := cl.Types(ctx, all)
	if err != nil {
		return err
	}
	funcs, err := cl.Functions(ctx, all)
	if err != nil {
		return err
	}
	if c.json {
		return c.machine(struct {
			Types     []api.Type      `json:"types"`
			Functions []api.Operation `json:"functions"`
		}{types.Types, funcs.Functions})
	}
	if len(types.Types)+len(funcs.Functions) == 0 {
		c.note("no program is loaded, or it has neither types nor functions")
		return nil
	}
	var rows [][]string
	for _, t := range types.Types {
		var methods []string
		for _, m := range t.Methods {
			methods = append(methods, m.Name)
		}
		rows = append(rows, []string{t.Name, "type", strings.Join(methods, ", "), cli.FirstLine(t.Doc)})
	}
	for _, f := range funcs.Functions {
		rows = append(rows, []string{f.Name, "function", "", cli.FirstLine(f.Doc)})
	}
	c.table("NAME KIND METHODS DOC", rows)
	return nil
}

// listObjects lists objects of a type, from cursor on.
func (c *console) listObjects(ctx context.Context, typ, prefix, cursor string, limit int) error {
	cl := c.client()
	var all api.Objects
	var err error
	all.Objects, all.Next, err = cli.Gather(cursor, limit, func(cursor string, size int) ([]api.Object, string, error) {
		page, err := cl.List(ctx, typ, prefix, cursor, size)
		if err != nil {
			return nil, "", err
		}
		return page.Objects, page.Next, nil
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.machine(all)
	}
	rows := make([][]string, len(all.Objects))
	for i, o := range all.Objects {
		rows[i] = []string{o.Key, cli.Bytes(uint64(o.Size)), cli.Instant(o.Modified)}
	}
	c.table("KEY SIZE MODIFIED", rows)
	if all.Next != "" {
		c.note("there is more: --limit 0 shows all, --cursor %s goes on", shellQuote(all.Next))
	}
	return nil
}

// shellQuote quotes s for a shell, if it needs that.
func shellQuote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.=/") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
