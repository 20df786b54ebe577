package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Read reads the results in the files of dir that end in .json, each with one
// JSON object on each line as WriteJSON writes it, in the order of their names.
func Read(dir string) (all []Result, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if all, err = readFile(name, all); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no result in %s: want files that end in .json", dir)
	}
	return all, nil
}

func readFile(name string, all []Result) (_ []Result, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for dec := json.NewDecoder(f); ; {
		var r Result
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
}

// WriteMarkdown writes the bars of all results, and then a section for each
// workload: a table with a line for each result, and one of its figures.
func WriteMarkdown(w io.Writer, all []Result) error {
	var b strings.Builder
	writeBars(&b, all)
	done := map[string]bool{}
	for _, r := range all {
		if done[r.Workload] {
			continue
		}
		done[r.Workload] = true
		var same []Result
		for _, s := range all {
			if s.Workload == r.Workload {
				same = append(same, s)
			}
		}
		writeWorkload(&b, same)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeBars(b *strings.Builder, all []Result) {
	b.WriteString("## Bars\n\n| workload | mode | disk | what | measured | bar | |\n|---|---|---|---|---|---|---|\n")
	for _, r := range all {
		for _, bar := range r.Bars {
			met := "**not met**"
			if bar.Met && r.Verified {
				met = "met"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s %s | %s |\n", r.Workload, r.Mode, r.Conditions.Disk, bar.Name,
				Number(bar.Measured), bar.than(), Number(bar.Bound), met)
		}
	}
}

func writeWorkload(b *strings.Builder, same []Result) {
	fmt.Fprintf(b, "\n## %s\n\n", same[0].Workload)
	writeRuns(b, same)
	head := "\n| mode | disk | size | figure | value | floor | ratio |\n|---|---|---|---|---|---|---|\n"
	for i := range same {
		r := &same[i]
		for _, f := range r.Figures {
			b.WriteString(head)
			head = ""
			floor, ratio := "", ""
			if f.FloorOf != "" {
				floor, ratio = Number(f.Floor)+" "+f.Unit+" ("+f.FloorOf+")", Number(f.Ratio)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s %s | %s | %s |\n", r.Mode, r.Conditions.Disk, r.Conditions.sizes(), f.Name, Number(f.Value), f.Unit, floor, ratio)
		}
	}
	b.WriteString("\n")
	for i := range same {
		for _, n := range same[i].Notes {
			fmt.Fprintf(b, "- %s, %s: %s\n", same[i].Mode, same[i].Conditions.Disk, n)
		}
	}
}

// writeRuns writes a line for each result, with what all workloads measure.
func writeRuns(b *strings.Builder, same []Result) {
	b.WriteString("| mode | disk | size | wall | floor | ratio | turns/s | calls/s | p50 / p99 | bytes/turn | CPU/turn | memory | fdatasync | runs | verified |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range same {
		r := &same[i]
		verified := "yes"
		if !r.Verified {
			verified = "**NO**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %d | %s |\n", r.Mode, r.Conditions.Disk, r.Conditions.sizes(),
			some(r.WallMS, " ms"), some(r.FloorWallMS, " ms"), some(r.Ratio, ""), some(r.TurnsPerS, ""), some(r.CallsPerS, ""),
			strings.Trim(some(r.P50MS, "")+" / "+some(r.P99MS, " ms"), " /"), some(r.BytesWrittenPerTurn, ""),
			some(r.CPUSeconds*1e6/float64(max(r.Turns, 1))*float64(min(r.Turns, 1)), " µs"), some(r.RSSMB, " MB"), some(r.FsyncP50MS, " ms"), r.Conditions.Repeat, verified)
	}
	c := &same[0].Conditions
	fmt.Fprintf(b, "\n%s. Each line is the median of its runs.\n", c.text())
}

// some writes v with its unit, and nothing if it is 0: it was not measured.
func some(v float64, unit string) string {
	if v == 0 {
		return ""
	}
	return Number(v) + unit
}

// text says when, of what and where a result is.
func (c *Conditions) text() string {
	return fmt.Sprintf("%s, revision %s, %s, %s, %d cores, %d MB", c.Date.Format(time.DateOnly), c.Revision, c.Go, c.OS, c.Cores, c.MemoryMB)
}

// writeSummary writes a line for each result of these workloads that was
// verified.
func writeSummary(b *strings.Builder, all []Result, workloads []string) {
	said := ""
	b.WriteString("| workload | size | mode | disk | result |\n|---|---|---|---|---|\n")
	for i := range all {
		if r := &all[i]; r.Verified && slices.Contains(workloads, r.Workload) {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", r.Workload, r.Conditions.sizes(), r.Mode, r.Conditions.Disk, r.headline())
			said = r.Conditions.text()
		}
	}
	fmt.Fprintf(b, "\n%s.\n", said)
}

// headline says the one thing that a workload is for. Where most turns are of
// messages and not of calls, it is the time until all is done.
func (r *Result) headline() string {
	if calls := r.CallsPerS * r.WallMS / 1000; float64(r.Turns) > 2*calls {
		return fmt.Sprintf("%s ms, %s times its floor", Number(r.WallMS), Number(r.Ratio))
	}
	return fmt.Sprintf("%s calls/s, p50 %s ms", Number(r.CallsPerS), Number(r.P50MS))
}

// The marks in a document between which Into writes: all tables, or a line for
// each result of the workloads that the first mark of a summary names.
const (
	tablesMark  = "<!-- situ bench table: begin -->\n"
	tablesEnd   = "<!-- situ bench table: end -->"
	summaryMark = "<!-- situ bench summary of "
	summaryEnd  = "<!-- situ bench summary: end -->"
)

// Into replaces what is between such marks in the document at path with what
// it is now. A document without any is an error, and stays as it is.
func Into(path string, all []Result) error {
	doc, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var tables strings.Builder
	if err := WriteMarkdown(&tables, all); err != nil {
		return err
	}
	text, found := between(string(doc), tablesMark, tablesEnd, func(string) (string, string) { return "", tables.String() })
	text, found2 := between(text, summaryMark, summaryEnd, func(old string) (string, string) {
		head, _, _ := strings.Cut(old, "\n")
		names, _, _ := strings.Cut(head, ":")
		var b strings.Builder
		writeSummary(&b, all, strings.Fields(names))
		return head + "\n", b.String()
	})
	if !found && !found2 {
		return fmt.Errorf("%s has no place for results: want the lines %q and %q, or %q and %q", path,
			strings.TrimSpace(tablesMark), tablesEnd, summaryMark+"WORKLOAD ...: begin -->", summaryEnd)
	}
	return os.WriteFile(path, []byte(text), 0o666)
}

// between puts in the place of what is between two marks in doc what fill makes
// of it: the rest of the first mark's line, and the text.
func between(doc, begin, end string, fill func(old string) (head, text string)) (string, bool) {
	before, rest, ok := strings.Cut(doc, begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return doc, false
	}
	head, text := fill(old)
	return before + begin + head + "\n" + text + "\n" + end + after, true
}
