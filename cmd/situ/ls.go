package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
)

func lsCommand(c *console) *cobra.Command {
	var prefix, cursor string
	var limit int
	cmd := &cobra.Command{
		Use:   "ls [TYPE]",
		Short: "List types and functions, or the objects of a type",
		Example: `  situ ls
  situ ls flight --prefix BA --limit 20`,
		Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("--limit %d is negative; 0 is all", limit)
			}
			if len(args) == 0 {
				return c.listProgram(cmd.Context())
			}
			return c.listObjects(cmd.Context(), strings.TrimSuffix(args[0], "/"), prefix, cursor, limit)
		},
	}
	f := cmd.Flags()
	f.StringVar(&prefix, "prefix", "", "only objects whose `KEY` begins so")
	f.IntVar(&limit, "limit", 100, "at most `N` objects; 0 is all")
	f.StringVar(&cursor, "cursor", "", "go on where an earlier list ended")
	return cmd
}

// listProgram lists what can be called.
func (c *console) listProgram(ctx context.Context) error {
	cl := c.client()
	types, err := cl.Types(ctx)
	if err != nil {
		return err
	}
	funcs, err := cl.Functions(ctx)
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
		rows = append(rows, []string{t.Name, "type", strings.Join(methods, ", "), firstLine(t.Doc)})
	}
	for _, f := range funcs.Functions {
		rows = append(rows, []string{f.Name, "function", "", firstLine(f.Doc)})
	}
	c.table("NAME KIND METHODS DOC", rows)
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// serverPage is the largest page that a server gives.
const serverPage = 1000

// listObjects lists objects, page by page: 0 is no limit.
func (c *console) listObjects(ctx context.Context, typ, prefix, cursor string, limit int) error {
	cl := c.client()
	all := api.Objects{Objects: []api.Object{}, Next: cursor}
	for {
		size := serverPage
		if limit > 0 {
			size = min(size, limit-len(all.Objects))
		}
		page, err := cl.List(ctx, typ, prefix, all.Next, size)
		if err != nil {
			return err
		}
		all.Objects = append(all.Objects, page.Objects...)
		all.Next = page.Next
		if all.Next == "" || limit > 0 && len(all.Objects) >= limit {
			break
		}
	}
	if c.json {
		return c.machine(all)
	}
	rows := make([][]string, len(all.Objects))
	for i, o := range all.Objects {
		rows[i] = []string{o.Key, bytesText(uint64(o.Size)), timeText(o.Modified)}
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

// bytesText shows a number of bytes in three digits.
func bytesText(n uint64) string {
	const units = "KMGTPE"
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, u := float64(n)/1000, 0
	for f >= 999.5 && u < len(units)-1 {
		f /= 1000
		u++
	}
	digits := 1
	if f >= 99.95 {
		digits = 0
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + units[u:u+1] + "B"
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
