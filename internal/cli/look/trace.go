package look

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/cli"

	"github.com/situ-dev/situ/internal/api"
)

// followStep is how often a chain is looked at that is followed.
const followStep = time.Second

func traceCommand(c *console) *cobra.Command {
	v := &traceView{}
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Show the tree of a chain of calls, and where it is now",
		Long: `Trace shows what became of an asynchronous call, or of one with an idempotency
key: who called whom, when, how long each call was active, how long it waited,
and where those are that have not ended. In the bar of a call, = is a turn
that ran and - is waiting. Of many calls beside each other that are alike, only
some are shown: --all shows all.`,
		Example: `  situ trace $(situ call --async order/1 place)
  situ trace --json 0003-abc | jq .calls`,
		Args: cli.Between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.showTrace(cmd.Context(), args[0], v) },
	}
	cmd.Flags().BoolVar(&v.all, "all", false, "show all calls")
	cmd.Flags().BoolVar(&v.input, "input", false, "show inputs that are short")
	cmd.Flags().BoolVar(&v.follow, "follow", false, "show it again each second until the call is answered")
	return cmd
}

// traceView is how a trace is shown.
type traceView struct {
	all, input, follow bool
}

func (c *console) showTrace(ctx context.Context, id string, v *traceView) error {
	cl := c.Client()
	for {
		t, err := cl.Trace(ctx, id, 0)
		if err != nil {
			return err
		}
		if c.JSON() {
			if err := c.Machine(t); err != nil {
				return err
			}
		} else {
			c.drawTrace(t, v)
		}
		if !v.follow || t.Status != api.Pending {
			return nil
		}
		select {
		case <-time.After(followStep):
		case <-ctx.Done():
			return nil
		}
		if !c.JSON() {
			c.Printf("\n")
		}
	}
}

func (c *console) drawTrace(t *api.Trace, v *traceView) {
	c.Printf("%s  %s  %s\n", t.ID, t.Target, t.Status)
	c.Printf("%s, from %s: active %s, waiting %s", millisText(t.WallMS), cli.Instant(t.Created), millisText(t.ActiveMS), millisText(t.WaitingMS))
	if t.ActiveMS > 0 {
		c.Printf("; if callers waited, %s would be billed, %s times as much", millisText(t.SyncMS), factorText(t.SyncMS/t.ActiveMS))
	}
	c.Printf("\n\n")
	rows := make([][]string, 0, len(t.Calls))
	for _, l := range foldTrace(t.Calls, v.all) {
		if l.more > 0 {
			rows = append(rows, l.cells())
			continue
		}
		s := l.span
		name := indent(s.Depth) + line(s.Target)
		if s.Kind == "continuation" {
			name = indent(s.Depth) + "> " + line(s.Target)
		}
		if v.input && s.Input != nil {
			name += " " + line(string(s.Input))
		}
		rows = append(rows, []string{name, stateText(t, s), millisText(s.Made.Sub(t.Created).Seconds() * 1e3), millisText(s.ActiveMS), millisText(s.WaitingMS), bar(t, s)})
	}
	c.Columns("CALL STATE AT ACTIVE WAITING BAR", rows)
	for i := range t.Calls {
		if e := t.Calls[i].Error; e != nil && (i < 20 || v.all) {
			c.Printf("%s: %s: %s\n", t.Calls[i].Target, e.Kind, cli.FirstLine(e.Message))
		}
	}
	if n := t.Total - len(t.Calls); n > 0 {
		c.Note("%s more: --json with the HTTP API and ?limit= shows them", cli.Count(n, "call"))
	}
	if t.LeftOut > 0 {
		c.Note("%s left out: of one chain, a shard tells of a bounded number", cli.Count(int(t.LeftOut), "call"))
	}
}

// deepest is how far lines are moved to the right.
const deepest = 20

// indent is what comes before a call of that depth.
func indent(depth int) string {
	if depth > deepest {
		return strings.Repeat("  ", deepest) + fmt.Sprintf("(%d) ", depth)
	}
	return strings.Repeat("  ", depth)
}

// line is text on one line.
func line(s string) string { return strings.Join(strings.Fields(cli.Plain(s)), " ") }

// traceLine is a call, or a number of calls that are not shown.
type traceLine struct {
	span   *api.Span
	depth  int
	more   int
	below  int // calls that they made
	target string
	states map[string]int
	active float64
}

