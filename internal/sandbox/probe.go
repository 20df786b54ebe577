package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Report says what the kernel here allows.
type Report struct {
	Level    Level     `json:"level"` // the strongest that there is
	Features []Feature `json:"features"`
}

// Feature is one kind of wall.
type Feature struct {
	Name string `json:"name"`
	Has  bool   `json:"has"`
	Note string `json:"note"` // what it is for, or why it is not there
}

// probeTimeout bounds a trial.
const probeTimeout = 10 * time.Second

// Probe tries what there is, once. The trial is a sandbox like any other, that
// has nothing to run; this binary is to call Serve.
var Probe = sync.OnceValue(func() Report {
	spaces := try(Namespaces, false)
	net := try(Namespaces, true)
	land := try(Landlock, false)
	r := Report{Level: Process}
	switch {
	case spaces == nil:
		r.Level = Namespaces
	case land == nil:
		r.Level = Landlock
	}
	add := func(name, is string, err error) {
		f := Feature{Name: name, Has: err == nil, Note: is}
		if err != nil {
			f.Note = "not here: " + err.Error()
		}
		r.Features = append(r.Features, f)
	}
	add("namespaces", "a file system and processes of its own", spaces)
	add("network", "policy deny can be kept", net)
	add("landlock", fmt.Sprintf("version %d: files, and signals from version 6 on", landlockVersion()), land)
	add("seccomp", fmt.Sprintf("%d calls of the kernel are refused", len(refused)), missing(filterSupported(), "not for this architecture"))
	add("user", "each version has a user of its own", missing(os.Geteuid() == 0, "situ does not run as root, so versions have its user, in a namespace"))
	add("limits", "files, processes, size of files, memory of a process", nil)
	add("cgroup", "not used yet", missing(false, "shares of processors are not bounded; memory is watched, and bounded for each process"))
	return r
})

func missing(has bool, why string) error {
	if has {
		return nil
	}
	return errors.New(why)
}

// try builds a sandbox of that level that ends at once.
func try(level Level, noNet bool) error {
	if !served.Load() {
		return errors.New("main does not call sandbox.Serve")
	}
	ctx, stop := context.WithTimeout(context.Background(), probeTimeout)
	defer stop()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	p := plan{Level: level, Path: "a trial", Dir: "/", Limits: Limits{}.withDefaults(), NoNet: noNet, Probe: true, Tmp: os.TempDir()}
	if os.Geteuid() == 0 {
		p.User = firstUser
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := p.into(cmd); err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(out.String())
		if _, why, ok := strings.Cut(text, "cannot be built: "); ok {
			text = why
		}
		if text == "" {
			text = err.Error()
		}
		return errors.New(text)
	}
	return nil
}
