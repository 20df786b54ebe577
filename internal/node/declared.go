package node

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/near"
)

// CheckSchedules returns an error, of kind fault.Invalid, if a schedule that m declares calls
// what neither m nor one of the others has. The error names the schedule, and names that
// are like the target's.
func CheckSchedules(m *host.Manifest, others ...*host.Manifest) error {
	ix := host.NewIndex(append(others, m)...)
	for _, name := range slices.Sorted(maps.Keys(m.Schedules)) {
		var spec struct {
			Target string `json:"target"`
		}
		if err := json.Unmarshal(m.Schedules[name], &spec); err != nil {
			return fault.New(fault.Invalid, "load", "schedule "+name, "it cannot be read: %v", err)
		}
		typ, rest, object := strings.Cut(spec.Target, "/")
		what, has, all := "function", spec.Target, ix.Methods("")
		if object {
			what, has, all = "type", typ, ix.Types()
		}
		if object && slices.Contains(all, typ) {
			what, has, all = "method of "+typ, rest[strings.LastIndexByte(rest, '.')+1:], ix.Methods(typ)
		}
		if !slices.Contains(all, has) {
			if !host.Reserved(has) {
				all = slices.DeleteFunc(all, host.Reserved)
			}
			return fault.New(fault.Invalid, "load", "schedule "+name, "it calls %s, and there is no %s %q%s", spec.Target, what, has, meant(has, all))
		}
	}
	return nil
}

// meant says what else was meant, perhaps.
func meant(name string, all []string) string {
	if like := near.Name(name, all); like != "" {
		return ": did you mean " + like + "?"
	}
	if len(all) == 0 {
		return ", nor any other"
	}
	return "; there are " + strings.Join(all, ", ")
}
