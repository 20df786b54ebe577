package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// into looks at the body of a function, and at the literals in it that are no steps.
func (l *look) into(fn *function, body ast.Node) {
	add := func(pos token.Pos, what, instead string) {
		if !l.allows(pos) {
			fn.found = append(fn.found, finding{pos, what, instead})
		}
	}
	var visit func(ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			sig, ok := l.pass.TypesInfo.TypeOf(n).(*types.Signature)
			if ok && takesFlow(sig) { // what is around it is not run again
				code := &function{workflow: true}
				l.codes = append(l.codes, code)
				l.into(code, n.Body)
				return false
			}
			return !ok || !takesContext(sig)
		case *ast.CallExpr:
			if f := l.callee(n); f != nil && f.Pkg() != nil && f.Pkg().Path() == flowPath && f.Name() == "Step" {
				for _, arg := range n.Args[:min(2, len(n.Args))] {
					ast.Inspect(arg, visit)
				}
				if len(n.Args) == 3 { // what makes the step is run here, the step is not
					if made, ok := ast.Unparen(n.Args[2]).(*ast.CallExpr); ok {
						ast.Inspect(made, visit)
					}
				}
				return false
			}
			l.channels(n, add)
		case *ast.GoStmt:
			add(n.Pos(), "starts a goroutine", "use flow.Start, and wait with flow.All or flow.First")
		case *ast.SelectStmt:
			add(n.Pos(), "selects between channels", "use flow.First")
		case *ast.SendStmt:
			add(n.Pos(), "sends on a channel", "use flow.Wait and signals")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				add(n.Pos(), "receives from a channel", "use flow.Wait and signals")
			}
		case *ast.RangeStmt:
			l.ranged(n, add)
		case *ast.AssignStmt:
			for _, to := range n.Lhs {
				l.written(to, add)
			}
		case *ast.IncDecStmt:
			l.written(n.X, add)
		case *ast.Ident:
			l.used(fn, n, add)
		}
		return true
	}
	ast.Inspect(body, visit)
}

// channels looks for channels that are made or closed.
func (l *look) channels(n *ast.CallExpr, add func(token.Pos, string, string)) {
	const instead = "use flow.Wait, flow.Start and flow.All"
	id, ok := ast.Unparen(n.Fun).(*ast.Ident)
	switch {
	case !ok:
	case l.builtin(id, "close"):
		add(n.Pos(), "closes a channel", instead)
	case l.builtin(id, "make") && isChan(l.pass.TypesInfo.TypeOf(n)):
		add(n.Pos(), "makes a channel", instead)
	}
}

func (l *look) builtin(id *ast.Ident, name string) bool {
	b, ok := l.pass.TypesInfo.Uses[id].(*types.Builtin)
	return ok && b.Name() == name
}

func isChan(t types.Type) bool {
	_, ok := t.Underlying().(*types.Chan)
	return ok
}

// ranged looks at what a loop goes over.
func (l *look) ranged(n *ast.RangeStmt, add func(token.Pos, string, string)) {
	const instead = "go over slices.Sorted(maps.Keys(m))"
	switch t := l.pass.TypesInfo.TypeOf(n.X); {
	case t == nil:
	case isChan(t):
		add(n.Pos(), "receives from a channel", "use flow.Wait and signals")
	default:
		if _, ok := t.Underlying().(*types.Map); ok && n.Key != nil {
			add(n.Pos(), "goes over a map, in another order each time", instead)
		}
		if c, ok := ast.Unparen(n.X).(*ast.CallExpr); ok {
			if f := l.callee(c); f != nil && f.Pkg() != nil && f.Pkg().Path() == "maps" {
				add(n.Pos(), "goes over a map, in another order each time", instead)
			}
		}
	}
}

// written looks for a variable of a package in what is assigned to.
func (l *look) written(to ast.Expr, add func(token.Pos, string, string)) {
	for {
		switch e := ast.Unparen(to).(type) {
		case *ast.SelectorExpr:
			if v, ok := l.pass.TypesInfo.Uses[e.Sel].(*types.Var); ok && global(v) {
				add(e.Pos(), "writes the global variable "+v.Name(), "keep it in the workflow, or in an object")
				return
			}
			to = e.X
		case *ast.IndexExpr:
			to = e.X
		case *ast.StarExpr:
			to = e.X
		case *ast.Ident:
			if v, ok := l.pass.TypesInfo.Uses[e].(*types.Var); ok && global(v) {
				add(e.Pos(), "writes the global variable "+v.Name(), "keep it in the workflow, or in an object")
			}
			return
		default:
			return
		}
	}
}

func global(v *types.Var) bool { return v.Pkg() != nil && v.Parent() == v.Pkg().Scope() }