// cells are the columns of a line that stands for calls that are not shown.
func (l *traceLine) cells() []string {
	parts := []string{}
	for _, s := range []string{"done", "failed", "given-up", "running", "queued", "delayed", "retrying", "waiting", "handed-on", "held"} {
		if n := l.states[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	name := fmt.Sprintf("%s... %d more %s", indent(l.depth), l.more, line(l.target))
	if l.below > 0 {
		name += fmt.Sprintf(" (%d below them)", l.below)
	}
	return []string{name, strings.Join(parts, ", "), "", millisText(l.active), "", ""}
}

// Of calls beside each other that are alike, in what they call and where they
// are, these are shown.
const shownAlike = 3

// foldTrace makes the lines of a tree.
func foldTrace(calls []api.Span, all bool) (lines []traceLine) {
	type kind struct{ parent, target string }
	seen := map[[3]string]int{}
	folds := map[kind]int{} // index of the line
	hidden := map[string]*kind{}
	for i := range calls {
		s := &calls[i]
		if k := hidden[s.Parent]; k != nil && s.Parent != "" { // below one that is not shown
			hidden[s.ID] = k
			lines[folds[*k]].below++
			continue
		}
		k := kind{s.Parent, withoutKey(s.Target)}
		alike := [3]string{k.parent, k.target, s.State}
		if seen[alike]++; all || seen[alike] <= shownAlike {
			lines = append(lines, traceLine{span: s, depth: s.Depth})
			continue
		}
		hidden[s.ID] = &k
		at, there := folds[k]
		if !there {
			at = len(lines)
			folds[k] = at
			lines = append(lines, traceLine{depth: s.Depth, target: k.target, states: map[string]int{}})
		}
		l := &lines[at]
		l.more++
		l.states[s.State]++
		l.active += s.ActiveMS
	}
	return lines
}

// withoutKey is the type and method of a target.
func withoutKey(target string) string {
	typ, rest, ok := strings.Cut(target, "/")
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 {
		return target
	}
	return typ + rest[dot:]
}

// stateText says where a call is, and until when.
func stateText(t *api.Trace, s *api.Span) string {
	text := s.State
	if s.Runs > 1 {
		text += fmt.Sprintf(" (run %d)", s.Runs)
	}
	switch {
	case s.State == "done" || s.State == "failed" || s.State == "given-up":
	case !s.Until.IsZero():
		text += " for " + millisText(max(s.Until.Sub(t.Now).Seconds()*1e3, 0)) + " more"
	case !s.Since.IsZero():
		text += " for " + millisText(max(t.Now.Sub(s.Since).Seconds()*1e3, 0))
	}
	if s.Missing > 0 {
		text += fmt.Sprintf(", %d on their way", s.Missing)
	}
	return text
}

// barWidth is how many characters stand for the time of the chain.
const barWidth = 30

// bar shows when in the time of its chain a call waited and ran.
func bar(t *api.Trace, s *api.Span) string {
	place := func(at time.Time) int {
		if t.WallMS <= 0 {
			return 0
		}
		return min(max(int(at.Sub(t.Created).Seconds()*1e3/t.WallMS*barWidth), 0), barWidth-1)
	}
	end := t.Now
	for _, at := range []time.Time{s.Answered, s.Ended} {
		over := s.State == "done" || s.State == "failed" || s.State == "given-up"
		if over && !at.IsZero() {
			end = at
			break
		}
	}
	b := []byte(strings.Repeat(" ", barWidth))
	for i := place(s.Made); i <= place(end); i++ {
		b[i] = '-'
	}
	if begun := s.Begun; !begun.IsZero() {
		from := place(begun)
		to := place(begun.Add(time.Duration(s.ActiveMS * float64(time.Millisecond))))
		if s.Runs > 1 { // the last run is what is known
			from, to = place(s.Ended.Add(-time.Duration(s.ActiveMS/float64(s.Runs)*float64(time.Millisecond)))), place(s.Ended)
			b[place(begun)] = '='
		}
		for i := from; i <= to; i++ {
			b[i] = '='
		}
	}
	return strings.TrimRight(string(b), " ")
}

// millisText writes a number of milliseconds for people.
func millisText(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d >= 48*time.Hour:
		return strconv.FormatFloat(d.Hours()/24, 'f', 1, 64) + "d"
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// factorText writes how many times something is.
func factorText(f float64) string {
	if f >= 10 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}
