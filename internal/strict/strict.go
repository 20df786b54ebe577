// Package strict reads a file of settings in YAML (and so in JSON) into a struct:
// what the struct does not know, what is given twice, and values that are none are errors that
// name file, line and what was probably meant. It knows nothing of what the
// settings are for.
package strict

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
)

// maxSize bounds a file of settings, in bytes; maxErrors bounds how many of its
// errors are told at once.
const (
	maxSize   = 1 << 20
	maxErrors = 10
)

// Decode reads b into the struct that into points to, whose fields have the tag
// `yaml`. Text that is quoted or not makes no difference; a field of a type with
// UnmarshalText takes its text, one of json.RawMessage any value.
//
// The error is of kind fault.Invalid and has a line for each thing that is
// wrong, as file:line: what.
func Decode(b []byte, file string, into any) error {
	if len(b) > maxSize {
		return fault.New(fault.Invalid, "", "", "%s: it is larger than %d bytes", file, maxSize)
	}
	var docs []yaml.Node
	d := decoder{file: file}
	if err := yaml.Load(b, &docs, yaml.WithAllDocuments()); err != nil {
		return fault.New(fault.Invalid, "", "", "%s: it is no YAML: %v", file, brief(err))
	}
	switch {
	case len(docs) > 1:
		d.bad(&docs[1], "a second document begins here: one is read")
	case len(docs) == 1 && len(docs[0].Content) == 1:
		d.value(docs[0].Content[0], reflect.ValueOf(into).Elem(), "")
	case len(docs) == 1 && docs[0].Kind != yaml.DocumentNode:
		d.value(&docs[0], reflect.ValueOf(into).Elem(), "")
	default:
		d.bad(&yaml.Node{}, "it is empty")
	}
	if len(d.errs) == 0 {
		return nil
	}
	if len(d.errs) > maxErrors {
		d.errs = append(d.errs[:maxErrors], fmt.Sprintf("and %d more", len(d.errs)-maxErrors))
	}
	return fault.New(fault.Invalid, "", "", "%s", strings.Join(d.errs, "\n"))
}

// brief drops what the library says of itself.
func brief(err error) string {
	text := err.Error()
	for _, p := range []string{"yaml: ", "go-yaml: ", "load errors: "} {
		text = strings.TrimPrefix(text, p)
	}
	return strings.TrimSpace(strings.ReplaceAll(text, "\n", "; "))
}

type decoder struct {
	file string
	errs []string
}

func (d *decoder) bad(n *yaml.Node, format string, args ...any) {
	at := d.file
	if n.Line > 0 {
		at = fmt.Sprintf("%s:%d", d.file, n.Line)
	}
	d.errs = append(d.errs, at+": "+fmt.Sprintf(format, args...))
}

// raw is the type of a field that takes any value.
var raw = reflect.TypeFor[json.RawMessage]()

// value reads a node into v. The path is for messages.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" { // what is below follows
		d.bad(n, "%san alias or anchor is not taken here: write the value out", of(path))
		return
	}
	if n.Tag == "!!null" && n.Kind == yaml.ScalarNode && v.Type() != raw {
		return // as if it were not there
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
		return
	}
	switch u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); {
	case v.Type() == raw:
		d.raw(n, v, path)
	case ok:
		if d.kind(n, yaml.ScalarNode, "one value", path) {
			if err := u.UnmarshalText([]byte(n.Value)); err != nil {
				d.bad(n, "%s%v", of(path), err)
			}
		}
	case v.Kind() == reflect.Struct:
		if d.kind(n, yaml.MappingNode, "a mapping (NAME: VALUE)", path) {
			d.fields(n, v, path)
		}
	case v.Kind() == reflect.Map:
		if d.kind(n, yaml.MappingNode, "a mapping (NAME: VALUE)", path) {
			d.entries(n, v, path)
		}
	case v.Kind() == reflect.Slice:
		if d.kind(n, yaml.SequenceNode, "a list (- VALUE)", path) {
			d.list(n, v, path)
		}
	default:
		if d.kind(n, yaml.ScalarNode, "one value", path) {
			d.scalar(n, v, path)
		}
	}
}

// kind checks what a node is.
func (d *decoder) kind(n *yaml.Node, want yaml.Kind, text, path string) bool {
	if n.Kind != want {
		d.bad(n, "%sit is to be %s", of(path), text)
	}
	return n.Kind == want
}

// fields reads a mapping into a struct.
func (d *decoder) fields(n *yaml.Node, v reflect.Value, path string) {
	known := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		known[name], names = i, append(names, name)
	}
	d.pairs(n, path, func(key, val *yaml.Node, p string) {
		i, ok := known[key.Value]
		if ok {
			d.value(val, v.Field(i), p)
			return
		}
		what := "there is no " + p
		if hint := near.Name(key.Value, names); hint != "" {
			d.bad(key, "%s; did you mean %s?", what, hint)
			return
		}
		d.bad(key, "%s; there is %s", what, strings.Join(names, ", "))
	})
}

// entries reads a mapping into a map.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, val *yaml.Node, p string) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(val, e, p)
		v.SetMapIndex(reflect.ValueOf(key.Value), e)
	})
}

// pairs calls f for each pair of a mapping whose keys are different.
func (d *decoder) pairs(n *yaml.Node, path string, f func(key, val *yaml.Node, path string)) {
	var seen []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			d.bad(key, "%sa name is to be plain text", of(path))
			continue
		}
		p := key.Value
		if path != "" {
			p = path + "." + p
		}
		if slices.Contains(seen, key.Value) {
			d.bad(key, "%s is there twice", p)
			continue
		}
		seen = append(seen, key.Value)
		f(key, n.Content[i+1], p)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		d.value(c, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// scalar reads text, a number, or true and false.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if v.Kind() == reflect.String {
		v.SetString(n.Value) // 1.10 is a text, too
		return
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		want := map[reflect.Kind]string{reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Float64: "a number", reflect.Bool: "true or false"}[v.Kind()]
		d.bad(n, "%sit is %q, and is to be %s", of(path), n.Value, want)
	}
}

// raw reads any value as JSON.
func (d *decoder) raw(n *yaml.Node, v reflect.Value, path string) {
	if aliased(n) {
		d.bad(n, "%san alias or anchor is not taken here: write the value out", of(path))
		return
	}
	var any any
	err := n.Decode(&any)
	if err == nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err = enc.Encode(any); err == nil {
			v.SetBytes(bytes.TrimSpace(b.Bytes()))
			return
		}
	}
	if t, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		err = fmt.Errorf("it cannot be written as JSON: %w", t)
	}
	d.bad(n, "%s%s", of(path), brief(err))
}

// aliased reports whether something in n is an alias, or has a name for one: a
// few of them make a value of any size.
func aliased(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, aliased)
}

// of begins a message about what is at path.
func of(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}
