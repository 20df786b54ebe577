package process

import (
	"log/slog"
	"os"
	"testing"
	"time"
)

const role = "SITU_TEST_PROCESS"

// TestMain is also what the tests start.
func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "sleeps":
		time.Sleep(time.Hour)
	case "ends":
		for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
			continue // as one that is busy dying
		}
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// A process that is thought to be ending is waited for while it does something,
// and killed when it sleeps.
func TestEndDying(t *testing.T) {
	for does, killed := range map[string]bool{"sleeps": true, "ends": false} {
		p, err := Start(t.Context(), Config{Path: "/proc/self/exe", Token: "TestEndDying " + does, Env: []string{role + "=" + does}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		p.EndDying(time.Minute, nil)
		if d := time.Since(began); d > 20*time.Second || p.Killed() != killed || !killed && p.Code() != 7 {
			t.Errorf("one that %s: killed %v after %v, exit code %d", does, p.Killed(), d, p.Code())
		}
	}
}
