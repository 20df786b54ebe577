package situ_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// module is the path of this module, as go.mod has it.
const module = "github.com/situ-dev/situ"

// A sourceFile is one Go file of this module that is not a test.
type sourceFile struct {
	path  string // with slashes, from the module root
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

// dir returns the directory of the file, "." for the module root.
func (f *sourceFile) dir() string { return path.Dir(f.path) }

// span returns the number of lines that n takes.
func (f *sourceFile) span(n ast.Node) int {
	return f.fset.Position(n.End()).Line - f.fset.Position(n.Pos()).Line + 1
}

// sourceFiles parses every Go file of the module but tests, generated files,
// what is below testdata and other modules. Files for other build tags are
// among them: a rule holds in every build.
func sourceFiles(t *testing.T) []*sourceFile {
	t.Helper()
	var files []*sourceFile
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(p, d.Name())
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parseSource(filepath.ToSlash(p), src)
		if err == nil && !ast.IsGenerated(f.ast) {
			files = append(files, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// enter returns nil if directory p holds sources of this module.
func enter(p, name string) error {
	if p == "." {
		return nil
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

// parseSource parses one file.
func parseSource(p string, src []byte) (*sourceFile, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &sourceFile{path: p, lines: fset.File(f.Pos()).LineCount(), fset: fset, ast: f}, nil
}

// linesByDir sums the lines of the files of each directory.
func linesByDir(files []*sourceFile) map[string]int {
	sum := map[string]int{}
	for _, f := range files {
		sum[f.dir()] += f.lines
	}
	return sum
}
