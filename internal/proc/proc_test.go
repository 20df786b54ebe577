package proc_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/situ-dev/situ/internal/proc"
)

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
