// Package proc asks and tells Linux about processes: their memory, their turn to
// die, their descendants. Where there is no /proc, nothing comes of it.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Sacrifice makes the kernel end process pid before this one when memory
// runs out.
func Sacrifice(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("1000"), 0) // it may have ended
}

// Resident returns how many bytes of memory a process occupies, 0 if it is
// not known.
func Resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64) // 0 is unknown
	return pages * int64(os.Getpagesize())
}

// KillMarked kills every process that has mark ("name=value") in the
// environment that it was started with: what a worker started and what that
// did, also outside of its process group.
func KillMarked(mark string) {
	for range 8 { // again: one may have started another meanwhile
		if !killOnce(mark) {
			return
		}
	}
}

func killOnce(mark string) (found bool) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ") // empty for one that has ended
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+mark+"\x00")) {
			continue
		}
		found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
	}
	return found
}
