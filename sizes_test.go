package situ_test

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// The sizes that nothing reaches. Lines are lines of the file, with comments
// and blanks. Tests and generated files are not measured.
const (
	maxFunction  = 60
	maxSwitch    = 100 // a function that is one flat switch, or little more
	maxFile      = 500
	maxPackage   = 2000
	maxInterface = 8 // methods
)

// exceptions are the things that are over a size on purpose, as the failing
// test names them, each with the reason.
var exceptions = map[string]string{
	"package internal/shard/core": "pauses, cancels and spans met here at once; frames are to be a package of their own",
	"package internal/ingress":    "the doors of schedules, callbacks and flows came at the same time: what they check of a program (catalogue.go) is to be a package of its own",
	"package cmd/situ":            "schedule and vet came after the benches had left: they are to go the same way, beside bench/command",
}

// oversize is a thing that is too big.
type oversize struct{ what, why string }

// TestSizes measures functions, files, packages and interfaces. What is over a
// size is to be split; what cannot be is an exception with a reason.
func TestSizes(t *testing.T) {
	files := sourceFiles(t)
	var found []oversize
	for _, f := range files {
		found = append(found, tooBig(f)...)
	}
	for dir, n := range linesByDir(files) {
		if n >= maxPackage {
			found = append(found, oversize{"package " + dir, fmt.Sprintf("has %d lines, at most %d are allowed", n, maxPackage-1)})
		}
	}
	for _, o := range found {
		if exceptions[o.what] == "" {
			t.Errorf("%s %s", o.what, o.why)
		}
	}
	for what, reason := range exceptions {
		if reason == "" {
			t.Errorf("the exception for %q has no reason", what)
		}
		if !slices.ContainsFunc(found, func(o oversize) bool { return o.what == what }) {
			t.Errorf("the exception for %q is not needed any more", what)
		}
	}
}

// The measure finds what it is for.
func TestSizesFind(t *testing.T) {
	lines := func(s string, n int) string { return strings.Repeat(s+"\n", n) }
	for _, c := range []struct{ name, src, want string }{
		{"short", "func f() {\n" + lines("f()", 57) + "}", ""},
		{"long", "func (x *T[K]) f() {\n" + lines("f()", 58) + "}", "func a.(*T).f"},
		{"long literal", "var v = func() {\n" + lines("f()", 58) + "}", "func a.literal:2"},
		{"flat switch", "func f() {\nswitch x {\n" + lines("case 1:\nf()", 40) + "}\n}", ""},
		{"flat switch in a loop", "func f() {\nfor {\nswitch x {\n" + lines("case 1:\nf()", 40) + "}\n}\n}", ""},
		{"huge switch", "func f() {\nswitch x {\n" + lines("case 1:\nf()", 50) + "}\n}", "func a.f"},
		{"nested switch", "func f() {\nswitch x {\ncase 2:\nfor {\n}\n" + lines("case 1:\nf()", 40) + "}\n}", "func a.f"},
		{"fat case", "func f() {\nswitch x {\n" + lines("case 1:", 40) + lines("f()", 20) + "}\n}", "func a.f"},
		{"long file", lines("//", 500), "file a/a.go"},
		{"interface", "type I interface {\n" + "A(); B(); C(); D(); E(); F(); G()\n}", ""},
		{"wide interface", "type I interface {\n" + "A(); B(); C(); D(); E(); F(); G(); io.Reader\n}", "interface a.I"},
		{"constraint", "type I interface {\n~int | ~string | a | b | c | d | e | f | g\n}", ""},
	} {
		f, err := parseSource("a/a.go", []byte("package a\n"+c.src))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, o := range tooBig(f) {
			got = append(got, o.what)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// tooBig returns what in f is over a size, and f itself if it is.
func tooBig(f *sourceFile) (found []oversize) {
	if f.lines > maxFile-1 {
		found = append(found, oversize{"file " + f.path, fmt.Sprintf("has %d lines, at most %d are allowed", f.lines, maxFile-1)})
	}
	function := func(name string, n ast.Node, body *ast.BlockStmt) {
		lines, limit := f.span(n), maxFunction
		if f.isFlat(lines, body) {
			limit = maxSwitch
		}
		if lines >= limit {
			found = append(found, oversize{"func " + f.dir() + "." + name, fmt.Sprintf("has %d lines, at most %d are allowed", lines, limit-1)})
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			function(receiver(n)+n.Name.Name, &ast.FuncLit{Type: n.Type, Body: n.Body}, n.Body)
			return false // a literal is measured with the function around it
		case *ast.FuncLit:
			function(fmt.Sprintf("literal:%d", f.fset.Position(n.Pos()).Line), n, n.Body)
			return false
		case *ast.TypeSpec:
			if it, ok := n.Type.(*ast.InterfaceType); ok && methods(it) >= maxInterface {
				found = append(found, oversize{"interface " + f.dir() + "." + n.Name.Name, fmt.Sprintf("has %d methods, at most %d are allowed", methods(it), maxInterface-1)})
			}
		}
		return true
	})
	return found
}

// isFlat reports whether a function of that many lines is long only because of
// one switch or select, on its own or in a loop, whose cases are short and
// without loops and switches of their own.
func (f *sourceFile) isFlat(lines int, body *ast.BlockStmt) bool {
	if body == nil {
		return false
	}
	for _, s := range body.List {
		if loop, ok := s.(*ast.ForStmt); ok && len(loop.Body.List) > 0 {
			s = loop.Body.List[len(loop.Body.List)-1]
		}
		if cases := clauses(s); cases != nil && lines-f.span(s) < maxFunction/2 {
			return !slices.ContainsFunc(cases, func(c ast.Stmt) bool { return f.span(c) > maxFunction/4 || nests(c) })
		}
	}
	return false
}

// clauses returns the cases of s if it is a switch or a select.
func clauses(s ast.Stmt) []ast.Stmt {
	switch s := s.(type) {
	case *ast.SwitchStmt:
		return s.Body.List
	case *ast.TypeSwitchStmt:
		return s.Body.List
	case *ast.SelectStmt:
		return s.Body.List
	}
	return nil
}

// nests reports whether there is a loop, a switch or a select in s.
func nests(s ast.Stmt) (found bool) {
	ast.Inspect(s, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
			found = true
		}
		return !found
	})
	return found
}

// receiver returns "T." or "(*T)." for a method, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	typ, star := fn.Recv.List[0].Type, false
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ, star = t.X, true
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			if star {
				return "(*" + t.Name + ")."
			}
			return t.Name + "."
		default:
			return "?."
		}
	}
}

// methods counts the methods of an interface. An embedded interface counts as
// one; the terms of a constraint do not count.
func methods(it *ast.InterfaceType) (n int) {
	for _, m := range it.Methods.List {
		switch m.Type.(type) {
		case *ast.FuncType:
			n += len(m.Names)
		case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr:
			n++
		}
	}
	return n
}