// used looks at what a name means: a function that differs, or one to follow.
func (l *look) used(fn *function, id *ast.Ident, add func(token.Pos, string, string)) {
	obj := l.pass.TypesInfo.Uses[id]
	if obj == nil || obj.Pkg() == nil {
		return
	}
	if what, instead := differing(obj); what != "" {
		add(id.Pos(), what, instead)
		return
	}
	if f, ok := obj.(*types.Func); ok && l.sameModule(f.Origin()) {
		fn.calls = append(fn.calls, call{id.Pos(), f.Origin()})
	}
}

// clock is what of package time reads the clock, or waits for it.
var clock = map[string]string{
	"Now": "use f.Now()", "Since": "use f.Now().Sub", "Until": "use Sub(f.Now())", "Sleep": "use flow.Sleep", "After": "use flow.Timer",
	"AfterFunc": "use flow.Timer", "Tick": "use flow.Timer in a loop", "NewTimer": "use flow.Timer", "NewTicker": "use flow.Timer in a loop",
}

// pure is what packages have that otherwise do I/O, and does none.
var pure = []string{"os.IsExist", "os.IsNotExist", "os.IsPermission", "os.IsTimeout", "os.NewSyscallError", "os.Expand",
	"net.ParseIP", "net.ParseCIDR", "net.ParseMAC", "net.JoinHostPort", "net.SplitHostPort", "net.IPv4", "net.CIDRMask", "net.IPv4Mask",
	"net/http.StatusText", "net/http.CanonicalHeaderKey", "net/http.DetectContentType", "net/http.ParseTime", "net/http.ParseHTTPVersion"}

// doers are the types of such packages whose methods do I/O.
var doers = []string{"os.File", "os.Root", "os.Process", "os/exec.Cmd", "net.Conn", "net.Listener", "net.Dialer", "net.Resolver", "net.TCPConn", "net.UDPConn",
	"net/http.Client", "net/http.Server", "net/http.Transport", "database/sql.DB", "database/sql.Tx", "database/sql.Conn", "database/sql.Stmt", "database/sql.Rows"}

// differing says what is not the same in two runs about obj, "" if it is, and what to do.
func differing(obj types.Object) (what, instead string) {
	path, name := obj.Pkg().Path(), obj.Name()
	f, isFunc := obj.(*types.Func)
	method := isFunc && f.Signature().Recv() != nil
	switch path {
	case "time":
		if instead := clock[name]; isFunc && !method && instead != "" {
			return "uses time." + name, instead
		}
	case "math/rand", "math/rand/v2":
		if isFunc && !method && !strings.HasPrefix(name, "New") {
			return "uses rand." + name, "use f.Rand()"
		}
	case "crypto/rand":
		return "uses crypto/rand." + name, "use f.Rand(), or a flow.Step for what must be secret"
	case "github.com/google/uuid", "github.com/gofrs/uuid":
		if isFunc && !method && strings.HasPrefix(name, "New") && !slices.Contains([]string{"NewSHA1", "NewMD5", "NewHash"}, name) {
			return "makes a UUID", "make it in a flow.Step, or of the workflow's key"
		}
	case "sync", "sync/atomic":
		if !method {
			return "uses " + path + "." + name, "nothing is parallel in a workflow: leave it out"
		}
	case "context":
		if isFunc && !method && (name == "Background" || name == "TODO") {
			return "uses context." + name, "what wants a context is for a flow.Step, which gets one"
		}
	case "fmt":
		if strings.HasPrefix(name, "Print") || strings.HasPrefix(name, "Scan") {
			return "uses fmt." + name, "use f.Log(), which is silent when the code is run again"
		}
	case "log":
		if isFunc && !method && name != "New" {
			return "uses log." + name, "use f.Log(), which is silent when the code is run again"
		}
	case "os", "os/exec", "net", "net/http", "database/sql", "io/ioutil", "syscall":
		return doing(path, obj)
	}
	return "", ""
}

// doing is differing for the packages that do I/O.
func doing(path string, obj types.Object) (what, instead string) {
	name := path + "." + obj.Name()
	const step = "do I/O in a flow.Step"
	switch obj := obj.(type) {
	case *types.Var:
		if path == "os" && slices.Contains([]string{"Stdin", "Stdout", "Stderr", "Args"}, obj.Name()) && !obj.IsField() {
			return "uses " + name, step
		}
	case *types.Func:
		if recv := obj.Signature().Recv(); recv != nil {
			t := types.Unalias(recv.Type())
			if p, ok := t.(*types.Pointer); ok {
				t = p.Elem()
			}
			if n, ok := types.Unalias(t).(*types.Named); ok && slices.Contains(doers, path+"."+n.Obj().Name()) {
				return "does I/O with " + path + "." + n.Obj().Name() + "." + obj.Name(), step
			}
			return "", ""
		}
		if !slices.Contains(pure, name) {
			return "does I/O with " + name, step
		}
	}
	return "", ""
}
