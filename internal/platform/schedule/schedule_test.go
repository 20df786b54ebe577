package schedule_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/platform/schedule"
	"github.com/situ-dev/situ/situtest"
)

var (
	bookType = situ.NewType("book")
	note     = situ.NewMethod[string, int](bookType, "note")
	slow     = situ.NewMethod[situ.None, situ.None](bookType, "slow")
	slept    = situ.NewMethod[situ.None, situ.None](bookType, "slept")
	refuse   = situ.NewMethod[situ.None, situ.None](bookType, "refuse")
	explode  = situ.NewMethod[situ.None, situ.None](bookType, "explode")
	lines    = situ.NewMethod[situ.None, []string](bookType, "lines", situ.ReadOnly)
)

// book writes down when it was called. A caller of slow waits for 13 minutes.
type book struct {
	Lines []string
	Wait  situ.Promise[situ.None]
}

func components() []situ.Component {
	none := situ.None{}
	return []situ.Component{situ.Object(bookType,
		situ.On(note, func(b *book, t *situ.Turn, s string) (int, error) {
			b.Lines = append(b.Lines, t.Now().Format("02T15:04:05")+s)
			return len(b.Lines), nil
		}),
		situ.On(slow, func(b *book, t *situ.Turn, _ situ.None) (situ.None, error) {
			b.Lines = append(b.Lines, t.Now().Format("02T15:04:05"))
			situ.Send(t, slept.To(t.Key(), none).After(13*time.Minute))
			return situ.Hold(t, &b.Wait)
		}),
		situ.On(slept, func(b *book, t *situ.Turn, _ situ.None) (situ.None, error) {
			situ.Resolve(t, &b.Wait, none)
			return none, nil
		}),
		situ.On(refuse, func(*book, *situ.Turn, situ.None) (situ.None, error) {
			return none, situ.Errorf("closed", "it is closed")
		}),
		situ.On(explode, func(*book, *situ.Turn, situ.None) (situ.None, error) { panic("boom") }),
		situ.On(lines, func(b *book, _ *situ.Turn, _ situ.None) ([]string, error) { return b.Lines, nil }))}
}

// The clock of a bubble begins at 2000-01-01T00:00:00Z.

func run(t *testing.T, f func(*testing.T, *situtest.Runtime)) {
	t.Helper()
	situtest.Options{Shards: 2}.Run(t, components(), f)
}

func put(rt *situtest.Runtime, name string, s api.ScheduleSpec) api.Schedule {
	return situtest.Do(rt, schedule.Put.To(name, s))
}

func info(rt *situtest.Runtime, name string) api.Schedule {
	return situtest.Do(rt, schedule.Info.To(name, situ.None{}))
}

// wrote compares what a book has with times.
func wrote(t *testing.T, rt *situtest.Runtime, key, want string) {
	t.Helper()
	rt.Settle()
	if got := strings.Join(situtest.Do(rt, lines.To(key, situ.None{})), " "); got != want {
		t.Errorf("book %s has\n %s, want\n %s", key, got, want)
	}
}

// down keeps the platform down for d.
func down(t *testing.T, rt *situtest.Runtime, d time.Duration) {
	t.Helper()
	rt.CrashAt(1)
	if err := situtest.DoErr(rt, note.To("nobody", "")); err == nil || !rt.Crashed() {
		t.Fatal("it lives")
	}
	rt.Pass(d)
	rt.Restart()
	rt.Settle()
}

