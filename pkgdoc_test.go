package situ_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// A package that has this many lines explains itself in a DESIGN.md.
const designFrom = 1000

// TestPackageDocs checks that every package says what it is in a comment that
// starts with "Package x", or "Command x" for a program.
func TestPackageDocs(t *testing.T) {
	docs := map[string]string{}
	for _, f := range sourceFiles(t) {
		name := "Package " + f.ast.Name.Name
		if f.ast.Name.Name == "main" {
			name = "Command " + path.Base(f.dir())
		}
		if _, ok := docs[f.dir()]; !ok {
			docs[f.dir()] = name + " has no doc comment"
		}
		if text := f.ast.Doc.Text(); text != "" {
			docs[f.dir()] = badDoc(name, text)
		}
	}
	for dir, wrong := range docs {
		if wrong != "" {
			t.Errorf("%s: %s", dir, wrong)
		}
	}
}

// TestDesigns checks that every package over designFrom lines has a DESIGN.md:
// its purpose, its ideas and what was rejected.
func TestDesigns(t *testing.T) {
	for dir, n := range linesByDir(sourceFiles(t)) {
		if n <= designFrom {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "DESIGN.md")); err != nil {
			t.Errorf("package %s has %d lines and no DESIGN.md", dir, n)
		}
	}
}

// The check finds bad comments.
func TestPackageDocsFind(t *testing.T) {
	for _, c := range []struct {
		text string
		good bool
	}{
		{"Package due keeps timers in order. It never reads the clock.\n", true},
		{"Package due: timers.\n", false},
		{"Package duel keeps timers in order.\n", false},
		{"Timers in order.\n", false},
		{"Package due keeps timers in order\n", false},
		{"Package due.\n", false},
	} {
		if got := badDoc("Package due", c.text); (got == "") != c.good {
			t.Errorf("%q: %q", c.text, got)
		}
	}
}

// badDoc returns what is wrong with a package's doc comment: it is one
// sentence at least, and its subject is the package.
func badDoc(name, text string) string {
	first, _, _ := strings.Cut(text, "\n\n")
	rest, ok := strings.CutPrefix(strings.Join(strings.Fields(first), " "), name+" ")
	switch {
	case !ok:
		return "the doc comment does not start with \"" + name + " \""
	case len(strings.Fields(rest)) < 2 || !strings.Contains(rest+" ", ". ") && !strings.HasSuffix(rest, ":"):
		return "the doc comment has no sentence about " + name
	}
	return ""
}
