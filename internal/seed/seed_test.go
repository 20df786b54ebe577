package seed_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
)

// recorder is a test that keeps what is said, and ends by a panic.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Logf(format string, args ...any) { r.said = fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Logf(format, args...)
	panic(r)
}

func TestGiven(t *testing.T) {
	t.Setenv("SITU_SEED", "17")
	var r recorder
	if s := seed.New(&r); s != 17 || r.said != "replay with SITU_SEED=17" {
		t.Errorf("New: %d, %q", s, r.said)
	}
	if got := seed.Several(&r, 3); !reflect.DeepEqual(got, []uint64{17}) {
		t.Errorf("Several: %d", got)
	}
}

func TestNotGiven(t *testing.T) {
	t.Setenv("SITU_SEED", "")
	var r recorder
	if s := seed.New(&r); r.said != fmt.Sprint("replay with SITU_SEED=", s) {
		t.Errorf("New: %d, %q", s, r.said)
	}
	if a, b := seed.New(&r), seed.New(&r); a == b {
		t.Errorf("two seeds from the clock are %d", a)
	}
	if got := seed.Several(&r, 3); !reflect.DeepEqual(got, []uint64{1, 2, 3}) {
		t.Errorf("Several: %d", got)
	}
}

// What cannot be read is not passed over: it would be another run than the one
// that was wanted.
func TestMalformed(t *testing.T) {
	t.Setenv("SITU_SEED", "0x17")
	for name, f := range map[string]func(testing.TB){
		"Given":   func(t testing.TB) { seed.Given(t) },
		"New":     func(t testing.TB) { seed.New(t) },
		"Several": func(t testing.TB) { seed.Several(t, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			defer func() {
				if recover() == nil || !strings.HasPrefix(r.said, "SITU_SEED: ") {
					t.Errorf("it went on, and said %q", r.said)
				}
			}()
			f(&r)
		})
	}
}
