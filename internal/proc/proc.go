// Package proc asks and tells Linux about processes: their memory, their turn to
// die, their descendants. Where there is no /proc, nothing comes of it.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ErrNone is that a number names no one process: 0 is every process of the
// caller's group to the kernel, -1 is every process there is, 1 is the first.
var ErrNone = errors.New("is not the number of one process")

// Kill sends sig to process pid alone. It returns ErrNone for a number that
// names no one process, as that of a worker that does not run just now, and what
// kill(2) says: ESRCH if there is none.
func Kill(pid int, sig syscall.Signal) error {
	if pid <= 1 {
		return fmt.Errorf("send %v: %d %w", sig, pid, ErrNone)
	}
	return syscall.Kill(pid, sig)
}

// KillGroup sends sig to every process of the group that process pid leads,
// with errors as those of Kill.
func KillGroup(pid int, sig syscall.Signal) error {
	if pid <= 1 {
		return fmt.Errorf("send %v to a group: %d %w", sig, pid, ErrNone)
	}
	return syscall.Kill(-pid, sig)
}

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

// Yield makes the process group of pid, with all its threads, want less of the
// processors than this process does: by so many steps of nice, of which each is
// a tenth.
func Yield(pid, steps int) {
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	nice := 20 - own                                                     // as the kernel tells it
	_ = syscall.Setpriority(syscall.PRIO_PGRP, pid, min(nice+steps, 19)) // it may have ended
}

// Look returns how much of the processors a process has had, in ticks of the
// kernel, and whether any thread of it runs, wants to run, waits for a disk or
// is held by a debugger. A process of which no thread does and that has had
// nothing since the look before is asleep, or was stopped. ok is false if that
// is not known.
func Look(pid int) (ticks uint64, busy, ok bool) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		return 0, false, false
	}
	for _, e := range all {
		b, err := os.ReadFile(dir + "/" + e.Name() + "/stat")
		if err != nil {
			return 0, false, false // it has just ended
		}
		_, rest, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" "))
		f := strings.Fields(string(rest))
		if len(f) < 13 {
			return 0, false, false
		}
		busy = busy || strings.Contains("RDt", f[0])
		for _, s := range f[11:13] { // utime and stime
			n, _ := strconv.ParseUint(s, 10, 64)
			ticks += n
		}
	}
	return ticks, busy, len(all) > 0
}

// Descendants returns the numbers of all processes that process pid and its
// descendants have started and that run, in no order.
func Descendants(pid int) (all []int) {
	of := map[int][]int{}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, d := range dirs {
		child, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue // it has just ended
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(f[1]) // 0 is nobody's
		of[parent] = append(of[parent], child)
	}
	for all = of[pid]; len(of) > 0; {
		n := len(all)
		for _, p := range all {
			all = append(all, of[p]...)
			delete(of, p)
		}
		if len(all) == n {
			break
		}
	}
	return all
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
		found = Kill(pid, syscall.SIGKILL) == nil || found
	}
	return found
}