func TestCron(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		d := put(rt, "nightly", api.ScheduleSpec{Cron: "30 2,3 * * *", Zone: "Europe/Berlin", Target: "book/a.b.note", Input: json.RawMessage(`"!"`)})
		if d.Status != api.ScheduleActive || len(d.Next) != 5 || d.Next[0].UTC().Format(time.RFC3339) != "2000-01-01T01:30:00Z" {
			t.Errorf("%+v", d)
		}
		rt.Pass(3 * time.Hour)
		wrote(t, rt, "a.b", "01T01:30:00! 01T02:30:00!")
		d = info(rt, "nightly")
		if d.Begun != 2 || len(d.Runs) != 2 || d.Runs[0].Outcome != api.RunDone || d.Runs[0].Slot.UTC().Hour() != 2 || len(d.Running) > 0 {
			t.Errorf("%+v", d)
		}
		// Its state can be looked at like any object's.
		if s := rt.State(schedule.Type, "nightly"); !json.Valid([]byte(s)) || !strings.Contains(s, "Europe/Berlin") {
			t.Errorf("state %s", s)
		}
	})
}

// Once: it runs, and is over.
func TestAt(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		at := api.ScheduleSpec{At: time.Now().Add(time.Hour + 300*time.Millisecond), Target: "book/a.note"}
		put(rt, "once", at)
		rt.Pass(61 * time.Minute)
		wrote(t, rt, "a", "01T01:00:00")
		if d := info(rt, "once"); d.Status != api.ScheduleOver || d.Begun != 1 || len(d.Next) > 0 {
			t.Errorf("%+v", d)
		}
		put(rt, "once", at) // the same changes nothing
		rt.Pass(time.Minute)
		wrote(t, rt, "a", "01T01:00:00")
	})
}

// A crash at any commit: each time of the schedule is carried out, and once.
func TestCrashes(t *testing.T) {
	for n := 1; ; n++ {
		reached := false
		run(t, func(t *testing.T, rt *situtest.Runtime) {
			put(rt, "often", api.ScheduleSpec{Cron: "*/10 * * * *", Target: "book/a.note"})
			rt.CrashAt(n)
			rt.Pass(31 * time.Minute)
			reached = rt.Crashed()
			rt.Restart()
			rt.Pass(30 * time.Minute)
			// While it was down some were missed, and one was begun for all of them.
			d, got := info(rt, "often"), situtest.Do(rt, lines.To("a", situ.None{}))
			if d.Begun+d.Missed != 6 || len(got) != d.Begun || !reached && d.Begun != 6 {
				t.Errorf("crash at %d: %d begun, %d missed, %v", n, d.Begun, d.Missed, got)
			}
			for _, r := range d.Runs {
				if r.Outcome != api.RunDone && r.Outcome != api.RunMissed {
					t.Errorf("crash at %d: %+v", n, r)
				}
			}
		})
		if !reached {
			if n < 4 {
				t.Errorf("there were %d commits", n)
			}
			return
		}
	}
}

// What was missed while the platform did not run.
func TestMissed(t *testing.T) {
	for _, c := range []struct {
		spec           api.ScheduleSpec
		want           string
		begun, missed  int
		beforeDown, in time.Duration
	}{
		{spec: api.ScheduleSpec{Missed: "skip"}, want: "01T00:10:00 01T01:00:00", begun: 2, missed: 4},
		{spec: api.ScheduleSpec{Missed: "one"}, want: "01T00:10:00 01T00:55:00 01T01:00:00", begun: 3, missed: 3},
		{spec: api.ScheduleSpec{}, want: "01T00:10:00 01T00:55:00 01T01:00:00", begun: 3, missed: 3},
		{spec: api.ScheduleSpec{Missed: "all"}, want: "01T00:10:00 01T00:55:00 01T00:55:00 01T00:55:00 01T00:55:00 01T01:00:00", begun: 6},
		{spec: api.ScheduleSpec{Missed: "all", CatchUp: &api.ScheduleCatchUp{Most: 2, PerSecond: 0.1}}, want: "01T00:10:00 01T00:55:00 01T00:55:10 01T01:00:00", begun: 4, missed: 2},
		{spec: api.ScheduleSpec{Missed: "skip", Tolerance: "7m"}, want: "01T00:10:00 01T00:55:00 01T01:00:00", begun: 3, missed: 3},
	} {
		run(t, func(t *testing.T, rt *situtest.Runtime) {
			c.spec.Cron, c.spec.Target = "*/10 * * * *", "book/a.note"
			put(rt, "s", c.spec)
			rt.Pass(15 * time.Minute)
			down(t, rt, 40*time.Minute) // 00:20 to 00:50 pass
			rt.Pass(10 * time.Minute)
			wrote(t, rt, "a", c.want)
			if d := info(rt, "s"); d.Begun != c.begun || d.Missed != c.missed {
				t.Errorf("%s: %d begun, %d missed: %+v", c.spec.Missed, d.Begun, d.Missed, d.Runs)
			}
		})
	}
}

