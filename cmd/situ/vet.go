package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/vet"
)

// vetTool is what go vet runs, if it is that which runs this program. It does not
// return then.
func vetTool(args []string) {
	if len(args) == 0 {
		return
	}
	last := args[len(args)-1]
	unit := strings.HasSuffix(last, ".cfg")
	if unit && passed(last) {
		os.Exit(0)
	}
	if args[0] == "-V=full" || args[0] == "-flags" || unit {
		unitchecker.Main(vet.Analyzer)
	}
}

// passed does what there is to do for a package of the standard library or of
// another module, of which only facts are wanted: there are none, because only what
// is called in the same module is looked at. It saves reading a few hundred packages.
func passed(config string) bool {
	var cfg unitchecker.Config
	b, err := os.ReadFile(config)
	if err != nil || json.Unmarshal(b, &cfg) != nil || !cfg.VetxOnly || cfg.ModulePath != "" && cfg.ModuleVersion == "" {
		return false
	}
	return os.WriteFile(cfg.VetxOutput, nil, 0o666) == nil
}

func vetCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "vet [PACKAGE...]",
		Short: "Find what does not belong in the code of workflows",
		Long: `Vet looks at the code of workflows, and at what it calls in the same module, for
what is not the same when it is run again: the clock, random numbers,
goroutines and channels, the order of maps, I/O, global variables. What steps do
is left alone. PACKAGE is as for go vet; the package of the working directory
if left out. The exit code is 1 if something was found.

A line that is right all the same says so: //situ:allow REASON, at its end or
above it. go vet -vettool=$(which situ) does the same.`,
		Example: `  situ vet ./...`,
		Args:    between(0, -1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.vet(cmd.Context(), args) },
	}
}

// found is a finding, as go vet -json has it.
type found struct {
	Posn    string `json:"posn"`
	Message string `json:"message"`
}

// errFound is the end of a vet that found something, which it has told.
var errFound = errors.New("something was found")

func (c *console) vet(ctx context.Context, packages []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"vet", "-vettool=" + self, "-json"}, packages...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	failed := cmd.Run()
	all, err := findings(io.MultiReader(&out, bytes.NewReader(errs.Bytes())))
	if failed != nil || err != nil {
		text := strings.TrimSpace(errs.String())
		if text == "" {
			text = fmt.Sprint(failed)
		}
		return fault.New(fault.Invalid, "vet", "", "go vet could not look at the packages: %s", text)
	}
	here, _ := os.Getwd() // else paths are long
	for i := range all {
		if rel, err := filepath.Rel(here, all[i].Posn); err == nil && !strings.HasPrefix(rel, "..") {
			all[i].Posn = rel
		}
	}
	if c.json {
		if err := c.machine(map[string][]found{"findings": all}); err != nil {
			return err
		}
	} else {
		for _, f := range all {
			c.printf("%s: %s\n", f.Posn, f.Message)
		}
	}
	if len(all) > 0 {
		return errFound
	}
	return nil
}

// findings reads what go vet -json writes: an object for each package, between
// lines that begin with '#'.
func findings(r io.Reader) ([]found, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			plain.WriteString(line)
		}
	}
	all := []found{}
	for d := json.NewDecoder(&plain); ; {
		var packages map[string]map[string]json.RawMessage
		if err := d.Decode(&packages); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		for _, analyzers := range packages {
			for _, raw := range analyzers {
				var some []found
				if err := json.Unmarshal(raw, &some); err != nil {
					return nil, fmt.Errorf("%s", raw) // what kept it from looking
				}
				all = append(all, some...)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Posn < all[j].Posn })
	return all, nil
}
