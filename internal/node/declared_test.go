package node_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
)

// TestScheduledTargets refuses a program whose schedules call what there is not.
func TestScheduledTargets(t *testing.T) {
	other := &host.Manifest{Functions: []host.MethodManifest{{Name: "elsewhere"}}}
	for target, want := range map[string]string{
		"report":         "",
		"book/a/b.note":  "",
		"elsewhere":      "",
		"reprot":         `schedule nightly: it calls reprot, and there is no function "reprot": did you mean report?`,
		"boook/a.note":   `there is no type "boook": did you mean book?`,
		"book/a.b.noet":  `there is no method of book "noet": did you mean note?`,
		"book/a.heard":   `there is no method of book "heard"; there are note`,
		"something-else": `there is no function "something-else"; there are elsewhere, report`,
	} {
		spec, err := json.Marshal(map[string]string{"cron": "@daily", "target": target})
		if err != nil {
			t.Fatal(err)
		}
		err = node.CheckSchedules(&host.Manifest{Functions: []host.MethodManifest{{Name: "report"}}, Schedules: map[string]json.RawMessage{"nightly": spec},
			Types: []host.TypeManifest{{Name: "book", Methods: []host.MethodManifest{{Name: "note"}, {Name: "heard", Internal: true}}}}}, other)
		if want == "" && err != nil || want != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
	}
}
