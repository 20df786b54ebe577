package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit code of a sandbox that could not be built.
const exitBroken = 125

// served says that this binary can be the inside of a sandbox.
var served atomic.Bool

// Served reports whether main has called Serve: otherwise there are no sandboxes
// in this program.
func Served() bool { return served.Load() }

// Serve makes this process the inside of a sandbox, if it is to be one: it then
// becomes the program, or ends. It is called first in main.
func Serve() {
	served.Store(true)
	text := os.Getenv(env)
	if text == "" {
		return
	}
	// What the kernel restricts is a thread; this one becomes the program.
	runtime.LockOSThread()
	var p plan
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = p.enter()
	}
	_, _ = fmt.Fprintf(os.Stderr, "situ: the sandbox of %s (level %s) cannot be built: %v\n", p.Path, p.Level, err) // nobody to tell
	os.Exit(exitBroken)
}

// enter builds the walls, and becomes the program. The order matters: each step
// needs what the next ones take away.
func (p *plan) enter() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := p.reach(); err != nil {
		return err
	}
	if p.Level == Namespaces {
		if err := p.files(); err != nil {
			return err
		}
		if p.NoNet {
			if err := loopback(); err != nil {
				return fmt.Errorf("loopback: %w", err)
			}
		}
	}
	if err := p.limit(); err != nil {
		return err
	}
	if err := p.become(); err != nil {
		return err
	}
	if err := os.Chdir(p.Dir); err != nil {
		return err
	}
	if p.Level == Landlock {
		if err := p.landlock(); err != nil {
			return fmt.Errorf("landlock: %w", err)
		}
	}
	if p.Level != Process {
		if err := filter(); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	if p.Probe {
		os.Exit(0)
	}
	return fmt.Errorf("exec %s: %w", p.Path, syscall.Exec(p.Path, p.Args, p.Env))
}

// reach lets the program's user, and nobody else, connect to the sockets.
func (p *plan) reach() error {
	for _, path := range p.Sockets {
		if p.User == 0 {
			continue // it is whose they are
		}
		if err := os.Chown(path, p.User, p.User); err != nil {
			return err
		}
		if p.Level == Namespaces {
			continue // the way to it is made there
		}
		dir := filepath.Dir(path)
		if info, err := os.Stat(dir); err != nil {
			return err
		} else if info.Mode().Perm() == 0o700 {
			if err := os.Chmod(dir, 0o711); err != nil { // to be walked through, not listed
				return err
			}
		}
	}
	return nil
}

// limit sets the limits of the kernel. What is not bounded stays as it is.
func (p *plan) limit() error {
	// Threads of C take so much of their process's data each; the usual 8 MiB
	// would leave few of them.
	if err := syscall.Setrlimit(unix.RLIMIT_STACK, &syscall.Rlimit{Cur: stack, Max: stack}); err != nil {
		return fmt.Errorf("the limit of stacks: %w", err)
	}
	for _, l := range []struct {
		name string
		what int
		most uint64
	}{
		{"core", unix.RLIMIT_CORE, 0},
		{"files", unix.RLIMIT_NOFILE, uint64(p.Limits.Files)},
		{"processes", unix.RLIMIT_NPROC, uint64(p.Limits.Processes)},
		{"disk", unix.RLIMIT_FSIZE, uint64(p.Limits.Disk)},
		{"memory", unix.RLIMIT_DATA, p.Limits.data()},
		{"messages", unix.RLIMIT_MSGQUEUE, 0},
	} {
		if l.what == unix.RLIMIT_DATA && l.most == 0 || l.what == unix.RLIMIT_NPROC && p.Level == Process && p.User == 0 {
			continue // without a user of its own it would count what others run
		}
		var is syscall.Rlimit
		if err := syscall.Getrlimit(l.what, &is); err != nil {
			return fmt.Errorf("the limit of %s: %w", l.name, err)
		}
		most := min(l.most, is.Max) // a lower one that is there already stays
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("the limit of %s: %w", l.name, err)
		}
	}
	return nil
}

// stack is what a thread's may have, in bytes: engines of languages count on
// one megabyte.
const stack = 2 << 20

// data is what a process may map to write to. It is more than the memory that is
// meant: a runtime maps, and has stacks, before it uses any. Who watches the memory
// that is used ends a process sooner; this is for when nobody could.
func (l Limits) data() uint64 {
	if l.Memory == 0 {
		return 0
	}
	return uint64(2*l.Memory) + 256<<20
}

// become gives up all rights, and the user if that was root.
func (p *plan) become() error {
	for c := 0; ; c++ { // whoever is root in a namespace of users has none afterwards
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			break // there is no such one any more, or no right to do this
		}
	}
	if p.User == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	if err := syscall.Setresgid(p.User, p.User, p.User); err != nil {
		return fmt.Errorf("group %d: %w", p.User, err)
	}
	if err := syscall.Setresuid(p.User, p.User, p.User); err != nil {
		return fmt.Errorf("user %d: %w", p.User, err)
	}
	// The kernel forgets this with the user: the program ends with its parent.
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}
