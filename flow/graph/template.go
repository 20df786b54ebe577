package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// A template is JSON in which some objects with one member that begins with '$'
// stand for something else:
//
//	{"$ref": "#/steps/a/id"}                what is there; with "default", that if nothing is
//	{"$join": ["order-", {"$ref": …}]}      texts, numbers and booleans, put together as a text
//	{"$literal": …}                         what it has, as it is

// Look finds what a reference begins with: the first parts of its pointer are
// taken away. The error says why there is nothing.
type Look func(ref []string) (v any, rest []string, err error)

// Eval returns the value of a template.
func Eval(template any, look Look) (any, error) {
	switch t := template.(type) {
	case map[string]any:
		if op, ok := operator(t); ok {
			return operate(op, t, look)
		}
		out := make(map[string]any, len(t))
		for k, v := range t {
			got, err := Eval(v, look)
			if err != nil {
				return nil, err
			}
			out[k] = got
		}
		return out, nil
	case []any:
		out := make([]any, len(t))
		for i, v := range t {
			got, err := Eval(v, look)
			if err != nil {
				return nil, err
			}
			out[i] = got
		}
		return out, nil
	}
	return template, nil
}

// operator returns the operator that an object is, if it is one.
func operator(m map[string]any) (string, bool) {
	for name := range m {
		if strings.HasPrefix(name, "$") {
			return name, true
		}
	}
	return "", false
}

func operate(op string, m map[string]any, look Look) (any, error) {
	switch op {
	case "$literal":
		return m[op], nil
	case "$join":
		var b strings.Builder
		parts, _ := m[op].([]any)
		for _, p := range parts {
			v, err := Eval(p, look)
			if err != nil {
				return nil, err
			}
			s, ok := asText(v)
			if !ok {
				return nil, fmt.Errorf("$join puts texts, numbers and booleans together, not %s", kindOf(v))
			}
			b.WriteString(s)
		}
		return b.String(), nil
	}
	pointer, _ := m["$ref"].(string)
	v, err := find(pointer, look)
	if other, ok := m["default"]; ok && (err != nil || v == nil) {
		return Eval(other, look)
	}
	return v, err
}

func find(pointer string, look Look) (any, error) {
	parts, err := split(pointer)
	if err != nil {
		return nil, err
	}
	v, rest, err := look(parts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pointer, err)
	}
	for i, p := range rest {
		at := "#/" + strings.Join(parts[:len(parts)-len(rest)+i], "/")
		switch in := v.(type) {
		case map[string]any:
			got, ok := in[p]
			if !ok {
				return nil, fmt.Errorf("%s: %s has no member %q", pointer, at, p)
			}
			v = got
		case []any:
			n, err := strconv.Atoi(p)
			if err != nil || n < 0 || n >= len(in) || strconv.Itoa(n) != p {
				return nil, fmt.Errorf("%s: %s has %d elements, and none %q", pointer, at, len(in), p)
			}
			v = in[n]
		default:
			return nil, fmt.Errorf("%s: %s is %s, which has no members", pointer, at, kindOf(v))
		}
	}
	return v, nil
}

// split cuts a pointer, a URI fragment as RFC 6901 has it, into its parts.
func split(pointer string) ([]string, error) {
	rest, ok := strings.CutPrefix(pointer, "#/")
	if !ok {
		return nil, fmt.Errorf("%q is no pointer: it begins with #/input, #/steps/NAME, #/item, #/index or #/error", pointer)
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	return parts, nil
}

func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// Equal reports whether two JSON values are the same; numbers by what they are
// worth.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		bm, ok := b.(map[string]any)
		if !ok || len(a) != len(bm) {
			return false
		}
		for k, v := range a {
			if w, ok := bm[k]; !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		bl, ok := b.([]any)
		return ok && slices.EqualFunc(a, bl, Equal)
	}
	if x, y := number(a), number(b); x != nil && y != nil {
		return x.Cmp(y) == 0
	}
	return a == b
}

// number returns what a number is worth, nil if v is none, or one so long that
// nobody means it.
func number(v any) *big.Float {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = string(v)
	case int:
		s = strconv.Itoa(v)
	case float64:
		s = strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return nil
	}
	if len(s) > 64 {
		return nil
	}
	f, _, err := big.ParseFloat(s, 10, 256, big.ToNearestEven)
	if err != nil {
		return nil
	}
	return f
}

// normal returns a template as Parse would have read it: what was built in Go may
// have any values that can be JSON.
func normal(v any) (any, error) {
	switch v.(type) {
	case nil, string, bool, json.Number:
		return v, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return Decode(b.Bytes())
}

// refs calls f for each reference in a template, with its pointer, and for what is
// malformed.
func refs(t any, at string, ref func(at, pointer string, optional bool), bad func(at, why string)) {
	switch t := t.(type) {
	case map[string]any:
		op, ok := operator(t)
		if !ok {
			for _, k := range sortedKeys(t) {
				refs(t[k], under(at, k), ref, bad)
			}
			return
		}
		_, optional := t["default"]
		switch {
		case op == "$literal" && len(t) == 1:
		case op == "$join" && len(t) == 1:
			if list, ok := t[op].([]any); ok {
				refs(list, under(at, op), ref, bad)
			} else {
				bad(under(at, op), "want a list")
			}
		case t["$ref"] != nil && len(t) <= 2 && (len(t) == 1 || optional):
			if s, ok := t["$ref"].(string); ok {
				ref(at, s, optional)
			} else {
				bad(at, "$ref is no string")
			}
			refs(t["default"], under(at, "default"), ref, bad)
		default:
			bad(at, fmt.Sprintf("there is no %q: an object with a member that begins with $ is $ref (and default), $join or $literal, alone", op))
		}
	case []any:
		for i, e := range t {
			refs(e, under(at, i), ref, bad)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
