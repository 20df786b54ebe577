package ingress_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress"
)

var (
	clerk = situ.NewType("clerk")
	file  = situ.NewMethod[struct {
		Days int `json:"days"`
	}, int](clerk, "file")
)

// scheduleServer runs a platform with schedules behind the door.
func scheduleServer(t *testing.T, filed chan<- int) *client.Client {
	t.Helper()
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 2}, situ.Object(clerk,
		situ.On(file, func(_ *struct{}, _ *situ.Turn, in struct {
			Days int `json:"days"`
		}) (int, error) {
			filed <- in.Days
			return in.Days, nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	n := p.Node()
	server := httptest.NewServer(ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Monitor: n}, ingress.Config{Local: true}))
	c := client.New(server.URL)
	t.Cleanup(func() {
		c.Close()
		server.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// A schedule over HTTP: from its making to its end, with a run.
func TestSchedules(t *testing.T) {
	filed := make(chan int, 1)
	c, ctx := scheduleServer(t, filed), context.Background()
	spec := &api.ScheduleSpec{Cron: "30 2 * * *", Zone: "Europe/Berlin", Target: "clerk/a.file", Input: json.RawMessage(`{"days":30}`)}
	s, err := c.PutSchedule(ctx, "nightly/a b", spec)
	if err != nil || s.Name != "nightly/a b" || len(s.Next) != 5 || s.Status != api.ScheduleActive || string(s.Spec.Input) != `{"days":30}` {
		t.Fatalf("%+v, %v", s, err)
	}
	if s, err = c.SteerSchedule(ctx, "nightly/a b", "run"); err != nil || s.Begun != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if days := <-filed; days != 30 {
		t.Errorf("%d days", days)
	}
	if s, err = c.SteerSchedule(ctx, "nightly/a b", "pause"); err != nil || s.Status != api.SchedulePaused {
		t.Fatalf("%+v, %v", s, err)
	}
	if s, err = c.SteerSchedule(ctx, "nightly/a b", "resume"); err != nil || s.Status != api.ScheduleActive {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := c.PutSchedule(ctx, "other", &api.ScheduleSpec{Every: "1h", Target: "clerk/a.file", Input: json.RawMessage(`{"days":1}`)}); err != nil {
		t.Fatal(err)
	}
	page, err := c.Schedules(ctx, "", "", 1)
	if err != nil || len(page.Schedules) != 1 || page.Schedules[0].Name != "nightly/a b" || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = c.Schedules(ctx, "", page.Next, 10); err != nil || len(page.Schedules) != 1 || page.Schedules[0].Spec.Every != "1h" {
		t.Fatalf("%+v, %v", page, err)
	}
	if err := c.DeleteSchedule(ctx, "nightly/a b"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Schedule(ctx, "nightly/a b"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

// What is refused is refused before anything is written, and says why.
func TestSchedulesRefused(t *testing.T) {
	c, ctx := scheduleServer(t, make(chan int)), context.Background()
	days := json.RawMessage(`{"days":1}`)
	for _, r := range []struct {
		spec api.ScheduleSpec
		kind fault.Kind
		says string
	}{
		{api.ScheduleSpec{Cron: "0 0 31 2 *", Target: "clerk/a.file", Input: days}, fault.Invalid, "never fires"},
		{api.ScheduleSpec{Cron: "@daily", Target: "clark/a.file", Input: days}, fault.Invalid, `did you mean "clerk"`},
		{api.ScheduleSpec{Cron: "@daily", Target: "clerk/a.fill", Input: days}, fault.Invalid, `did you mean "file"`},
		{api.ScheduleSpec{Cron: "@daily", Target: "clean"}, fault.Invalid, "no function"},
		{api.ScheduleSpec{Cron: "@daily", Target: "clerk/a.file"}, fault.Unfit, "days"},
		{api.ScheduleSpec{Cron: "@daily", Target: "clerk/a.file", Input: json.RawMessage(`{"days":"two"}`)}, fault.Unfit, "days"},
		{api.ScheduleSpec{At: time.Now().Add(-time.Hour), Target: "clerk/a.file", Input: days}, fault.Invalid, "past"},
	} {
		_, err := c.PutSchedule(ctx, "s", &r.spec)
		if !fault.Is(err, r.kind) || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%+v: %v, want %s", r.spec, err, r.says)
		}
	}
	if page, err := c.Schedules(ctx, "", "", 0); err != nil || len(page.Schedules) > 0 {
		t.Errorf("%+v, %v", page, err)
	}
	for _, verb := range []string{"pause", "resume", "run"} {
		if _, err := c.SteerSchedule(ctx, "s", verb); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}
