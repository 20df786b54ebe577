package fleet_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/seed"
)

// A kill at any point of a deploy, a promotion, a rollback, or of the end leaves what was
// before or what comes after: a deployment that answers, of which the versions are whole, and
// no bundle that nobody has.
func TestKilledActs(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed.New(t), 1))
	r := newRig(t)
	first, second := archive(t, "a1"), archive(t, "a2")
	acts := []struct {
		name string
		do   func() (int, []byte, error)
		may  func(before, after *api.Deployment) bool // after what is another state than before
	}{
		{"deploy", func() (int, []byte, error) { return r.ask("POST", "/v1/deployments/a", bundle.TypeTar, second) },
			func(_, after *api.Deployment) bool { return len(after.Versions) == 2 && live(after) == 2 }},
		{"rollback", func() (int, []byte, error) { return r.ask("POST", "/v1/deployments/a/rollback", "", nil) },
			func(_, after *api.Deployment) bool { return live(after) != 0 }},
		{"promote", func() (int, []byte, error) {
			return r.ask("POST", "/v1/deployments/a/promote", "application/json", []byte(`{"version":"1"}`))
		}, func(_, after *api.Deployment) bool { return live(after) == 1 }},
		{"delete", func() (int, []byte, error) { return r.ask("DELETE", "/v1/deployments/a", "", nil) },
			func(_, after *api.Deployment) bool { return after == nil }},
	}
	for round := range 12 {
		if r.state() == nil {
			if status, body, err := r.ask("POST", "/v1/deployments/a", bundle.TypeTar, first); err != nil || status != 201 {
				t.Fatalf("%d %s, %v", status, body, err)
			}
		}
		a := acts[round%len(acts)]
		before := r.state()
		done := make(chan error, 1)
		go func() {
			status, body, err := a.do()
			if err == nil && status >= 300 && status != 409 {
				err = fmt.Errorf("%d %s", status, body)
			} else if err != nil {
				err = nil // it was killed
			}
			done <- err
		}()
		select {
		case err := <-done:
			done <- err
		case <-time.After(time.Duration(rng.IntN(60_000)) * time.Microsecond):
		}
		r.end(syscall.SIGKILL)
		if err := <-done; err != nil {
			t.Errorf("round %d, %s: %v", round, a.name, err)
		}
		r.start()
		after := r.state()
		if !same(before, after) && !a.may(before, after) {
			t.Errorf("round %d: a kill while %s: from %s to %s", round, a.name, words(before), words(after))
		}
		if after == nil {
			if n := r.bundles(); n != 0 {
				t.Errorf("round %d, %s: %d bundles of nobody", round, a.name, n)
			}
			continue
		}
		if n := r.bundles(); n != len(after.Versions) {
			t.Errorf("round %d, %s: %d bundles of %d versions", round, a.name, n, len(after.Versions))
		}
		if got, want := r.who("a"), fmt.Sprint("a", live(after)); got != want {
			t.Errorf("round %d, %s: %s answers, want %s", round, a.name, got, want)
		}
	}
}

// state returns how the deployment a is, nil if there is none.
func (r *rig) state() *api.Deployment {
	r.t.Helper()
	status, body, err := r.ask("GET", "/v1/deployments/a", "", nil)
	if err == nil && status == 404 {
		return nil
	}
	d := &api.Deployment{}
	if err != nil || status != 200 || json.Unmarshal(body, d) != nil {
		r.t.Fatalf("%d %s, %v", status, body, err)
	}
	return d
}

// live returns the number of the version that has all calls, 0 if none has. That is also
// the number in its program's name, whatever number it has here.
func live(d *api.Deployment) int {
	if d == nil {
		return 0
	}
	for _, v := range d.Versions {
		if v.Weight == 1 {
			return v.Number
		}
	}
	return 0
}

func same(a, b *api.Deployment) bool {
	if a == nil || b == nil {
		return a == b
	}
	return words(a) == words(b)
}

// words describes what is durable of a deployment.
func words(d *api.Deployment) string {
	if d == nil {
		return "nothing"
	}
	var b strings.Builder
	for _, v := range d.Versions {
		fmt.Fprintf(&b, "%d %s %v; ", v.Number, v.Version, v.Weight)
	}
	return b.String()
}
