package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	b.WriteString("| mode | disk | size | wall | floor | ratio | turns/s | calls/s | p50 / p99 | bytes/turn | CPU/turn | memory | fdatasync | verified |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range same {
		r := &same[i]
		verified := "yes"
		if !r.Verified {
			verified = "**NO**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.Mode, r.Conditions.Disk, r.Conditions.sizes(),
			some(r.WallMS, " ms"), some(r.FloorWallMS, " ms"), some(r.Ratio, ""), some(r.TurnsPerS, ""), some(r.CallsPerS, ""),
			strings.Trim(some(r.P50MS, "")+" / "+some(r.P99MS, " ms"), " /"), some(r.BytesWrittenPerTurn, ""),
			some(r.CPUSeconds*1e6/float64(max(r.Turns, 1))*float64(min(r.Turns, 1)), " µs"), some(r.RSSMB, " MB"), some(r.FsyncP50MS, " ms"), verified)
	}
	c := &same[0].Conditions
	fmt.Fprintf(b, "\n%s, revision %s, %s, %s, %d cores, %d MB; medians of %d.\n", c.Date.Format(time.DateOnly), c.Revision, c.Go, c.OS, c.Cores, c.MemoryMB, c.Repeat)
}

// some writes v with its unit, and nothing if it is 0: it was not measured.
func some(v float64, unit string) string {
	if v == 0 {
		return ""
	}
	return Number(v) + unit
}

// The marks in a document between which Into writes.
const (
	beginMark = "<!-- situ bench table: begin -->\n"
	endMark   = "<!-- situ bench table: end -->"
)

// Into replaces what is between the two marks of the document at path with
// what WriteMarkdown writes.
func Into(path string, all []Result) error {
	doc, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(doc), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for tables: want the lines %q and %q", path, strings.TrimSpace(beginMark), endMark)
	}
	var b strings.Builder
	b.WriteString(before + beginMark + "\n")
	if err := WriteMarkdown(&b, all); err != nil {
		return err
	}
	b.WriteString("\n" + endMark + after)
	return os.WriteFile(path, []byte(b.String()), 0o666)
}
