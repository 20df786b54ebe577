// Package vet finds what does not belong in the code of workflows: what is not
// the same when the code is run again. It is an analysis like those of go vet, and
// go vet runs it: as `situ vet`, or with -vettool. It looks at functions that
// have a *flow.Flow, and at what they call in the same module; the bodies of steps, and other
// functions that take a context, are not workflow code.
package vet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// situ is the module whose workflows these are.
const situ = "github.com/situ-dev/situ"

const flowPath = situ + "/flow"

// Analyzer is the check.
var Analyzer = &analysis.Analyzer{
	Name: "situflow",
	Doc: "find what differs between two runs of the code of a workflow\n\n" +
		"The code of a workflow is run again from its beginning, and must do the same then. The clock, random numbers, goroutines, the order of maps, " +
		"I/O and global variables belong in steps. A line that is right all the same says //situ:allow and why.",
	Run:       run,
	FactTypes: []analysis.Fact{new(differs)},
}

// differs is the fact that a function is not the same in each run.
type differs struct {
	What  string // it does
	Where string // file:line
}

// AFact implements analysis.Fact.
func (*differs) AFact() {}

func (d *differs) String() string { return d.What }

// finding is one thing that differs.
type finding struct {
	pos     token.Pos
	what    string
	instead string
}

// function is a declared function: what is wrong in it, and whom it calls.
type function struct {
	obj      *types.Func
	workflow bool // it has a *flow.Flow
	found    []finding
	calls    []call
}

type call struct {
	pos token.Pos
	to  *types.Func
}

func run(pass *analysis.Pass) (any, error) {
	if !ours(pass) {
		return nil, nil
	}
	l := &look{pass: pass, allowed: allowed(pass)}
	all := map[*types.Func]*function{}
	var order []*function
	for _, file := range pass.Files {
		if strings.HasSuffix(pass.Fset.Position(file.Pos()).Filename, "_test.go") {
			continue // a test drives workflows, and is none
		}
		l.variables(file)
		for _, d := range file.Decls {
			decl, ok := d.(*ast.FuncDecl)
			if !ok || decl.Body == nil {
				continue
			}
			obj, ok := pass.TypesInfo.Defs[decl.Name].(*types.Func)
			if !ok || takesContext(obj.Signature()) {
				continue
			}
			fn := &function{obj: obj, workflow: takesFlow(obj.Signature())}
			l.into(fn, decl.Body)
			all[obj.Origin()] = fn
			order = append(order, fn)
		}
	}
	l.export(order)
	l.report(order, all)
	return nil, nil
}

// ours reports whether the package is one that can have workflow code: not of the
// standard library, and not what workflows are made of.
func ours(pass *analysis.Pass) bool {
	path := pass.Pkg.Path()
	if m := pass.Module; m != nil && m.Path != "" {
		return m.Path != "std" && !engine(path)
	}
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && !engine(path)
}

// engine reports whether a package is Situ's own: what it does for workflows is as it
// has to be.
func engine(path string) bool {
	return path == situ || path == flowPath || path == situ+"/situtest" || path == situ+"/embedded" || strings.HasPrefix(path, situ+"/internal/")
}

func takesFlow(sig *types.Signature) bool {
	for v := range sig.Params().Variables() {
		if p, ok := types.Unalias(v.Type()).(*types.Pointer); ok && named(p.Elem(), flowPath, "Flow") {
			return true
		}
	}
	return false
}

func takesContext(sig *types.Signature) bool {
	return sig.Params().Len() > 0 && named(sig.Params().At(0).Type(), "context", "Context")
}

func named(t types.Type, path, name string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == path
}

// look is a look at one package.
type look struct {
	pass    *analysis.Pass
	allowed map[string]map[int]string // by file and line: the reason
	codes   []*function               // workflow code that is a literal
}

// variables looks for workflow code that is a literal in a variable outside of functions.
func (l *look) variables(file *ast.File) {
	for _, d := range file.Decls {
		if decl, ok := d.(*ast.GenDecl); ok && decl.Tok == token.VAR {
			l.into(&function{}, decl) // what is not workflow code in it is of no matter
		}
	}
}