// A schedule of each second, after a year: it does not take a year to catch up.
func TestMissedForLong(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		put(rt, "one", api.ScheduleSpec{Cron: "* * * * * *", Target: "book/one.note", End: time.Now().Add(370 * 24 * time.Hour)})
		put(rt, "all", api.ScheduleSpec{Every: "1s", Target: "book/all.note", Missed: "all", End: time.Now().Add(370 * 24 * time.Hour), CatchUp: &api.ScheduleCatchUp{Most: 1000, PerSecond: 1000}})
		down(t, rt, 371*24*time.Hour)
		rt.Pass(2 * time.Second)
		if n := len(situtest.Do(rt, lines.To("one", situ.None{}))); n != 1 {
			t.Errorf("one: %d", n)
		}
		if n := len(situtest.Do(rt, lines.To("all", situ.None{}))); n != 1000 {
			t.Errorf("all: %d", n)
		}
		for _, name := range []string{"one", "all"} {
			if d := info(rt, name); d.Status != api.ScheduleOver || d.Missed < 9999 {
				t.Errorf("%s: %+v", name, d)
			}
		}
	})
}

// A clock that jumps: forward is as if the platform had not run, back carries
// nothing out twice.
func TestClockJumps(t *testing.T) {
	for _, restart := range []bool{false, true} {
		run(t, func(t *testing.T, rt *situtest.Runtime) {
			put(rt, "s", api.ScheduleSpec{Cron: "*/10 * * * *", Target: "book/a.note"})
			rt.Pass(21 * time.Minute)  // 00:21
			rt.Jump(-15 * time.Minute) // 00:06
			if restart {
				rt.Crash()
			}
			rt.Pass(30 * time.Minute) // 00:36
			wrote(t, rt, "a", "01T00:10:00 01T00:20:00 01T00:30:00")
			rt.Jump(30 * time.Minute) // 01:06
			if restart {
				rt.Crash()
			}
			rt.Pass(10 * time.Minute)
			d := info(rt, "s")
			got := situtest.Do(rt, lines.To("a", situ.None{}))
			if len(got) != 5 || d.Begun != 5 || d.Missed != 2 || !strings.HasPrefix(got[3], "01T01:0") || got[4] != "01T01:10:00" {
				t.Errorf("restart %v: %d begun, %d missed, %v", restart, d.Begun, d.Missed, got)
			}
		})
	}
}

// The timer of what a schedule was before never fires what it is now (C12).
func TestGenerations(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		put(rt, "s", api.ScheduleSpec{Every: "10m", Target: "book/a.note"})
		rt.Pass(5 * time.Minute)
		put(rt, "s", api.ScheduleSpec{Every: "20m", Target: "book/a.note"})
		rt.Pass(8 * time.Minute) // the first timer has come
		situtest.Do(rt, schedule.Remove.To("s", false))
		put(rt, "s", api.ScheduleSpec{Every: "30m", Target: "book/a.note"}) // at 00:13
		rt.Pass(31 * time.Minute)
		wrote(t, rt, "a", "01T00:43:00")
		before := schedule.Ticks()
		rt.Pass(2 * time.Hour)
		if n := schedule.Ticks() - before; n != 4 {
			t.Errorf("%d ticks for 4 times: old timers go on", n)
		}
		situtest.Do(rt, schedule.Remove.To("s", false))
		rt.Pass(time.Hour)
		wrote(t, rt, "a", "01T00:43:00 01T01:13:00 01T01:43:00 01T02:13:00 01T02:43:00")
		if s := rt.State(schedule.Type, "s"); s != "" {
			t.Errorf("it is still there: %s", s)
		}
	})
}

