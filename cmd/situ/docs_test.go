package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
)

// docs/cli.md has the exit codes of fault's table, all and no others.
func TestDocumentedExitCodes(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## Exit codes")
	if !ok {
		t.Fatal("docs/cli.md has no section on exit codes")
	}
	documented := map[string]int{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		code, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue
		}
		for kind := range strings.SplitSeq(cells[2], ",") {
			documented[strings.Trim(kind, " `")] = code
		}
	}
	delete(documented, "") // 0
	for k := fault.Internal; k <= fault.Internal || k.String() != fault.Internal.String(); k++ {
		if documented[k.String()] != k.Exit() {
			t.Errorf("%s: documented exit code %d, want %d", k, documented[k.String()], k.Exit())
		}
		delete(documented, k.String())
	}
	for kind := range documented {
		t.Errorf("%s is documented, but is no kind", kind)
	}
}

// docs/cli.md mentions every command.
func TestDocumentedCommands(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	c := &console{env: func(string) string { return "" }}
	all := shipCommands(c)
	for _, command := range commands {
		all = append(all, command(c))
	}
	for _, cmd := range all {
		names := []string{cmd.Name()}
		for _, sub := range cmd.Commands() {
			names = append(names, cmd.Name()+" "+sub.Name())
		}
		if len(names) > 1 {
			names = slices.Delete(names, 0, 1)
		}
		for _, name := range names {
			if !strings.Contains(string(text), "situ "+name) {
				t.Errorf("docs/cli.md does not mention situ %s", name)
			}
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("situ %s: the summary is %q", cmd.Name(), cmd.Short)
		}
	}
}
