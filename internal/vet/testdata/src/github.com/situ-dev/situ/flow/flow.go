// Package flow stands for the real one in tests.
package flow

import (
	"context"
	"sync"
	"time"
)

type Flow struct{ mu sync.Mutex }

func (f *Flow) Now() time.Time { f.mu.Lock(); return time.Time{} }

func Step[T any](f *Flow, name string, fn func(context.Context) (T, error)) (out T, err error) {
	return fn(context.Background())
}

func Sleep(f *Flow, d time.Duration) error { time.Sleep(d); return nil }
