package fan_test

import (
	"iter"
	"strconv"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/fan"
	"github.com/situ-dev/situ/internal/wire"
)

// An answer to a job that was deleted does not count for the one that has its key
// since (C12).
func TestGenerations(t *testing.T) {
	plan := fan.Plan[int, int, total, total]{Calls: func(n, from int) iter.Seq[situ.Call[int]] {
		return func(yield func(situ.Call[int]) bool) {
			if from == 0 {
				yield(silent.To(strconv.Itoa(n), 0)) // another worker for each input
			}
		}
	}}
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 1}, components(plan)...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	// The answer to progress says that the job has begun: it is of the same object.
	begin := func(n int) (wait func() (total, error)) {
		t.Helper()
		call := sum.To("k", n).Idempotent(strconv.Itoa(n))
		if _, err := situ.Start(ctx, p, call); err != nil {
			t.Fatal(err)
		}
		if pr, err := situ.Do(ctx, p, sum.Progress("k")); err != nil || pr.Open != 1 {
			t.Fatalf("begun: %+v, %v", pr, err)
		}
		return func() (total, error) { return situ.Do(ctx, p, call) }
	}
	say := func(worker string, n int) {
		t.Helper()
		if _, err := situ.Do(ctx, p, speak.To(worker, n)); err != nil {
			t.Fatal(err)
		}
	}
	begin(1)
	if err := p.Node().Delete(ctx, wire.ObjectID{Type: jobType.Name(), Key: "k"}); err != nil {
		t.Fatal(err)
	}
	wait := begin(2)
	say("1", 1)
	for { // the answer to the first has come when it is counted
		pr, err := situ.Do(ctx, p, sum.Progress("k"))
		if err != nil {
			t.Fatal(err)
		}
		if pr.Dropped == 1 {
			break
		}
		if pr.Open == 0 {
			t.Fatalf("the answer to the first job ended the second: %+v", pr)
		}
	}
	say("2", 20)
	if got, err := wait(); err != nil || got.Sum != 20 {
		t.Errorf("%+v, %v", got, err)
	}
}
