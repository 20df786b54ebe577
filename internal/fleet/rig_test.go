package fleet_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/bundle"
)

// rig is a platform in a process of its own.
type rig struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	addr string
	said *bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "data"), said: &bytes.Buffer{}}
	r.start()
	t.Cleanup(func() {
		r.end(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the platform said:\n%s", r.said)
		}
	})
	return r
}

func (r *rig) start() {
	r.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd = exec.Command(exe)
	r.cmd.Env = append(os.Environ(), envServer+"="+r.dir)
	r.cmd.Stderr = r.said
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = r.cmd.Wait()
		r.t.Fatalf("the platform did not start: %s", r.said)
	}
	r.addr = strings.TrimSpace(line)
}

// end ends the platform, in order or not.
func (r *rig) end(sig syscall.Signal) {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(sig)
	if err := r.cmd.Wait(); err != nil && sig == syscall.SIGTERM {
		r.t.Errorf("the platform ended with %v", err)
	}
	r.cmd = nil
}

// archive returns a bundle of a version, whose program is this binary.
func archive(t *testing.T, version string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run")
	script := fmt.Sprintf("#!/bin/sh\n%s=%s exec \"$FLEET_PROGRAM\"\n", envVersion, version)
	if version == "broken" {
		script = "#!/bin/sh\necho it is broken\nexit 3\n"
	}
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	m := bundle.Manifest{Name: version[:1], Kind: bundle.Binary, Command: []string{"run"}}
	if err := bundle.Pack(&b, m, []bundle.File{{Path: "run", From: file}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ask makes a request, and returns the status and the answer.
func (r *rig) ask(method, path, media string, body []byte) (int, []byte, error) {
	req, err := http.NewRequest(method, "http://"+r.addr+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", media)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// deploy deploys a version, which is to be taken with that status.
func (r *rig) deploy(version, query string, status int) (out api.Deployed) {
	r.t.Helper()
	got, body, err := r.ask("POST", "/v1/deployments/"+version[:1]+query, bundle.TypeTar, archive(r.t, version))
	if err != nil || got != status {
		r.t.Fatalf("deploy %s%s: %d %s, %v", version, query, got, body, err)
	}
	if status < 300 {
		if err := json.Unmarshal(body, &out); err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

// act does something to a deployment.
func (r *rig) act(method, path, doc string) (d api.Deployment) {
	r.t.Helper()
	status, body, err := r.ask(method, "/v1/deployments/"+path, "application/json", []byte(doc))
	if err != nil || status != 200 {
		r.t.Fatalf("%s %s: %d %s, %v", method, path, status, body, err)
	}
	if err := json.Unmarshal(body, &d); err != nil {
		r.t.Fatal(err)
	}
	return d
}

// add calls an object of a deployment.
func (r *rig) add(name, key string) told {
	r.t.Helper()
	status, body, err := r.ask("POST", "/v1/objects/"+name+"-tally/"+key+"/add", "application/json", []byte("1"))
	var out told
	if err != nil || status != 200 || json.Unmarshal(body, &out) != nil {
		r.t.Fatalf("add to %s of %s: %d %s, %v", key, name, status, body, err)
	}
	return out
}

// who asks the function of a deployment which version runs it.
func (r *rig) who(name string) string {
	r.t.Helper()
	status, body, err := r.ask("POST", "/v1/functions/"+name+"-who", "application/json", []byte("{}"))
	var out string
	if err != nil || status != 200 || json.Unmarshal(body, &out) != nil {
		r.t.Fatalf("who is %s: %d %s, %v", name, status, body, err)
	}
	return out
}

// bundles returns how many bundles there are.
func (r *rig) bundles() int {
	r.t.Helper()
	all, err := os.ReadDir(filepath.Join(r.dir, "bundles"))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(all)
}
