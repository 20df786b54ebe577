package report

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc (USER_HZ, 100 a second on Linux).
const tick = 10 * time.Millisecond

// Usage returns the CPU time that processes have used, to 10 ms, and their
// resident memory in bytes. What cannot be read counts 0.
func Usage(pids ...int) (cpu time.Duration, rss int64) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// The name of the program, in brackets, may have anything in it. After
		// it comes field 3; utime and stime are 14 and 15, rss is 24.
		_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 22 {
			continue
		}
		number := func(field int) int64 {
			n, _ := strconv.ParseInt(fields[field-3], 10, 64) // not a number: 0
			return n
		}
		cpu += time.Duration(number(14)+number(15)) * tick
		rss += number(24) * int64(os.Getpagesize())
	}
	return cpu, rss
}

// Peak returns the most resident memory that a process had, in bytes, 0 if it
// cannot be read.
func Peak(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "\nVmHWM:")
	var kb int64
	_, _ = fmt.Sscanf(rest, "%d kB", &kb) // not there: 0
	return kb << 10
}
