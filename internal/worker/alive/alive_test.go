package alive_test

import (
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/worker/alive"
	"github.com/situ-dev/situ/internal/workproto"
)

// A worker that is asleep and does not answer is dead after a few looks, but not
// while something that it sent lies here unread.
func TestWatch(t *testing.T) {
	sleeps := exec.Command("sleep", "600")
	if err := sleeps.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleeps.Process.Kill(); _ = sleeps.Wait() }()
	pid := sleeps.Process.Pid
	if err := proc.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for ticks, busy, ok := proc.Look(pid); ; { // until it has had its last of the processors
		again, b, o := proc.Look(pid)
		if ok && o && !busy && !b && again == ticks {
			break
		}
		ticks, busy, ok = again, b, o
	}
	w := alive.Watch{Every: alive.Pinging}
	ask := func(unread bool) error { _, err := w.Ping(pid, time.Hour, unread); return err }
	for i := range 10 * alive.Looks {
		if err := ask(true); err != nil {
			t.Fatalf("ping %d, with an answer that was not read: %v", i, err)
		}
	}
	for i := 1; ; i++ {
		err := ask(false)
		if err == nil && i < alive.Looks {
			continue
		}
		if !fault.Is(err, fault.Timeout) || i != alive.Looks {
			t.Errorf("look %d: %v", i, err)
		}
		break
	}
	if !w.Answered(&workproto.Pong{N: 31}) {
		t.Error("an answer to the last ping was refused")
	}
	if err := ask(false); err != nil {
		t.Errorf("after its answer: %v", err)
	}
}

// What was sent is unread until the reader has come back for more.
func TestUnread(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	out, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	ear := alive.NewEar(in)
	until := func(want bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); alive.Unread(ear) != want; {
			if time.Now().After(end) {
				t.Fatalf("unread: %t", !want)
			}
		}
	}
	read, dealt := make(chan byte), make(chan struct{})
	go func() {
		defer close(read)
		for b := make([]byte, 1); ; <-dealt {
			if _, err := ear.Read(b); err != nil {
				return
			}
			read <- b[0]
		}
	}()
	until(false)
	if _, err := out.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	<-read // a is dealt with, b lies in the kernel
	for range 100 {
		if !alive.Unread(ear) {
			t.Fatal("it has not dealt with what it read")
		}
	}
	dealt <- struct{}{}
	<-read
	if !alive.Unread(ear) {
		t.Error("it has not dealt with the last")
	}
	dealt <- struct{}{}
	until(false)
	_ = in.Close()
	<-read
}