// export makes facts of functions that differ, for the packages that import this one.
func (l *look) export(order []*function) {
	for changed := true; changed; { // until nothing new is known: calls may be in circles
		changed = false
		for _, fn := range order {
			if l.pass.ImportObjectFact(fn.obj, new(differs)) {
				continue
			}
			if d := l.why(fn); d != nil {
				l.pass.ExportObjectFact(fn.obj, d)
				changed = true
			}
		}
	}
}

// why returns why a function differs, nil if it does not.
func (l *look) why(fn *function) *differs {
	if len(fn.found) > 0 {
		return &differs{fn.found[0].what, l.where(fn.found[0].pos)}
	}
	for _, c := range fn.calls {
		d := new(differs)
		if l.sameModule(c.to) && l.pass.ImportObjectFact(c.to, d) {
			return d
		}
	}
	return nil
}

func (l *look) sameModule(f *types.Func) bool {
	if f.Pkg() == nil || engine(f.Pkg().Path()) {
		return false
	}
	if f.Pkg() == l.pass.Pkg {
		return true
	}
	module, _, _ := strings.Cut(l.pass.Pkg.Path(), "/")
	if m := l.pass.Module; m != nil && m.Path != "" {
		module = m.Path
	}
	path := f.Pkg().Path()
	return path == module || strings.HasPrefix(path, module+"/")
}

// report tells what is wrong in the code of workflows: in it, and in what it calls in this
// package, where it is; in what it calls in others, at the call.
func (l *look) report(order []*function, all map[*types.Func]*function) {
	seen := map[*function]bool{}
	var visit func(fn *function, from string)
	visit = func(fn *function, from string) {
		if seen[fn] {
			return
		}
		seen[fn] = true
		for _, f := range fn.found {
			l.pass.Report(analysis.Diagnostic{Pos: f.pos, Message: fmt.Sprintf("workflow code%s %s; %s", from, f.what, f.instead)})
		}
		for _, c := range fn.calls {
			d := new(differs)
			if to := all[c.to]; to != nil {
				by := from
				if by == "" {
					by = " (called by " + fn.name() + ")"
				}
				visit(to, by)
			} else if l.sameModule(c.to) && l.pass.ImportObjectFact(c.to, d) && !l.allows(c.pos) {
				l.pass.Report(analysis.Diagnostic{Pos: c.pos, Message: fmt.Sprintf("workflow code%s calls %s, which %s (%s); do that in a flow.Step", from, c.to.FullName(), d.What, d.Where)})
			}
		}
	}
	for _, fn := range order {
		if fn.workflow {
			visit(fn, "")
		}
	}
	for _, fn := range l.codes {
		visit(fn, "")
	}
}

func (fn *function) name() string {
	if fn.obj == nil {
		return "the code of a workflow"
	}
	return fn.obj.Name()
}

func (l *look) where(pos token.Pos) string {
	p := l.pass.Fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename[strings.LastIndexByte(p.Filename, '/')+1:], p.Line)
}

// allows reports whether the line of pos, or the one above, says that it may.
func (l *look) allows(pos token.Pos) bool {
	p := l.pass.Fset.Position(pos)
	lines := l.allowed[p.Filename]
	return lines[p.Line] != "" || lines[p.Line-1] != ""
}

// allowed returns the lines that say //situ:allow. One without a reason is
// reported, and allows nothing.
func allowed(pass *analysis.Pass) map[string]map[int]string {
	all := map[string]map[int]string{}
	for _, file := range pass.Files {
		for _, group := range file.Comments {
			for _, c := range group.List {
				reason, ok := strings.CutPrefix(c.Text, "//situ:allow")
				if !ok {
					continue
				}
				p := pass.Fset.Position(c.Pos())
				if reason = strings.TrimSpace(reason); reason == "" {
					pass.Reportf(c.Pos(), "//situ:allow says no reason: write why the line is the same in every run")
					continue
				}
				if all[p.Filename] == nil {
					all[p.Filename] = map[int]string{}
				}
				all[p.Filename][p.Line] = reason
			}
		}
	}
	return all
}

// callee returns the function that an expression calls, nil if that is not known.
func (l *look) callee(n *ast.CallExpr) *types.Func {
	f := typeutil.StaticCallee(l.pass.TypesInfo, n)
	if f != nil {
		f = f.Origin()
	}
	return f
}
