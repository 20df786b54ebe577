package docs_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

// What docs/time.md shows.

var (
	trialType   = situ.NewType("trial")
	beginTrial  = situ.NewMethod[situ.None, situ.None](trialType, "begin")
	remindTrial = situ.NewMethod[int, situ.None](trialType, "remind")
	cancelled   = situ.NewMethod[situ.None, situ.None](trialType, "cancel")
	said        = situ.NewMethod[situ.None, []string](trialType, "reminders", situ.ReadOnly)

	salesType = situ.NewType("sales")
	report    = situ.NewMethod[struct {
		Days int `json:"days"`
	}, int](salesType, "report")
	reported = situ.NewMethod[situ.None, int](salesType, "reported", situ.ReadOnly)
)

type trial struct {
	Gen  int // of the reminders that count
	Said []string
}

func trials() situ.Component {
	none := situ.None{}
	return situ.Object(trialType,
		situ.On(beginTrial, func(tr *trial, t *situ.Turn, _ situ.None) (situ.None, error) {
			tr.Gen++
			for _, days := range []int{7, 13} {
				situ.Send(t, remindTrial.To(t.Key(), tr.Gen).After(time.Duration(days)*24*time.Hour))
			}
			return none, nil
		}),
		situ.On(remindTrial, func(tr *trial, t *situ.Turn, gen int) (situ.None, error) {
			if gen == tr.Gen { // else it is of a trial that was cancelled
				tr.Said = append(tr.Said, t.Now().Format(time.DateOnly))
			}
			return none, nil
		}),
		situ.On(cancelled, func(tr *trial, _ *situ.Turn, _ situ.None) (situ.None, error) {
			tr.Gen++
			return none, nil
		}),
		situ.On(said, func(tr *trial, _ *situ.Turn, _ situ.None) ([]string, error) { return tr.Said, nil }))
}

func TestTrial(t *testing.T) {
	situtest.Run(t, []situ.Component{trials()}, func(t *testing.T, rt *situtest.Runtime) {
		situtest.Do(rt, beginTrial.To("ann", situ.None{}))
		situtest.Do(rt, cancelled.To("ann", situ.None{}))
		situtest.Do(rt, beginTrial.To("ann", situ.None{}))
		rt.CrashAt(1)
		if situtest.DoErr(rt, beginTrial.To("bob", situ.None{})) == nil || !rt.Crashed() {
			t.Fatal("it lives")
		}
		rt.Pass(20 * 24 * time.Hour)
		rt.Restart()
		rt.Settle()
		if got := situtest.Do(rt, said.To("ann", situ.None{})); len(got) != 2 {
			t.Errorf("%v", got)
		}
	})
}

// nightly is a schedule in code.
func nightly() situ.Component {
	return situ.Scheduled("nightly", situ.Schedule{Cron: "30 2 * * *", Zone: "Europe/Berlin", Overlap: "skip"},
		report.To("all", struct {
			Days int `json:"days"`
		}{30}).Retry(situ.RetryPolicy(3, time.Minute, time.Hour)))
}

func TestNightly(t *testing.T) {
	sales := situ.Object(salesType,
		situ.On(report, func(n *struct{ Days int }, _ *situ.Turn, in struct {
			Days int `json:"days"`
		}) (int, error) {
			n.Days += in.Days
			return n.Days, nil
		}),
		situ.On(reported, func(n *struct{ Days int }, _ *situ.Turn, _ situ.None) (int, error) { return n.Days, nil }))
	situtest.Run(t, []situ.Component{sales, nightly()}, func(t *testing.T, rt *situtest.Runtime) {
		rt.Pass(90*time.Minute + time.Second) // 02:30 in Berlin is 01:30 in UTC, in January
		if n := situtest.Do(rt, reported.To("all", situ.None{})); n != 30 {
			t.Errorf("%d", n)
		}
	})
}
