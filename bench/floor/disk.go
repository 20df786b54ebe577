package floor

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// Sequential returns the bandwidth, in bytes a second, of appending total
// bytes to a new file in dir in groups of so many bytes, each with one write
// and one fdatasync: what the best of logs does with what waits for it.
func Sequential(dir string, group, total int) (perS float64, err error) {
	f, err := os.CreateTemp(dir, "write-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	data := make([]byte, group)
	Fill(data, 1) // so that nothing below can compress it
	begin := time.Now()
	written := 0
	for ; written < total; written += group {
		if _, err := f.Write(data); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
	}
	return float64(written) / time.Since(begin).Seconds(), nil
}

// Fill fills b with bytes that cannot be compressed, others for another seed.
func Fill(b []byte, seed uint64) {
	src := rand.NewPCG(seed, 2)
	for i := 0; i < len(b); i += 8 {
		v := src.Uint64()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
}

// Read reads a file from beginning to end and returns how many bytes it has
// and how long that took.
func Read(name string) (n int64, took time.Duration, err error) {
	begin := time.Now()
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := make([]byte, 1<<20)
	for {
		m, err := f.Read(buf)
		n += int64(m)
		if errors.Is(err, io.EOF) {
			return n, time.Since(begin), nil
		}
		if err != nil {
			return n, 0, err
		}
	}
}
