package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
)

const defaultServer = "http://127.0.0.1:8080"

// What commands share with those of other packages.
var (
	isTerminal = cli.IsTerminal
	usage      = cli.Usage
	known      = cli.Known
	help       = cli.Help
	between    = cli.Between
	count      = cli.Count
	plain      = cli.Plain
	pointAt    = cli.PointAt
)

// console is where a command reads and writes, and what all commands share.
type console struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	tty      bool // out is a terminal
	server   string
	json     bool
	args     []string // of the command line
}

// shared is the console as commands of other packages see it.
func (c *console) shared() cli.Console {
	return cli.Console{In: c.in, Out: c.out, JSON: func() bool { return c.json }, Client: c.client, Input: c.input, Printf: c.printf, Note: c.note,
		Table: c.table, Columns: c.columns, Machine: c.machine, Value: c.value}
}

// of makes a command of another package one of this.
func of(command func(cli.Console) *cobra.Command) func(*console) *cobra.Command {
	return func(c *console) *cobra.Command { return command(c.shared()) }
}

// client returns a client of the server that the user means.
func (c *console) client() *client.Client {
	for _, s := range []string{c.server, c.env("SITU_SERVER")} {
		if s != "" {
			return client.New(s)
		}
	}
	return client.New(defaultServer)
}

// printf writes text for people.
func (c *console) printf(format string, args ...any) {
	_, _ = io.WriteString(c.out, plain(fmt.Sprintf(format, args...)))
}

// note writes to the side of the output.
func (c *console) note(format string, args ...any) {
	_, _ = io.WriteString(c.err, plain(fmt.Sprintf(format, args...))+"\n")
}

// machine writes v as JSON on one line.
func (c *console) machine(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = c.out.Write(append(b, '\n'))
	}
	return err
}

// value writes JSON: spread over lines on a terminal, else as it is.
func (c *console) value(raw json.RawMessage) error {
	if c.tty && !c.json {
		var b bytes.Buffer
		if json.Indent(&b, raw, "", "  ") == nil {
			raw = []byte(plain(b.String()))
		}
	}
	_, err := c.out.Write(append(bytes.TrimRight(raw, "\n"), '\n'))
	return err
}

// table writes rows below a heading, which is bold on a terminal.
func (c *console) table(heading string, rows [][]string) {
	for _, row := range rows {
		for i := range row {
			row[i] = strings.Join(strings.Fields(plain(row[i])), " ")
		}
	}
	c.columns(heading, rows)
}

// columns is table for cells that are plain and on one line, and in which
// spaces count. The only cell of a row may be wider than its column.
func (c *console) columns(heading string, rows [][]string) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, strings.Join(strings.Fields(heading), "\t"))
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // to memory
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 && c.tty && c.env("NO_COLOR") == "" {
			line = "\x1b[1m" + line + "\x1b[0m"
		}
		_, _ = fmt.Fprintln(c.out, line)
	}
}

// complain tells the user what went wrong and what to do about it.
func (c *console) complain(err error) {
	var p *api.Problem
	if e, ok := errors.AsType[*client.Error](err); ok {
		p = &e.Problem
	}
	if c.json {
		if p == nil {
			k := fault.KindOf(err)
			p = &api.Problem{Type: api.ProblemPrefix + k.String(), Title: k.String(), Status: k.Status(), Detail: message(err)}
		}
		if b, err := json.Marshal(p); err == nil {
			_, _ = c.err.Write(append(b, '\n'))
		}
		return
	}
	text := message(err)
	if p != nil && len(p.Errors) > 1 {
		text, _, _ = strings.Cut(text, ": "+p.Errors[0].Pointer) // all of them follow
	}
	c.note("situ: %s", strings.TrimRight(text, "\n"))
	if p != nil && len(p.Errors) > 1 {
		for _, m := range p.Errors {
			c.note("  %s %s", m.Pointer, m.Detail)
		}
	}
	if p != nil && p.Code != "" {
		c.note("  code: %s", p.Code)
	}
	if hint := advice(err, p); hint != "" {
		c.note("  %s", hint)
	}
}

// message is what err says.
func message(err error) string {
	if errors.Is(err, client.ErrNoServer) {
		e, _ := errors.AsType[*fault.Error](err)
		return e.Msg + ": start one with `situ dev DIR`, or name another with --server"
	}
	return words(err)
}

// words is err without the operations that failed, unless it is for those who
// mend situ.
func words(err error) string {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || err.Error() != e.Error() || e.Kind == fault.Internal || e.Kind == fault.Corrupt {
		return err.Error()
	}
	parts := []string{e.On, e.Msg}
	if e.Err != nil {
		parts = append(parts, words(e.Err))
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return e.Kind.String()
	}
	return strings.Join(parts, ": ")
}

// advice is what to do about err, if there is more to say than err does.
func advice(err error, p *api.Problem) string {
	e, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok:
		return ""
	case e.Kind == fault.Timeout && p != nil && p.Status == e.Kind.Status():
		return "with --key KEY, a call is safe to make again"
	case e.Kind == fault.NotFound && p != nil && len(p.Exists) > 20:
		return "see what there is with `situ ls`"
	case e.Kind == fault.Busy || e.Kind == fault.Unavailable && p != nil:
		return fmt.Sprintf("try again in %s", max(e.Retry, 1e9))
	case e.Kind == fault.Full:
		return "reads work; writes work again when there is space"
	}
	return ""
}
