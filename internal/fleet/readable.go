package fleet

import (
	"encoding/json"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
)

// shape is what is looked at of a schema of state.
type shape struct {
	Type       any               `json:"type"`
	Properties map[string]*shape `json:"properties"`
	Items      *shape            `json:"items"`
}

// readable returns why a program that announces m cannot read the states that one
// wrote which announced was: a field is of another sort now. Fields that come and go
// are no matter. The error is of kind fault.Conflict.
func readable(was, m *host.Manifest) error {
	for i := range was.Types {
		for k := range m.Types {
			if was.Types[i].Name != m.Types[k].Name {
				continue
			}
			var a, b shape
			if json.Unmarshal(was.Types[i].State, &a) != nil || json.Unmarshal(m.Types[k].State, &b) != nil {
				continue // nothing is known of one
			}
			if path, old, new := differ(&a, &b, ""); path != "" {
				return fault.New(fault.Conflict, "deploy", m.Types[k].Name,
					"it cannot read the states that are there: %s was %s and is %s now: keep the field as it is, and give the new one another name", path, old, new)
			}
		}
	}
	return nil
}

// differ returns the first field that is of another sort in b, "" if there is none.
func differ(a, b *shape, path string) (where, old, new string) {
	x, okx := a.Type.(string)
	y, oky := b.Type.(string)
	if okx && oky && x != y && !(x == "integer" && y == "number") {
		return path, x, y
	}
	for name, f := range a.Properties {
		if g := b.Properties[name]; f != nil && g != nil {
			at := name
			if path != "" {
				at = path + "." + name
			}
			if where, old, new := differ(f, g, at); where != "" {
				return where, old, new
			}
		}
	}
	if a.Items != nil && b.Items != nil {
		return differ(a.Items, b.Items, path+"[]")
	}
	return "", "", ""
}
