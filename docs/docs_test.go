package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's root as seen from here.
const root = ".."

// A block is a fenced piece of a document.
type block struct {
	doc   string // path from the root
	line  int    // of its first line of text
	lang  string // what stands after the fence
	text  string
	intro string // the paragraph before it
}

// documents returns the documents for users, as paths from the root.
func documents(t *testing.T) []string {
	t.Helper()
	docs := []string{"README.md", "ARCHITECTURE.md", "RATIONALE.md", "DESIGN.md", "CONTRIBUTING.md"}
	names, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		docs = append(docs, "docs/"+name)
	}
	return docs
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the fenced blocks of a document.
func blocks(t *testing.T, doc string) (all []block) {
	t.Helper()
	var intro []string
	var open *block
	for i, line := range strings.Split(read(t, doc), "\n") {
		lang, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{doc: doc, line: i + 2, lang: lang, intro: strings.Join(intro, "\n")}
		case fence:
			all = append(all, *open)
			open, intro = nil, nil
		case open != nil:
			open.text += line + "\n"
		case strings.TrimSpace(line) == "" && len(intro) > 0 && intro[len(intro)-1] != "":
			intro = append(intro, "")
		default:
			if len(intro) > 0 && intro[len(intro)-1] == "" {
				intro = nil
			}
			intro = append(intro, line)
		}
	}
	if open != nil {
		t.Errorf("%s: the block at line %d does not end", doc, open.line)
	}
	return all
}

// flat is text without the indentation of its lines.
func flat(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// TestSnippets checks that each piece of Go in the documents is a piece of a
// file that is compiled and tested: the examples, and the tests here. What the
// quick start shows is run by TestQuickstart.
func TestSnippets(t *testing.T) {
	var sources []string
	for _, dir := range []string{"docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(p string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(p, ".go") && d.Name() != "docs_test.go" {
				b, err := os.ReadFile(p)
				sources = append(sources, "\n"+flat(string(b)))
				return err
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, doc := range documents(t) {
		if doc == "docs/quickstart.md" {
			continue
		}
		for _, b := range blocks(t, doc) {
			if b.lang != "go" {
				continue
			}
			n++
			if !within(sources, "\n"+flat(b.text)) {
				t.Errorf("%s:%d: this is in no file of examples/ or docs/ that is compiled:\n%s", doc, b.line, b.text)
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d snippets were found", n)
	}
}

func within(sources []string, text string) bool {
	for _, s := range sources {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}

var testName = regexp.MustCompile("`([a-z][a-z0-9/]*)\\.((Test|Fuzz)[A-Za-z]+)`")

// TestNamedTests checks that the tests and fuzzers exist that the documents
// name as `package.TestName`; situ is the root.
func TestNamedTests(t *testing.T) {
	n := 0
	for _, doc := range documents(t) {
		for _, m := range testName.FindAllStringSubmatch(read(t, doc), -1) {
			n++
			dir := m[1]
			if dir == "situ" {
				dir = "."
			}
			files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(b), "func "+m[2]+"(t *testing.T)") || strings.Contains(string(b), "func "+m[2]+"(f *testing.F)")
			}
			if !found {
				t.Errorf("%s names %s in %s, which does not exist", doc, m[2], m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d names of tests were found", n)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile("[^a-z0-9 _-]")
)

// TestLinks checks that what the documents link to within the repository
// exists, with its heading.
func TestLinks(t *testing.T) {
	for _, doc := range documents(t) {
		text := read(t, doc)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := doc
			if path != "" {
				target = filepath.Join(filepath.Dir(doc), path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", doc, m[1])
			} else if anchor != "" && !hasAnchor(read(t, target), anchor) {
				t.Errorf("%s: the link %s: there is no such heading", doc, m[1])
			}
		}
	}
}

func hasAnchor(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}
