package fleet_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Two deployments run on one platform, from archive to answer, and over its end and
// its kill.
func TestTwoDeployments(t *testing.T) {
	r := newRig(t)
	if status, body, err := r.ask("POST", "/v1/functions/a-who", "application/json", []byte("{}")); err != nil || status != 404 {
		t.Errorf("before there is anything: %d %s, %v", status, body, err)
	}
	for _, name := range []string{"a", "b"} {
		out := r.deploy(name+"1", "", 201)
		if out.Number != 1 || !out.New || out.Weight != 1 || !strings.HasPrefix(out.Version, name+"@") {
			t.Errorf("deployed: %+v", out)
		}
		if again := r.deploy(name+"1", "", 200); again.New || again.Version != out.Version {
			t.Errorf("the same once more: %+v", again)
		}
	}
	for round, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, 0} {
		for _, name := range []string{"a", "b"} {
			if got := r.add(name, "k"); got != (told{round + 1, name + "1"}) {
				t.Errorf("round %d: %+v", round, got)
			}
			if got := r.who(name); got != name+"1" {
				t.Errorf("round %d: %s", round, got)
			}
		}
		if sig != 0 {
			r.end(sig)
			r.start()
		}
	}
}

// What cannot run changes nothing and leaves nothing behind.
func TestRefusedDeploys(t *testing.T) {
	r := newRig(t)
	bundles := func() int {
		all, err := os.ReadDir(filepath.Join(r.dir, "bundles"))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	r.deploy("broken", "", 500) // the deployment b, which is not there yet
	if status, body, _ := r.ask("GET", "/v1/deployments/b", "", nil); status != 404 || bundles() != 0 {
		t.Errorf("a deployment of what is broken: %d %s, and %d bundles", status, body, bundles())
	}
	r.deploy("b1", "", 201)
	r.deploy("broken", "", 500)
	r.deploy("b2", "?steps=0.5,0.1&hold=1m", 400)
	for path, want := range map[string]int{"b/promote": 404, "b/weights": 400, "b/rollback": 409, "c/off": 404} {
		if status, body, _ := r.ask("POST", "/v1/deployments/"+path, "application/json", []byte(map[string]string{"b/promote": `{"version":"7"}`}[path])); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	if d := r.act("GET", "b", ""); len(d.Versions) != 1 || bundles() != 1 || r.who("b") != "b1" {
		t.Errorf("after what was refused: %+v, and %d bundles", d, bundles())
	}
}
