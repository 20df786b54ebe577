package flows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/flow/graph"
)

// A map of very many elements is carried out in bounded memory: its calls wait for each
// other, and results that are not kept leave nothing. FLOW_ITEMS says how many there are.
func TestMapOfMany(t *testing.T) {
	items := 5000
	if env := os.Getenv("FLOW_ITEMS"); env != "" {
		var err error
		if items, err = strconv.Atoi(env); err != nil {
			t.Fatal(err)
		}
	}
	p, err := embedded.Open(t.TempDir(), embedded.Options{}, program()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	list := make([]int, items)
	for i := range list {
		list[i] = i % 100
	}
	doc := graph.New("many", graph.Map(graph.Ref("#/input"),
		graph.Object("tally", graph.Join("k", graph.Ref("#/item")), "add", map[string]any{"by": 1})).Limit(1000).Count())
	before := live()
	most := before
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		got, err := situ.Do(context.Background(), p, graph.Run[map[string]int]("many", doc, list))
		if err == nil && (got["done"] != items || got["failed"] != 0) {
			err = fmt.Errorf("%v", got)
		}
		done <- err
	}()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for over := false; !over; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		case <-look.C:
			most = max(most, live())
		}
	}
	took := time.Since(began)
	for i := range 100 {
		got, err := situ.Do(context.Background(), p, situ.Untyped[json.RawMessage]("tally/k"+strconv.Itoa(i)+".add", add{0}))
		if want := fmt.Sprintf(`{"total":%d}`, items/100); err != nil || string(got) != want {
			t.Fatalf("k%d: %s, %v; want %s", i, got, err, want)
		}
	}
	grown := float64(most-before) / (1 << 20)
	t.Logf("%d elements in %v, %.0f a second; live memory grew by %.1f MiB at most", items, took.Round(time.Millisecond), float64(items)/took.Seconds(), grown)
	if bound := 32 + float64(items)/1000; grown > bound {
		t.Errorf("live memory grew by %.1f MiB, and %.0f are allowed", grown, bound)
	}
}

// live returns the bytes that are in use after a collection.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
