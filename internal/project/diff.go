package project

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/fault"
)

// Change is one difference between two manifests.
type Change struct {
	Path string `json:"path"`          // as limits.memory
	Old  string `json:"old,omitempty"` // JSON; "" if it was not there
	New  string `json:"new,omitempty"` // JSON; "" if it is not there any more
}

// Diff returns what is different in the manifest now from what it was, by path.
// A nil one is that of nothing.
func Diff(was, now *bundle.Manifest) ([]Change, error) {
	a, err := flatten(was)
	if err != nil {
		return nil, err
	}
	b, err := flatten(now)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	var changes []Change
	for _, p := range slices.Sorted(maps.Keys(all)) {
		if a[p] != b[p] {
			changes = append(changes, Change{Path: p, Old: a[p], New: b[p]})
		}
	}
	return changes, nil
}

// flatten returns the leaves of a manifest as JSON, by path.
func flatten(m *bundle.Manifest) (map[string]string, error) {
	leaves := map[string]string{}
	if m == nil {
		return leaves, nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "diff", m.Name, err)
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return nil, fault.Wrap(fault.Internal, "diff", m.Name, err)
	}
	walk(tree, "", leaves)
	delete(leaves, "format")
	return leaves, nil
}

func walk(v any, path string, leaves map[string]string) {
	below := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			walk(e, below(name), leaves)
		}
		if len(v) == 0 && path != "" {
			leaves[path] = "{}"
		}
	case []any:
		for i, e := range v {
			walk(e, path+"["+strconv.Itoa(i)+"]", leaves)
		}
	default:
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(v) == nil { // it came from JSON
			leaves[path] = string(bytes.TrimSpace(b.Bytes()))
		}
	}
}
