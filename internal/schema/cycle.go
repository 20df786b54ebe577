package schema

import (
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// endless reports whether checking a value with js may come back to js with
// the same value: a validator would never end. References that are not to a
// definition of root are taken for references to root itself.
func endless(root, js *jsonschema.Schema, under map[*jsonschema.Schema]bool) bool {
	if js == nil {
		return false
	}
	if over, seen := under[js]; seen {
		return over
	}
	under[js] = true
	defer func() { under[js] = false }()
	for _, s := range inPlace(root, js) {
		if endless(root, s, under) {
			return true
		}
	}
	return false
}

// inPlace returns the schemas that are applied to the value that js is.
func inPlace(root, js *jsonschema.Schema) []*jsonschema.Schema {
	all := []*jsonschema.Schema{js.Not, js.If, js.Then, js.Else}
	for _, list := range [][]*jsonschema.Schema{js.AllOf, js.AnyOf, js.OneOf} {
		all = append(all, list...)
	}
	for _, m := range []map[string]*jsonschema.Schema{js.DependentSchemas, js.DependencySchemas} {
		for _, s := range m {
			all = append(all, s)
		}
	}
	for _, ref := range []string{js.Ref, js.DynamicRef} {
		if ref == "" {
			continue
		}
		to := root
		for prefix, defs := range map[string]map[string]*jsonschema.Schema{"#/$defs/": root.Defs, "#/definitions/": root.Definitions} {
			if len(ref) > len(prefix) && ref[:len(prefix)] == prefix && defs[ref[len(prefix):]] != nil {
				to = defs[ref[len(prefix):]]
			}
		}
		all = append(all, to)
	}
	return all
}

// anyEndless looks at root and at every schema in it.
func anyEndless(root *jsonschema.Schema) bool {
	under := map[*jsonschema.Schema]bool{}
	var walk func(v reflect.Value) bool
	walk = func(v reflect.Value) bool {
		switch x := v.Interface().(type) {
		case *jsonschema.Schema:
			if x == nil {
				return false
			}
			if endless(root, x, under) {
				return true
			}
			for i := range v.Elem().NumField() {
				if v.Elem().Type().Field(i).IsExported() && walk(v.Elem().Field(i)) {
					return true
				}
			}
		case []*jsonschema.Schema:
			return slices.ContainsFunc(x, func(s *jsonschema.Schema) bool { return walk(reflect.ValueOf(s)) })
		case map[string]*jsonschema.Schema:
			for _, s := range x {
				if walk(reflect.ValueOf(s)) {
					return true
				}
			}
		}
		return false
	}
	return walk(reflect.ValueOf(root))
}
