package process

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a platform left that was killed is removed, and nothing else.
func TestRemoveDead(t *testing.T) {
	tmp := t.TempDir()
	past := time.Now().Add(-time.Hour)
	made := func(name string, listens bool, at time.Time) string {
		dir := filepath.Join(tmp, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "w")})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		if t.Cleanup(func() { _ = ln.Close() }); !listens {
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dead, alive, starting := made("situ-1", false, past), made("situ-2", true, past), made("situ-3", false, time.Now())
	foreign := made("other-4", false, past)
	RemoveDead(filepath.Join(tmp, "situ-*", "w"))
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("what nobody listens at is there: %v", err)
	}
	for _, dir := range []string{alive, starting, foreign} {
		if _, err := os.Stat(filepath.Join(dir, "w")); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}
}