func TestPause(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		put(rt, "s", api.ScheduleSpec{Cron: "*/10 * * * *", Target: "book/a.note"})
		rt.Pass(15 * time.Minute)
		if d := situtest.Do(rt, schedule.Pause.To("s", situ.None{})); d.Status != api.SchedulePaused {
			t.Errorf("%+v", d)
		}
		rt.Pass(30 * time.Minute)
		situtest.Do(rt, schedule.Run.To("s", situ.None{})) // by hand, at 00:45
		rt.Pass(10 * time.Minute)
		situtest.Do(rt, schedule.Resume.To("s", situ.None{}))
		situtest.Do(rt, schedule.Resume.To("s", situ.None{}))
		rt.Pass(10 * time.Minute)
		wrote(t, rt, "a", "01T00:10:00 01T00:45:00 01T01:00:00")
		if d := info(rt, "s"); d.Missed != 0 || !d.Runs[1].Manual {
			t.Errorf("%+v", d)
		}
	})
}

func TestOverlap(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		put(rt, "s", api.ScheduleSpec{Every: "5m", Target: "book/a.slow", Overlap: "skip"})
		rt.Pass(10 * time.Minute)
		if d := info(rt, "s"); len(d.Running) != 1 || d.Running[0].Outcome != api.RunRunning {
			t.Errorf("%+v", d)
		}
		rt.Pass(15 * time.Minute)
		wrote(t, rt, "a", "01T00:05:00 01T00:20:00")
		if d := info(rt, "s"); d.Skipped != 3 || d.Begun != 2 {
			t.Errorf("%+v", d)
		}
	})
}

// What the target answers is told, whatever that is.
func TestOutcomes(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		for target, says := range map[string]string{"book/a.refuse": "closed", "book/a.explode": "boom", "book/a.nothing": "nothing", "nowhere/a.b": "nowhere", "missing": "missing"} {
			put(rt, "s", api.ScheduleSpec{Every: "1m", Target: target, Retry: &api.ScheduleRetry{Attempts: 2, Backoff: "1s"}})
			rt.Pass(time.Minute + 30*time.Second)
			d := info(rt, "s")
			if len(d.Running) > 0 || len(d.Runs) == 0 || d.Runs[0].Outcome != api.RunFailed || !strings.Contains(d.Runs[0].Reason, says) {
				t.Errorf("%s: %+v", target, d)
			}
			situtest.Do(rt, schedule.Remove.To("s", false))
		}
	})
}

// A program declares its schedules each time that it begins; what somebody changed
// meanwhile stays.
func TestDeclare(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		spec := api.ScheduleSpec{Every: "10m", Target: "book/a.note"}
		situtest.Do(rt, schedule.Declare.To("s", spec))
		rt.Pass(6 * time.Minute)
		situtest.Do(rt, schedule.Declare.To("s", spec)) // does not begin to count anew
		rt.Pass(5 * time.Minute)
		wrote(t, rt, "a", "01T00:10:00")
		situtest.Do(rt, schedule.Pause.To("s", situ.None{}))
		if d := situtest.Do(rt, schedule.Declare.To("s", spec)); d.Status != api.SchedulePaused || !d.Declared {
			t.Errorf("%+v", d)
		}
		spec.Every = "20m"
		if d := situtest.Do(rt, schedule.Declare.To("s", spec)); d.Status != api.ScheduleActive {
			t.Errorf("%+v", d)
		}
	})
}

