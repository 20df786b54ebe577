package proc_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/proc"
)

// A number that names no one process is refused: to the kernel, 0 is the group
// of the caller, and -1 is everybody. (Signal 0 harms nobody if it is not.)
func TestKillRefuses(t *testing.T) {
	for _, pid := range []int{0, 1, -1, -os.Getpid()} {
		for name, kill := range map[string]func(int, syscall.Signal) error{"Kill": proc.Kill, "KillGroup": proc.KillGroup} {
			if err := kill(pid, 0); !errors.Is(err, proc.ErrNone) {
				t.Errorf("%s(%d): %v", name, pid, err)
			}
		}
	}
	if err := proc.Kill(os.Getpid(), 0); err != nil {
		t.Error(err)
	}
}

// What has the mark is killed, in whatever process group it is; what has not
// lives.
func TestKillMarked(t *testing.T) {
	mark := "SITU_TEST_MARK=" + t.Name() + t.TempDir()
	start := func(env ...string) *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		cmd.Env = append(os.Environ(), env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	marked, other := start(mark), start(mark+"x")
	proc.KillMarked(mark)
	if err := marked.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

func TestResident(t *testing.T) {
	before := proc.Resident(os.Getpid())
	b := make([]byte, 64<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	if after := proc.Resident(os.Getpid()); before < 1<<20 || after-before < 32<<20 {
		t.Errorf("%d bytes, and with 64 MiB more %d", before, after)
	}
	if b[4096] != 1 || proc.Resident(1<<30) != 0 {
		t.Error("a process that is not there occupies memory")
	}
}

// A process that sleeps or was stopped has nothing of the processors and wants
// nothing; one in a loop does.
func TestLook(t *testing.T) {
	start := func(args ...string) *exec.Cmd {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	sleeps, loops := start("sleep", "600"), start("sh", "-c", "while :; do :; done")
	priority := func(pid int) int { // 20 less nice
		n, err := syscall.Getpriority(syscall.PRIO_PROCESS, pid)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	proc.Yield(loops.Process.Pid, 5)
	if got, want := priority(loops.Process.Pid), max(priority(0)-5, 1); got != want {
		t.Errorf("a process that yields has priority %d, want %d", got, want)
	}
	until := func(what string, cmd *exec.Cmd, ok func(busy bool, more uint64) bool) {
		t.Helper()
		before, _, _ := proc.Look(cmd.Process.Pid)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for limit := time.Now().Add(20 * time.Second); ; <-tick.C {
			ticks, busy, known := proc.Look(cmd.Process.Pid)
			if known && ok(busy, ticks-before) {
				return
			}
			before = ticks
			if time.Now().After(limit) {
				t.Fatalf("%s: busy %v, %d ticks more, known %v", what, busy, ticks-before, known)
			}
		}
	}
	until("a loop", loops, func(busy bool, more uint64) bool { return busy && more > 0 })
	until("a sleeper", sleeps, func(busy bool, more uint64) bool { return !busy && more == 0 })
	if err := loops.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until("one that was stopped", loops, func(busy bool, more uint64) bool { return !busy && more == 0 })
	if _, _, known := proc.Look(1 << 30); known {
		t.Error("a process that is not there is known")
	}
}

// What a process started, and what that started, is found.
func TestDescendants(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 600 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	if _, err := fmt.Fscan(out, &child); err != nil {
		t.Fatal(err)
	}
	all := proc.Descendants(os.Getpid())
	if !slices.Contains(all, cmd.Process.Pid) || !slices.Contains(all, child) || slices.Contains(all, os.Getppid()) {
		t.Errorf("%d and %d are not in %d", cmd.Process.Pid, child, all)
	}
	for _, pid := range []int{child, cmd.Process.Pid} {
		if err := proc.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	_ = cmd.Wait() // "signal: killed"
}
