package dev

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/situ-dev/situ/internal/fault"
)

// settle is how long sources must be quiet after a change: editors and version
// control write many files at once.
const settle = 150 * time.Millisecond

// Watcher notices changes of a program's sources: of Go files, go.mod, go.sum
// and go.work in its module, but for tests, testdata and hidden directories.
type Watcher struct {
	fs   *fsnotify.Watcher
	root string
}

// Watch begins to watch the module of p. Close it. The error says what to do
// when the system cannot watch that many directories.
func (p *Program) Watch() (*Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "watch", p.Module, "%v: the system's limit of watchers may be reached (fs.inotify.max_user_instances)", err)
	}
	out := &Watcher{w, p.Module}
	if err := out.add(p.Module); err != nil {
		_ = w.Close() // the other error is told
		return nil, fault.New(fault.Unavailable, "watch", p.Module, "%v: the system's limit of watches may be reached (fs.inotify.max_user_watches)", err)
	}
	return out, nil
}

// Close ends the watch.
func (w *Watcher) Close() { _ = w.fs.Close() }

// add watches dir and what is below it.
func (w *Watcher) add(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone again
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case path != w.root && !watched(d.Name()):
			return filepath.SkipDir
		}
		return w.fs.Add(path)
	})
}

func watched(dir string) bool {
	return !strings.HasPrefix(dir, ".") && !strings.HasPrefix(dir, "_") && dir != "testdata" && dir != "node_modules"
}

// source reports whether the program is built from a file of that name.
func source(name string) bool {
	switch name {
	case "go.mod", "go.sum", "go.work":
		return true
	}
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, ".")
}

// Next waits until sources have changed and are quiet again, and returns the
// files, as seen from the module, in order. The error is that of ctx, or says
// that the watch has ended.
func (w *Watcher) Next(ctx context.Context) ([]string, error) {
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	quiet.Stop()
	changed := map[string]bool{}
	for {
		select {
		case ev, ok := <-w.fs.Events:
			if !ok {
				return nil, fault.New(fault.Unavailable, "watch", w.root, "the watch has ended")
			}
			if w.note(ev, changed) {
				quiet.Reset(settle)
			}
		case err, ok := <-w.fs.Errors:
			if !ok {
				return nil, fault.New(fault.Unavailable, "watch", w.root, "the watch has ended")
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) { // too many changes to tell: something has
				changed["many files"] = true
				quiet.Reset(settle)
			}
		case <-quiet.C:
			files := make([]string, 0, len(changed))
			for f := range changed {
				files = append(files, f)
			}
			slices.Sort(files)
			return files, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// note adds what an event tells to changed, and reports whether it did.
func (w *Watcher) note(ev fsnotify.Event, changed map[string]bool) bool {
	name := filepath.Base(ev.Name)
	if ev.Has(fsnotify.Create) && watched(name) && filepath.Ext(name) == "" {
		_ = w.add(ev.Name) // a directory, or gone again
	}
	if ev.Op == fsnotify.Chmod || !source(name) {
		return false
	}
	rel, err := filepath.Rel(w.root, ev.Name)
	if err != nil {
		rel = ev.Name
	}
	changed[rel] = true
	return true
}
