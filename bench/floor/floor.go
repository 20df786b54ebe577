// Package floor measures what no platform can be faster than on this machine:
// the disk's sync and its bandwidth, and servers that do nothing but answer.
package floor

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/situ-dev/situ/bench/report"
)

// Fsync returns the median time of writing 4 KiB to a file in dir and making
// them durable with fdatasync, one after another, in milliseconds.
func Fsync(dir string) (p50 float64, err error) {
	const samples = 256
	f, err := os.CreateTemp(dir, "fsync-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4096)
	took := make([]time.Duration, samples)
	for i := range took {
		block[0] = byte(i)
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i)*int64(len(block))); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return report.MS(took[samples/2]), nil
}
