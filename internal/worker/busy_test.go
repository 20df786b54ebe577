package worker_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/worker"
)

// A program that somebody is writing just now is waited for; one that stays
// open for writing is an error that says so.
func TestBusyProgram(t *testing.T) {
	p := open(t, worker.Config{})
	path := self(t, "one")
	writer := hold(t, path)
	loaded := make(chan error, 1)
	go func() { loaded <- p.pool.Replace(t.Context(), path) }()
	p.log.until(t, func(s string) bool { return strings.Contains(s, "is open for writing") })
	must(writer.Close())
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	p.want("a", "add", "1", "1")

	path = self(t, "two")
	writer = hold(t, path)
	defer func() { _ = writer.Close() }()
	err := p.pool.Replace(t.Context(), path)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "has it open for writing") {
		t.Errorf("a program that stays open: %v", err)
	}
	p.want("a", "add", "1", "2")
}

// hold opens a program for writing, as who copies or replaces it does.
func hold(t *testing.T, path string) *os.File {
	t.Helper()
	syscall.ForkLock.RLock() // or a process that is started just now holds it, too
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
