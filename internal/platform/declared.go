package platform

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform/schedule"
	"github.com/situ-dev/situ/internal/wire"
)

// Follow makes the schedules of a node those that its programs declare, each time
// that these change, until ctx is done. What cannot be is logged, and tried again with
// the next change. One Follow at a time.
func Follow(ctx context.Context, n *node.Node, log *slog.Logger) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var last *host.Manifest
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.Changed():
		}
		m := n.Manifest()
		if m == nil || m.Partial || last != nil && maps.EqualFunc(last.Schedules, m.Schedules, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			continue
		}
		last = m
		declare(ctx, n, m.Schedules, log)
	}
}

// declare declares schedules, and removes those that were declared and are not now.
func declare(ctx context.Context, n *node.Node, declared map[string]json.RawMessage, log *slog.Logger) {
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		var spec api.ScheduleSpec
		err := json.Unmarshal(declared[name], &spec)
		if err == nil {
			_, err = situ.Do(ctx, n, schedule.Declare.To(name, spec))
		}
		if err != nil && ctx.Err() == nil {
			log.Error("a schedule that the program declares is left as it was", "schedule", name, "error", err)
		}
	}
	for cursor := ""; ; {
		infos, next, err := n.List(ctx, schedule.Type.Name(), "", cursor, 100)
		if err != nil {
			return // the node ends
		}
		for _, info := range infos {
			if _, is := declared[info.ID.Key]; !is && wasDeclared(ctx, n, info.ID) {
				if _, err := situ.Do(ctx, n, schedule.Remove.To(info.ID.Key, true)); err != nil && ctx.Err() == nil {
					log.Error("a schedule that the program does not declare any more is still there", "schedule", info.ID.Key, "error", err)
				}
			}
		}
		if cursor = next; cursor == "" {
			return
		}
	}
}

func wasDeclared(ctx context.Context, n *node.Node, id wire.ObjectID) bool {
	st, _, err := n.Object(ctx, id)
	if err != nil {
		return false
	}
	s, err := schedule.Tell(id.Key, st.Root, time.Time{})
	return err == nil && s.Declared
}
