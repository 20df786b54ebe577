package proc_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/situ-dev/situ/bench/proc"
)

func TestMain(m *testing.M) {
	proc.Serve(map[string]proc.Role{
		"double": func(_ context.Context, c *proc.Conn) error {
			for n := 0; c.Get(&n) == nil; {
				if err := c.Put(2 * n); err != nil {
					return err
				}
			}
			return nil
		},
		"wait": func(ctx context.Context, _ *proc.Conn) error { <-ctx.Done(); return nil },
		"fail": func(context.Context, *proc.Conn) error { return errors.New("it cannot be") },
	})
	os.Exit(m.Run())
}

func TestProc(t *testing.T) {
	p, err := proc.Start("double", 1)
	if err != nil {
		t.Fatal(err)
	}
	for want := 2; want < 10; want *= 2 {
		var got int
		if err := p.Get(&got); err != nil || got != want {
			t.Fatalf("got %d, %v; want %d", got, err, want)
		}
		if err := p.Put(got); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}

func TestEnds(t *testing.T) {
	for _, end := range []func(*proc.Proc) error{(*proc.Proc).Close, (*proc.Proc).Kill} {
		p, err := proc.Start("wait", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(p); err != nil {
			t.Error(err)
		}
	}
}

func TestFailure(t *testing.T) {
	for role, want := range map[string]string{"fail": "it cannot be", "none": `no role "none"`} {
		p, err := proc.Start(role, nil)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := p.Get(&v); err == nil {
			t.Errorf("%s: it answered %v", role, v)
		}
		if err := p.Close(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", role, err)
		}
	}
}