// Jitter puts a schedule off by the same each time, and its name says by how much.
func TestJitter(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		delays := map[time.Duration]bool{}
		for i := range 20 {
			name := fmt.Sprint("s", i)
			d := put(rt, name, api.ScheduleSpec{Cron: "*/10 * * * *", Jitter: "5m", Target: "book/" + name + ".note"})
			late := d.Next[0].Sub(d.Next[0].Truncate(10 * time.Minute))
			if late >= 5*time.Minute || d.Next[1].Sub(d.Next[0]) != 10*time.Minute {
				t.Errorf("%s: %v", name, d.Next)
			}
			delays[late] = true
		}
		if len(delays) < 15 {
			t.Errorf("%d delays", len(delays))
		}
		rt.Pass(20*time.Minute - time.Second)
		for i := range 20 {
			if n := len(situtest.Do(rt, lines.To(fmt.Sprint("s", i), situ.None{}))); n != 1 {
				t.Errorf("s%d: %d", i, n)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	run(t, func(t *testing.T, rt *situtest.Runtime) {
		ok := api.ScheduleSpec{Cron: "@daily", Target: "book/a.note"}
		for says, change := range map[string]func(*api.ScheduleSpec){
			"wants one":         func(s *api.ScheduleSpec) { s.Every = "1h" },
			"0 of cron":         func(s *api.ScheduleSpec) { s.Cron = "" },
			"never fires":       func(s *api.ScheduleSpec) { s.Cron = "0 0 31 2 *" },
			"Mars/Base":         func(s *api.ScheduleSpec) { s.Zone = "Mars/Base" },
			"goes with cron":    func(s *api.ScheduleSpec) { s.Cron, s.Every, s.Zone = "", "1h", "Europe/Berlin" },
			"which is past":     func(s *api.ScheduleSpec) { s.Cron, s.At = "", time.Now().Add(-time.Second) },
			"before it starts":  func(s *api.ScheduleSpec) { s.Start, s.End = time.Now().Add(2), time.Now().Add(1) },
			"none of its times": func(s *api.ScheduleSpec) { s.End = time.Now().Add(time.Hour) },
			"names no method":   func(s *api.ScheduleSpec) { s.Target = "book/a" },
			"the name is empty": func(s *api.ScheduleSpec) { s.Target = "" },
			"not JSON":          func(s *api.ScheduleSpec) { s.Input = json.RawMessage(`{`) },
			"missed is":         func(s *api.ScheduleSpec) { s.Missed = "some" },
			"overlap is":        func(s *api.ScheduleSpec) { s.Overlap = "never" },
			"catchUp goes":      func(s *api.ScheduleSpec) { s.CatchUp = &api.ScheduleCatchUp{Most: 1} },
			"catchUp.most":      func(s *api.ScheduleSpec) { s.Missed, s.CatchUp = "all", &api.ScheduleCatchUp{Most: 5000} },
			"catchUp.perSecond": func(s *api.ScheduleSpec) { s.Missed, s.CatchUp = "all", &api.ScheduleCatchUp{PerSecond: -1} },
			"jitter is":         func(s *api.ScheduleSpec) { s.Jitter = "48h" },
			"tolerance is":      func(s *api.ScheduleSpec) { s.Tolerance = "soon" },
			"retry.attempts is": func(s *api.ScheduleSpec) { s.Retry = &api.ScheduleRetry{Attempts: -1} },
			"retry.backoff is":  func(s *api.ScheduleSpec) { s.Retry = &api.ScheduleRetry{Backoff: "x"} },
			"whole number":      func(s *api.ScheduleSpec) { s.Cron, s.Every = "", "1500ms" },
			"every is":          func(s *api.ScheduleSpec) { s.Cron, s.Every = "", "10ms" },
		} {
			spec := ok
			change(&spec)
			if err := situtest.DoErr(rt, schedule.Put.To("s", spec)); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: %v", says, err)
			}
			if s := rt.State(schedule.Type, "s"); s != "" {
				t.Errorf("%q: it wrote %s", says, s)
			}
		}
		if err := situtest.DoErr(rt, schedule.Pause.To("s", situ.None{})); err == nil || !strings.Contains(err.Error(), "no such schedule") {
			t.Errorf("%v", err)
		}
	})
}
