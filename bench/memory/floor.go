package memory

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/situ-dev/situ/bench/proc"
	"github.com/situ-dev/situ/bench/report"
)

// mapUse is what the role "map" answers.
type mapUse struct{ RSS, Heap float64 }

// roleMap makes a map of as many objects as it gets, and tells how many bytes
// it takes.
func roleMap(_ context.Context, c *proc.Conn) error {
	var n int
	if err := c.Get(&n); err != nil {
		return err
	}
	before := float64(heap())
	_, rss := report.Usage(os.Getpid())
	all := map[string]*Cell{}
	for i := range n {
		c := cell(i)
		all[Key(i)] = &c
	}
	after := float64(heap())
	_, rss2 := report.Usage(os.Getpid())
	runtime.KeepAlive(all)
	return c.Put(mapUse{float64(rss2 - rss), after - before})
}

// floorMap returns what n objects take in a plain map.
func floorMap(n int) (use, error) {
	p, err := proc.Start("map", n)
	if err != nil {
		return use{}, err
	}
	var u mapUse
	err = p.Get(&u)
	return use{u.RSS, u.Heap}, errors.Join(err, p.Close())
}

// floorStart returns the time from the start of a process to its answer.
func floorStart() (time.Duration, error) {
	begin := time.Now()
	p, err := proc.Start("answer", nil)
	if err != nil {
		return 0, err
	}
	var text string
	err = p.Get(&text)
	took := time.Since(begin)
	return took, errors.Join(err, p.Close())
}
