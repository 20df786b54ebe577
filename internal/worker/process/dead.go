package process

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// RemoveDead removes the sockets whose paths match pattern that platforms left
// which were killed: those that nobody listens at, with their directories, unless
// these are just being made. No more than some at a time, because it delays a start.
func RemoveDead(pattern string) {
	all, _ := filepath.Glob(pattern) // it is well-formed
	for _, path := range all[:min(len(all), 256)] {
		dir := filepath.Dir(path)
		if info, err := os.Lstat(dir); err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		c, err := net.Dial("unix", path)
		if err == nil {
			_ = c.Close()
			continue
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(path) // what is left, the next start tries again
			_ = os.Remove(dir)
		}
	}
}
