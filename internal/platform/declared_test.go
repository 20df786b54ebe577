package platform_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/platform/schedule"
	"github.com/situ-dev/situ/situtest"
)

var (
	log   = situ.NewType("log")
	enter = situ.NewMethod[string, int](log, "enter")
	size  = situ.NewMethod[situ.None, int](log, "size", situ.ReadOnly)
)

func logs() situ.Component {
	return situ.Object(log,
		situ.On(enter, func(l *struct{ N int }, _ *situ.Turn, line string) (int, error) {
			if line == "hello" {
				l.N++
			}
			return l.N, nil
		}),
		situ.On(size, func(l *struct{ N int }, _ *situ.Turn, _ situ.None) (int, error) { return l.N, nil }))
}

// A schedule in the program runs, over crashes, and is not begun anew by them.
func TestDeclared(t *testing.T) {
	every := situ.Scheduled("often", situ.Schedule{Every: 10 * time.Minute, Jitter: time.Second},
		enter.To("a", "hello").Retry(situ.RetryPolicy(3, time.Second, time.Minute)))
	situtest.Run(t, []situ.Component{logs(), every}, func(t *testing.T, rt *situtest.Runtime) {
		for range 4 {
			rt.Pass(8 * time.Minute)
			rt.Crash()
		}
		rt.Pass(time.Second) // 32 minutes
		if n := situtest.Do(rt, size.To("a", situ.None{})); n != 3 {
			t.Errorf("it ran %d times, want 3", n)
		}
	})
}

// until asks for a schedule until what it is told suits.
func until(t *testing.T, p situ.Caller, name string, suits func(api.Schedule, error) bool) {
	t.Helper()
	for t.Context().Err() == nil {
		if suits(situ.Do(t.Context(), p, schedule.Info.To(name, situ.None{}))) {
			return
		}
	}
}

// Of another program, schedules are changed and removed; those that were not
// declared stay.
func TestDeclaredByAnother(t *testing.T) {
	dir := t.TempDir()
	open := func(schedules ...situ.Component) *embedded.Platform {
		p, err := embedded.Open(dir, embedded.Options{Shards: 2}, append(schedules, logs())...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	stop := func(p *embedded.Platform) {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	call := enter.To("a", "hello")
	p := open(situ.Scheduled("a", situ.Schedule{Cron: "@daily"}, call), situ.Scheduled("b", situ.Schedule{Cron: "@daily", Zone: "Europe/Berlin"}, call),
		situ.Scheduled("wrong", situ.Schedule{Cron: "0 0 31 2 *"}, call))
	until(t, p, "b", func(s api.Schedule, err error) bool { return err == nil && s.Declared })
	if _, err := situ.Do(t.Context(), p, schedule.Put.To("mine", api.ScheduleSpec{Every: "1h", Target: "log/a.enter"})); err != nil {
		t.Fatal(err)
	}
	stop(p)
	p = open(situ.Scheduled("b", situ.Schedule{Cron: "@hourly"}, call))
	defer stop(p)
	until(t, p, "b", func(s api.Schedule, err error) bool { return err == nil && s.Spec.Cron == "@hourly" })
	until(t, p, "a", func(_ api.Schedule, err error) bool { return err != nil })
	for name, there := range map[string]bool{"mine": true, "wrong": false} {
		if _, err := situ.Do(t.Context(), p, schedule.Info.To(name, situ.None{})); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong with a schedule in itself is wrong at once.
func TestScheduledTwice(t *testing.T) {
	s := situ.Scheduled("a", situ.Schedule{Cron: "@daily"}, enter.To("a", "x"))
	if _, err := situ.Assemble(s, s, logs()); err == nil {
		t.Error("declared twice")
	}
	if _, err := situ.Assemble(situ.Scheduled("a\n", situ.Schedule{}, enter.To("a", "x"))); err == nil {
		t.Error("a name with a line feed")
	}
	if _, err := situ.Assemble(situ.Scheduled("a", situ.Schedule{}, enter.To("", "x"))); err == nil {
		t.Error("a target without a key")
	}
}
