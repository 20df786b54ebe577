// Package sandbox starts a program with walls around it: a file system that has
// only what the program needs, processes of its own, a user of its own, limits, and
// no way to ask the kernel for more. It finds out what the kernel here allows,
// chooses the strongest level, and says which it is.
//
// A program is started through this binary, which builds the walls from the inside
// and then becomes the program. It knows nothing of what the program does.
package sandbox

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/situ-dev/situ/internal/fault"
)

// env is the variable that makes this binary the inside of a sandbox: it holds
// a plan.
const env = "SITU_SANDBOX"

// Level is how strong the walls are. The names are shown, and stay.
type Level string

// The levels, the strongest first.
const (
	// Namespaces: a file system of its own, with the bundle and the system's
	// programs, both read-only, and a small /tmp; processes, users and messages of
	// others are not there; the network may be left out.
	Namespaces Level = "namespaces"
	// Landlock: the kernel refuses all files but those, and signals to others.
	Landlock Level = "landlock"
	// Process: a process with limits and an environment of its own; what it may
	// read is what its user may.
	Process Level = "process"
)

// Levels are all levels, the strongest first.
var Levels = []Level{Namespaces, Landlock, Process}

// Spec says what a program may have.
type Spec struct {
	ID      string   // of the version: its user follows from it
	Root    string   // directory of the bundle, to be read
	Reads   []string // more files and directories to be read
	Sockets []string // Unix sockets to connect to
	Env     []string // all of its environment, but PATH, HOME, TMPDIR and what begins with SITU_WORKER
	Limits  Limits
	NoNet   bool  // it may connect to nobody: needs namespaces
	Level   Level // at most this one; "" is the strongest there is
}

// Limits bound a program. Zero values take the defaults.
type Limits struct {
	Memory    int64 // bytes that a process is meant to use: it may map twice that and 256 MiB; default: not bounded here
	Files     int   // open at once; default 1024
	Processes int   // and threads, of the program and all that it starts; default 512
	Disk      int64 // bytes in /tmp, and of one file; default 64 MiB
}

func (l Limits) withDefaults() Limits {
	l.Files, l.Processes, l.Disk = cmp.Or(l.Files, 1024), cmp.Or(l.Processes, 512), cmp.Or(l.Disk, 64<<20)
	return l
}

// plan is what the inside is told.
type plan struct {
	Level   Level    `json:"level"`
	Path    string   `json:"path"`
	Args    []string `json:"args"`
	Env     []string `json:"env"`
	Dir     string   `json:"dir"`
	Reads   []string `json:"reads"`
	Sockets []string `json:"sockets"`
	Tmp     string   `json:"tmp,omitempty"` // for Landlock
	Limits  Limits   `json:"limits"`
	NoNet   bool     `json:"no_net"`
	User    int      `json:"user"` // 0: it stays
	Probe   bool     `json:"probe"`
}

// Confine changes a command that was not started so that it runs in a sandbox.
// The error is of kind fault.Invalid if what spec asks for cannot be had here.
func (s Spec) Confine(cmd *exec.Cmd) error {
	if !served.Load() { // it would run this program again and again
		return fault.New(fault.Internal, "sandbox", s.ID, "main does not call sandbox.Serve")
	}
	level := s.Level
	if best := Probe().Level; level == "" || slices.Index(Levels, best) > slices.Index(Levels, level) {
		level = best
	}
	return s.confine(cmd, level)
}

func (s Spec) confine(cmd *exec.Cmd, level Level) error {
	if s.NoNet && level != Namespaces {
		return fault.New(fault.Invalid, "sandbox", s.ID, "its network policy is deny, which needs namespaces, and here the level is %s: see `situ isolation`", level)
	}
	p := plan{Level: level, Path: cmd.Path, Args: cmd.Args, Dir: cmp.Or(cmd.Dir, s.Root, "/"), Limits: s.Limits.withDefaults(), NoNet: s.NoNet,
		Reads: append([]string{cmd.Path}, s.Reads...), Sockets: s.Sockets}
	if s.Root != "" {
		p.Reads = append(p.Reads, s.Root)
	}
	tmp := "/tmp"
	if os.Geteuid() == 0 {
		p.User = userOf(s.ID)
	}
	if level != Namespaces {
		dir, err := scratch(s.ID, p.User)
		if err != nil {
			return err
		}
		p.Tmp, tmp = dir, dir
	}
	p.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + tmp, "TMPDIR=" + tmp, "LANG=C.UTF-8"}, s.Env...)
	for _, v := range cmd.Env {
		if strings.HasPrefix(v, "SITU_WORKER") || strings.HasPrefix(v, "GOMEMLIMIT=") || strings.HasPrefix(v, "GORACE=") {
			p.Env = append(p.Env, v)
			if name, at, _ := strings.Cut(v, "="); name == "SITU_WORKER" && filepath.IsAbs(at) {
				p.Sockets = append(p.Sockets, at)
			}
		}
	}
	return p.into(cmd)
}

// into makes cmd one that carries out the plan.
func (p plan) into(cmd *exec.Cmd) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fault.Wrap(fault.Internal, "sandbox", p.Path, err)
	}
	cmd.Path, cmd.Args, cmd.Dir = "/proc/self/exe", []string{"situ-sandbox"}, ""
	cmd.Env = []string{env + "=" + string(text)}
	// Who ends what a program left behind looks for this in the environment.
	for _, v := range p.Env {
		if strings.HasPrefix(v, "SITU_WORKER_TOKEN=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if p.Level != Namespaces {
		return nil
	}
	a := cmd.SysProcAttr
	a.Cloneflags |= syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	if p.NoNet {
		a.Cloneflags |= syscall.CLONE_NEWNET
	}
	if p.User == 0 { // not root: it is, in a namespace of users
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return nil
}

// The users of sandboxes: numbers that systems leave free.
const (
	firstUser = 1_200_000
	users     = 1_000_000
)

// userOf returns the user of a version. Two may have the same, seldom: other
// walls are between them, too.
func userOf(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return firstUser + int(h.Sum32()%users)
}

// scratch makes the directory for temporary files of a version that has no file
// system of its own.
func scratch(id string, user int) (string, error) {
	dir, err := os.MkdirTemp("", "situ-tmp-"+id[:min(len(id), 12)]+"-")
	if err == nil && user != 0 {
		err = os.Chown(dir, user, user)
	}
	return dir, fault.Wrap(fault.Unavailable, "sandbox", id, err)
}
