package situ

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/program"
)

// Main says what the program hosts and how it is run, unless it is told what
// to do.
func TestMainByHand(t *testing.T) {
	typ := NewType("lamp", Doc("A lamp."))
	on := NewMethod[None, bool](typ, "on", Doc("Switches it on."))
	lamp := Object(typ, On(on, func(*struct{ Lit bool }, *Turn, None) (bool, error) { return true, nil }))
	run := func(env string, args ...string) (int, string, string) {
		var out, diag bytes.Buffer
		p := program.Process{Args: append([]string{"/bin/lamps"}, args...), Stdout: &out, Stderr: &diag,
			Env: func(name string) string { return map[string]string{env: "/does/not/exist"}[name] }}
		code := p.Run(func() (*host.Set, error) { return Assemble(lamp) })
		return code, out.String(), diag.String()
	}
	code, out, diag := run("")
	if code != 2 || out != "" || !strings.Contains(diag, "Switches it on.") || !strings.Contains(diag, "situ dev .") {
		t.Errorf("help: %d, %s, %s", code, out, diag)
	}
	var m host.Manifest
	code, out, diag = run("", "describe")
	if err := json.Unmarshal([]byte(out), &m); code != 0 || err != nil || m.Types[0].Name != "lamp" || diag != "" {
		t.Errorf("describe: %d, %v, %+v, %s", code, err, m, diag)
	}
	if code, _, diag = run("SITU_WORKER"); code != 69 || !strings.Contains(diag, "/does/not/exist") {
		t.Errorf("worker without an engine: %d, %s", code, diag)
	}
	var said bytes.Buffer
	p := program.Process{Stderr: &said, Stdout: io.Discard, Env: func(string) string { return "" }}
	if code := p.Run(func() (*host.Set, error) { return Assemble(lamp, lamp) }); code != 64 || said.String() != "situ: type lamp is hosted twice\n" {
		t.Errorf("twice the same: %d, %q", code, said.String())
	}
}
